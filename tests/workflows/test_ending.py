"""Workers that are told to end do so: at their work or before it, and with a Temporal that never lets go of them."""

import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from konstruct.embedded import temporal as embedded_temporal
from konstruct.embedded.loopback import free_port
from konstruct.embedded.process import Child, Program
from konstruct.embedded.supervisor import Supervisor
from konstruct.ending import STATUS
from konstruct.settings import Settings, needed
from tests.support.processes import environment
from tests.support.programs import launch
from tests.workflows import stuck

pytestmark = pytest.mark.stack
WORKER = ("konstruct", "worker")
BACKGROUND = (*WORKER, "--background")
READY = {WORKER: "worker_ready", BACKGROUND: "background_worker_ready"}


@pytest.fixture(scope="module")
async def own_temporal(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[str]:
    """A server of its own: a worker's schedules would have others' at work."""
    folder = tmp_path_factory.mktemp("temporal")
    async with Supervisor(lambda sentence: None) as supervisor:
        part = embedded_temporal.prepared(folder, "default", free_port())
        await supervisor.start(part.program)
        yield part.address


@pytest.fixture
def env(settings: Settings, tmp_path: Path) -> dict[str, str]:
    [key] = settings.encryption_keys
    return environment(
        tmp_path,
        database_url=needed(settings.database_url, "").get_secret_value(),
        redis_url=needed(settings.redis_url, "").get_secret_value(),
        encryption_keys=key.get_secret_value(),
        log_format="json",
    )


async def begun(env: dict[str, str], *command: str, once: str) -> Child:
    """Once it has logged such an event."""
    log = Path(env["KONSTRUCT_DATA_DIR"]) / "logs" / "worker.log"

    async def is_logged() -> bool:
        return f'"event": "{once}"' in log.read_text()

    return await launch(
        Program(name="The worker", command=(sys.executable, "-m", *command), log=log, environment=env, ready=is_logged)
    )


async def told_to_end(child: Child) -> str:
    """How it did."""
    try:
        os.kill(child.process.pid, signal.SIGTERM)
        return await child.ended()
    finally:
        await child.stop()


@pytest.mark.parametrize(
    ("how", "command"), [("waits", WORKER), ("blocks", WORKER), ("waits", BACKGROUND)], ids=["waits", "blocks", "other"]
)
async def test_temporal_that_never_ends_is_not_waited_for(
    env: dict[str, str], own_temporal: str, how: str, command: tuple[str, ...]
) -> None:
    env["KONSTRUCT_TEMPORAL_ADDRESS"] = own_temporal
    child = await begun(env, stuck.__name__, how, *command, once=READY[command])
    assert await told_to_end(child) == f"exit code {STATUS}"
    told = json.loads(child.program.log.read_text().splitlines()[-1])
    assert (told["event"], told["seconds"]) == ("ended_by_force", stuck.SECONDS)
    # What blocks the loop waits for nothing.
    at = ".run > Worker.run > Worker._run > waits > " if how == "waits" else "Worker.__aenter__.<locals>.run"
    assert any(at in each for each in told["unfinished"]), told


@pytest.mark.parametrize("command", [WORKER, BACKGROUND], ids=["worker", "other"])
async def test_who_has_nothing_to_finish_ends_at_once(
    env: dict[str, str], own_temporal: str, command: tuple[str, ...]
) -> None:
    env["KONSTRUCT_TEMPORAL_ADDRESS"] = own_temporal
    child = await begun(env, *command, once=READY[command])
    assert await told_to_end(child) == "exit code 0"
    assert "ended_by_force" not in child.program.log.read_text()


async def test_who_waits_for_temporal_still_waits_no_longer(env: dict[str, str]) -> None:
    env["KONSTRUCT_TEMPORAL_ADDRESS"] = f"127.0.0.1:{free_port()}"
    child = await begun(env, *WORKER, once="waiting_for_temporal")
    assert await told_to_end(child) == "exit code 0"
