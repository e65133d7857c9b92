"""`python -m konstruct` is the command line."""

from konstruct.cli import main

main()
