"""Runs a command that ends when the process that started it ends: `python leash.py SIGNAL PARENT-PID COMMAND...`.

It is run by its path in a bare interpreter, so only the standard library may be imported here.
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1


def end_with(parent: int, death_signal: signal.Signals) -> None:
    """Has the kernel send this process `death_signal` as soon as its parent, process `parent`, is gone."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_PDEATHSIG, int(death_signal)) != 0:
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error))
    # A parent that died before the call above sends nothing any more.
    if os.getppid() != parent:
        sys.exit(f"The process {parent} that this one belongs to has ended.")


if __name__ == "__main__":
    wanted_signal, parent_pid, *command = sys.argv[1:]
    end_with(int(parent_pid), signal.Signals(int(wanted_signal)))
    os.execv(command[0], command)  # noqa: S606
