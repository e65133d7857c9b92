"""A program whose clock is wrong by so many seconds: ``python -m tests.faults.off_clock SECONDS MODULE ARGUMENTS``.

What measures how long something takes goes on as it was: it is the time of day that is wrong.
"""

import sys
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import time_machine

from tests.faults.wrapping import go_on


def off_by(seconds: float, command: Sequence[str]) -> tuple[str, ...]:
    """The command with such a clock, as ``Deployment.add_gateway`` and others take it."""
    return ("tests.faults.off_clock", str(seconds), *command)


if __name__ == "__main__":
    time_machine.travel(datetime.now(UTC) + timedelta(seconds=float(sys.argv[1]))).start()
    go_on(sys.argv[2:])
