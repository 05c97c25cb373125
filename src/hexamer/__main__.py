"""`python -m hexamer` is the command `hexamer`."""

from hexamer.cli import main

main()
