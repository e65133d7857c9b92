"""A module with another interpreter for its programs: `python -m tests.support.forking INTERPRETER MODULE ...`."""

import runpy
import sys

# Before there is another one: what ties a program to this process is run by the real interpreter.
import konstruct.embedded.process  # noqa: F401

if __name__ == "__main__":
    sys.executable, module, *arguments = sys.argv[1:]
    sys.argv[1:] = arguments
    runpy.run_module(module, run_name="__main__", alter_sys=True)
