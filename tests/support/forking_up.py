"""`konstruct up` with another interpreter for its programs: `python -m tests.support.forking_up INTERPRETER up ...`."""

import sys

from konstruct.cli import main

if __name__ == "__main__":
    sys.executable = sys.argv.pop(1)
    main()
