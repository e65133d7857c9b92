"""Records the histories that are replayed: `python -m tests.workflows.record`, with names for some of them alone.

Run it after a change of a workflow that is gated by `workflow.patched`, to add histories; old ones stay.
"""

import asyncio
import json
import os
import sys
import sysconfig
from collections.abc import Awaitable, Callable
from pathlib import Path
from uuid import uuid4

from temporalio.client import WorkflowHistory
from temporalio.testing import WorkflowEnvironment

from konstruct.contracts.conversation import Delivered, Thought
from tests.workflows import builds, errands, looks
from tests.workflows.conftest import Conversation, Stage, playing
from tests.workflows.states import STATES
from workflows import policies

HISTORIES = Path(__file__).parent / "histories"


async def answered(conversation: Conversation, stage: Stage) -> None:
    await conversation.say()


async def fetched_files(conversation: Conversation, stage: Stage) -> None:
    stage.foregone.append(Thought("files"))
    await conversation.say()


async def joined(conversation: Conversation, stage: Stage) -> None:
    stage.hold = asyncio.Event()
    await conversation.say()
    await stage.thinking.get()
    await conversation.say()
    await stage.thinking.get()
    stage.hold.set()


async def stopped(conversation: Conversation, stage: Stage) -> None:
    stage.hold = asyncio.Event()
    await conversation.say()
    await stage.thinking.get()
    await conversation.handle.signal("stop_turn")
    await stage.abandoned.get()
    stage.hold.set()


async def superseded(conversation: Conversation, stage: Stage) -> None:
    stage.outcomes.append(Delivered("superseded"))
    await conversation.say()


async def cut_off_for_nothing(conversation: Conversation, stage: Stage) -> None:
    stage.foregone.extend([Thought("superseded", showed_status=True), Thought("nothing")])
    await conversation.say()


async def models_down(conversation: Conversation, stage: Stage) -> None:
    stage.failures = 3
    await conversation.say()


async def noticed(conversation: Conversation, stage: Stage) -> None:
    await conversation.notice()
    await stage.deliveries.get()
    await conversation.say()


async def continued_as_new(conversation: Conversation, stage: Stage) -> None:
    with conversation.environment.auto_time_skipping_disabled():
        for _ in range(policies.TURNS_IN_A_RUN):
            await conversation.say()
            await stage.deliveries.get()


Scene = Callable[[Conversation, Stage], Awaitable[None]]
SCENES: tuple[Scene, ...] = (
    answered,
    fetched_files,
    joined,
    stopped,
    superseded,
    cut_off_for_nothing,
    models_down,
    noticed,
    continued_as_new,
)


def _of_no_machine(part: object) -> object:
    """Without what tells of the machine that recorded: who worked, and where its files lie."""
    if isinstance(part, dict):
        return {
            key: "recorder" if key == "identity" else _of_no_machine(value)
            for key, value in part.items()
            if key != "stackTrace"
        }
    return [_of_no_machine(item) for item in part] if isinstance(part, list) else part


async def _record_scenes(names: set[str]) -> None:
    """From beginning to end, with the days of silence that end a conversation."""
    server = str(Path(sysconfig.get_path("scripts")) / "temporal-test-server")
    async with await WorkflowEnvironment.start_time_skipping(test_server_existing_path=server) as environment:
        for scene in SCENES:
            if scene.__name__ not in names:
                continue
            stage = Stage()
            async with playing(environment, stage) as conversation:
                await scene(conversation, stage)
                await conversation.handle.result()
                _keep(scene.__name__, await conversation.first_run.fetch_history())
        for of_stripe in looks.SCENES:
            if of_stripe.__name__ not in names:
                continue
            async with looks.looking(environment, looks.Looks()) as subscription:
                looked = await of_stripe(subscription)
                _keep(of_stripe.__name__, await looked.fetch_history())


async def _record_states(names: set[str]) -> None:
    """As the server that conversations run on keeps them."""
    server = str(Path(sysconfig.get_path("scripts")) / "temporal")
    async with await WorkflowEnvironment.start_local(
        identity="recorder", dev_server_existing_path=server, dev_server_log_level="never"
    ) as environment:
        for state in STATES:
            if state.__name__ not in names:
                continue
            async with playing(environment, Stage()) as conversation:
                recorded = await state(conversation)
                _keep(state.__name__, await recorded.fetch_history())


async def _record_moves(names: set[str]) -> None:
    """On a server for each: conversations that go from build to build."""
    for move in builds.MOVES:
        if move.__name__ in names:
            async with builds.opened_server() as environment, builds.opened_street(environment) as street:
                _keep(move.__name__, await (await move(street)).fetch_history())


async def _record_errands(names: set[str]) -> None:
    async with builds.opened_server() as environment:
        for name in sorted(names & errands.ERRANDS.keys()):
            _keep(name, await (await errands.done(environment, errands.ERRANDS[name])).fetch_history())


def _keep(name: str, history: WorkflowHistory) -> None:
    history_file = HISTORIES / f"{name}-{uuid4().hex[:6]}.json"
    history_file.write_text(json.dumps(_of_no_machine(history.to_json_dict()), separators=(",", ":")) + "\n")


async def main(names: set[str]) -> None:
    HISTORIES.mkdir(exist_ok=True)
    await _record_scenes(names)
    await _record_states(names)
    await _record_moves(names)
    await _record_errands(names)


ALL = frozenset(scene.__name__ for scene in (*SCENES, *looks.SCENES, *STATES, *builds.MOVES)) | errands.ERRANDS.keys()


if __name__ == "__main__":
    asyncio.run(main(set(sys.argv[1:]) or set(ALL)))
    # Without the interpreter's clean-up, in which Temporal's threads can abort a finished process.
    os._exit(0)
