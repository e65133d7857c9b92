"""The process from which ``tests.support.commands`` forks the product's commands: they find all imported already."""

import gc
import importlib
import json
import os
import runpy
import select
import signal
import socket
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Final, NoReturn

from konstruct.cli import main
from tests.support.commands import CHECKOUT
from tests.support.stand_in import LONGEST_ORDER

PROGRAMS: Final = {"gateway": "gateway.app", "portal": "portal.app", "worker": "workflows.worker"}
"""What the commands that go on for ever import by name, once they are called."""
OWN: Final = frozenset(os.environ)


def serve(orders: socket.socket, visitors: socket.socket) -> None:
    """``visitors``: where whoever has one order comes in."""
    # Ctrl-C is for the tests, which end this one in their own time.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    gc.disable()
    while True:
        ready, _, _ = select.select([orders, visitors], [], [])
        if orders in ready:
            content, descriptors, _, _ = socket.recv_fds(orders, LONGEST_ORDER, 3)
            if not content:
                return
            _follow(content, descriptors, (orders, visitors))
        if visitors in ready:
            visitor, _ = visitors.accept()
            with visitor:
                content, descriptors, _, _ = socket.recv_fds(visitor, LONGEST_ORDER, 3)
            if content:
                _follow(content, descriptors, (orders, visitors))


def _follow(content: bytes, descriptors: Sequence[int], sockets: Sequence[socket.socket]) -> None:
    order = json.loads(content)
    for program in PROGRAMS.keys() & order["arguments"]:
        imported = importlib.import_module(PROGRAMS[program])
        if program == "portal":
            imported.routes()
    # Pages that nobody looks through for garbage stay shared.
    gc.freeze()
    if os.fork() == 0:
        for each in sockets:
            each.close()
        _watch(order["module"], order["arguments"], order["env"], *descriptors)
    for descriptor in descriptors:
        os.close(descriptor)


def _watch(
    module: str, arguments: Sequence[str], env: Mapping[str, str], said: int, complained: int, report: int
) -> NoReturn:
    """Tells the number of the command's process, and then how it ended. When nobody listens any more, it is killed."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    pid = os.fork()
    if pid == 0:
        os.close(report)
        _run(module, arguments, env, said, complained)
    with suppress(BrokenPipeError):
        os.write(report, f"{pid}\n".encode())
    ended = os.pidfd_open(pid)
    either = select.poll()
    either.register(ended, select.POLLIN)
    either.register(report, 0)  # That its other end is closed is told unasked.
    if ended not in dict(either.poll()):
        os.kill(pid, signal.SIGKILL)
    _, status = os.waitpid(pid, 0)
    with suppress(BrokenPipeError):
        os.write(report, f"{os.waitstatus_to_exitcode(status)}\n".encode())
    os._exit(0)


def _run(module: str, arguments: Sequence[str], env: Mapping[str, str], said: int, complained: int) -> NoReturn:
    # As the product's stack starts its programs: what the terminal sends is for those who stop them in order.
    os.setsid()
    gc.enable()
    signal.signal(signal.SIGINT, signal.default_int_handler)
    nothing = os.open(os.devnull, os.O_RDONLY)
    for number, descriptor in enumerate((nothing, said, complained)):
        os.dup2(descriptor, number)
    # What was set while something was imported stays, as it is for what was imported.
    for name in OWN:
        os.environ.pop(name, None)
    os.environ.update(env, PYTHONPATH=str(CHECKOUT))
    # As `python -m konstruct` has it, for the command line tells people how it was called.
    sys.argv = [str(CHECKOUT / "konstruct" / "__main__.py"), *arguments]
    sys.modules["__main__"].__package__ = "konstruct"
    status = 1
    try:
        if module == "konstruct":
            main()
        else:
            runpy.run_module(module, run_name="__main__", alter_sys=True)
        status = 0
    except SystemExit as leaving:
        status = leaving.code if isinstance(leaving.code, int) else int(leaving.code is not None)
    except BaseException:
        sys.excepthook(*sys.exc_info())
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


if __name__ == "__main__":
    serve(socket.socket(fileno=0), socket.socket(fileno=int(sys.argv[1])))
