"""Stands in for the interpreter where `konstruct up` or a benchmark runs its programs: `stand_in.py FOLDER -m konstruct
ARGUMENTS` has one forked from where all is imported already, passes on to it what is to end it, and ends as it does.

It is run by its path in a bare interpreter, so only the standard library may be imported here.
"""

import json
import os
import signal
import socket
import sys
from types import FrameType

LONGEST_ORDER = 1 << 17
"""In bytes."""
ORDERS = "orders"
"""The socket in the folder that takes them. Beside it, a link that is called by the number of a process that stands in
for a program leads to the program's."""

BENCHMARKS = "benchmarks."
"""What the product is compared with imports much of the same."""


def main(folder: str, command: list[str]) -> None:
    option, module, *arguments = command
    if option != "-m" or not (module == "konstruct" or module.startswith(BENCHMARKS)):
        os.execv(sys.executable, [sys.executable, *command])
    reports, report = os.pipe()
    order = json.dumps({"module": module, "arguments": arguments, "env": dict(os.environ)}).encode()
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as orders:
        orders.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, LONGEST_ORDER)
        orders.connect(f"{folder}/{ORDERS}")
        # Until it is told, and whenever nobody listens any more, the program ends with this process.
        socket.send_fds(orders, [order], [sys.stdout.fileno(), sys.stderr.fileno(), report])
    os.close(report)
    with os.fdopen(reports) as heard:
        pid = int(heard.readline())

        def pass_on(number: int, _: FrameType | None) -> None:
            os.kill(pid, number)

        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, pass_on)
        # In one step, and instead of what stands there of an earlier process with the same number.
        os.symlink(str(pid), fresh := f"{folder}/of-{pid}")
        os.replace(fresh, f"{folder}/{os.getpid()}")
        status = int(heard.readline())
    if status < 0:
        if -status != signal.SIGKILL:
            signal.signal(-status, signal.SIG_DFL)
        os.kill(os.getpid(), -status)
    sys.exit(status)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
