"""The command line: `python -m llm_client`, or `llm-client`. A user of the library; nothing in it is imported there."""
