"""What people see in a handoff's thread of files that a contact sends: nothing before it is known what they are."""

from uuid import UUID

import pytest

from konstruct.files import keeping
from konstruct.files.keeping import Content
from konstruct.handoffs import owning
from konstruct.inbox import Accepted
from konstruct.messages import SentFile
from tests.activities.desks import Desk, asked, desk, mails, office, slack
from tests.support.handoffs import a_wish, hand_back, owned
from tests.support.office import Office

__all__ = ["asked", "desk", "mails", "office", "slack"]

VOICE = SentFile("voice message.oga", "audio/ogg; codecs=opus", reference="1")
CONTRACT = SentFile("contract.pdf", "application/pdf", 12_345, "2")


@pytest.fixture
async def handoff_id(desk: Desk, asked: Accepted) -> UUID:
    return await owned(desk.office, asked)


async def keep(office: Office, conversation_id: UUID, *contents: Content) -> None:
    """All that waits is fetched, in the order of a message's files."""
    async with office.session() as session:
        tasks = await keeping.waiting(session, office.vault, conversation_id)
        for task, content in zip(tasks, contents, strict=True):
            await keeping.keep(session, task, f"digest-{task.file_id}", content)


async def told(office: Office, asked: Accepted) -> UUID:
    async with office.session() as session:
        handoff_id = await owning.tell(session, office.vault, asked.conversation_id, a_wish(rule="costly"))
    assert handoff_id is not None
    return handoff_id


def said(desk: Desk) -> list[str]:
    """As the one line that Slack tells of a message."""
    return [line.partition(": ")[2] for line in desk.lines]


async def test_a_line_waits_for_its_files_and_so_does_what_is_said_after_it(desk: Desk, handoff_id: UUID) -> None:
    sent = await desk.office.say("[sent a voice message]", files=(VOICE, CONTRACT))
    await desk.office.say("Hello?")
    standing = await desk.attend(handoff_id)
    assert (said(desk), standing.files_wait_in) == (["I want a person"], sent.conversation_id)

    await keep(
        desk.office,
        sent.conversation_id,
        Content("audio/ogg", 9, "My bell is broken."),
        Content("application/pdf", 12_345, "Clause one."),
    )
    standing = await desk.attend(handoff_id)
    assert said(desk)[1:] == [
        "[sent a voice message] [Voice message, as it was understood:] My bell is broken."
        " [File: contract.pdf, PDF, 12 kB]",
        "Hello?",
    ]
    assert standing.files_wait_in is None


async def test_why_a_file_is_not_there_is_told(desk: Desk, handoff_id: UUID) -> None:
    sent = await desk.office.say("Look", files=(VOICE, CONTRACT))
    async with desk.office.session() as session:
        [voice, _] = await keeping.waiting(session, desk.office.vault, sent.conversation_id)
        await keeping.refuse(session, voice.file_id, "nothing is said in it.")
        await keeping.give_up(session, sent.conversation_id)
    await desk.attend(handoff_id)
    assert said(desk)[1:] == [
        "Look [The file voice message.oga could not be opened: nothing is said in it.]"
        " [The file contract.pdf could not be opened: it could not be fetched in time.]"
    ]


@pytest.mark.parametrize("is_back", [True, False], ids=["handed back", "only told"])
async def test_what_people_do_not_wait_for_holds_up_no_line(desk: Desk, asked: Accepted, is_back: bool) -> None:
    """The employee has it fetched with its next turn, of which the thread shows nothing any more."""
    handoff_id = await owned(desk.office, asked) if is_back else await told(desk.office, asked)
    await desk.office.say("Look", files=(CONTRACT,))
    if is_back:
        await hand_back(desk.office, handoff_id)
    standing = await desk.attend(handoff_id)
    assert "Look [File: contract.pdf, PDF, 12 kB]" in said(desk)
    assert (standing.is_over, standing.files_wait_in) == (True, None)
