"""`python -m konstruct` is the command line."""

import gc

# Nothing of what is imported is garbage; to look for some takes a fifth of the time that a command takes to start.
gc.disable()

from konstruct.cli import main  # noqa: E402

gc.enable()
main()
