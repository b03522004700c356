"""See child.py."""

from comparing.child import main

main()
