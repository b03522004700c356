"""What `benchmarks/compare.py` is made of: a server of canned bytes, child processes, and the work of each library."""
