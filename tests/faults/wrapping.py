"""How a program goes on that has changed something in its own process: as one of the product's, or of another's."""

import runpy
import sys
from collections.abc import Sequence


def go_on(command: Sequence[str]) -> None:
    """Runs the module that comes first, with all that comes after it as its arguments."""
    module, *arguments = command
    sys.argv[1:] = arguments
    runpy.run_module(module, run_name="__main__", alter_sys=True)
