"""The health check of a container asks its own process, and nobody else."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread

import pytest

from konstruct.embedded.loopback import free_port
from tests.docker.composed import DOCKER


@contextmanager
def answering(status: int, body: bytes) -> Iterator[tuple[int, list[str]]]:
    """A port that answers so, and what it was asked for."""
    asked: list[str] = []

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(status)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Answer) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        yield server.server_port, asked
        server.shutdown()
        thread.join()


def check(port: int) -> tuple[int, str]:
    # A proxy of the environment must not be asked about this machine.
    env = {"KONSTRUCT_METRICS_PORT": str(port), "http_proxy": "http://127.0.0.1:1"}
    # As the Dockerfile has it.
    command = (sys.executable, "-S", str(DOCKER / "ready.py"))
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=env)
    assert done.stderr == ""
    return done.returncode, done.stdout.strip()


@pytest.mark.parametrize(("status", "ends"), [(200, 0), (503, 1), (404, 1)])
def test_it_is_healthy_as_long_as_its_process_says_that_it_is_ready(status: int, ends: int) -> None:
    with answering(status, b'{"database": "ok"}') as (port, asked):
        assert check(port) == (ends, '{"database": "ok"}')
    assert asked == ["/health/ready"]


def test_it_is_not_while_nothing_answers() -> None:
    port = free_port()
    status, said = check(port)
    assert status == 1
    assert said.startswith(f"Nothing answers on port {port}: ")
