"""`python -m flowc.cli` is `flowc`."""

from flowc.cli import main

main()
