"""Turns that wait for files; on a server whose clock skips."""

import asyncio
from uuid import UUID

from konstruct.contracts.conversation import FetchFilesRequest, Thought
from tests.workflows.conftest import Conversation, Stage

FILES = Thought("files")


async def test_files_are_fetched_and_then_it_is_thought(conversation: Conversation, stage: Stage) -> None:
    stage.foregone.append(FILES)
    message = await conversation.say()
    await conversation.handle.result()
    assert stage.fetching.get_nowait() == FetchFilesRequest(conversation.tenant_id, conversation.id)
    assert [(thought.message_ids, thought.without_files) for thought in stage.thoughts] == [([message], False)] * 2
    [delivery] = stage.delivered
    assert delivery.message_ids == [stage.thoughts[1].turn_id]


async def test_a_turn_without_files_fetches_none(conversation: Conversation, stage: Stage) -> None:
    await conversation.say()
    await conversation.handle.result()
    assert stage.fetching.empty()


async def test_a_message_meanwhile_waits_for_them_and_fetches_nothing_twice(
    conversation: Conversation, stage: Stage
) -> None:
    stage.foregone.append(FILES)
    stage.hold_files = asyncio.Event()
    first = await conversation.say()
    await stage.fetching.get()
    second = await conversation.say()
    assert await conversation.handle.query("waiting_messages", result_type=list[UUID]) == [first, second]
    assert len(stage.thoughts) == 1
    stage.hold_files.set()
    await conversation.handle.result()
    assert [thought.message_ids for thought in stage.thoughts] == [[first], [first, second]]
    assert (stage.fetching.empty(), len(stage.delivered)) == (True, 1)


async def test_what_cannot_be_fetched_holds_up_no_answer(conversation: Conversation, stage: Stage) -> None:
    stage.foregone.append(FILES)
    stage.files_fail = True
    await conversation.say()
    await conversation.handle.result()
    assert [thought.without_files for thought in stage.thoughts] == [False, True]
    assert len(stage.delivered) == 1


async def test_the_next_turn_waits_for_its_own_again(conversation: Conversation, stage: Stage) -> None:
    stage.foregone.append(FILES)
    stage.files_fail = True
    await conversation.say()
    await stage.deliveries.get()
    await conversation.say()
    await conversation.handle.result()
    assert [thought.without_files for thought in stage.thoughts] == [False, True, False]


async def test_a_stop_waits_for_no_file(conversation: Conversation, stage: Stage) -> None:
    stage.foregone.append(FILES)
    stage.hold_files = asyncio.Event()
    message = await conversation.say()
    await stage.fetching.get()
    await conversation.handle.signal("stop_turn")
    abandoned = await stage.abandoned.get()
    stage.hold_files.set()
    await conversation.handle.result()
    assert (abandoned.message_ids, abandoned.why) == ([message], "stopped")
    assert stage.delivered == []
