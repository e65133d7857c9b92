"""``send_file``: what is made ready goes out with the answer, once, and what no answer takes along is removed."""

import json
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

import pytest
from temporalio.testing import ActivityEnvironment

from activities.delivery import Delivery
from activities.fetching import Removing
from activities.sending_files import EITHER, ENDING, NO_FILES, NOT_TAKEN, PAGE, READY, SEVERAL, TOO_BIG, UNKNOWN
from activities.thinking import Thinking
from activities.tool_use import ToolUse
from konstruct import contacts, conversations
from konstruct.channels import WHATSAPP
from konstruct.contracts.conversation import DeliverRequest, Thought
from konstruct.db import Database
from konstruct.knowledge import documents
from konstruct.knowledge.sources import SourceSettings
from konstruct.ports import OutgoingFile
from konstruct.tables import Connection, File, FileRemoval, ToolCall
from konstruct.tools.sending import MOST, TOO_MANY
from konstruct.vault import Vault
from tests.activities.tools import call
from tests.activities.turns import Turn, calling
from tests.support import library
from tests.support.doubles import KeptFiles, KeptWindows, RecordingMessenger, ScriptedModel
from tests.support.office import Office
from tests.support.workshop import call_row, is_tainted, publish

PRICES = {"name": "prices.csv", "text": "bell,€ 9\n"}
AS_SENT = OutgoingFile("prices.csv", "text/csv", "bell,€ 9\n".encode())


@dataclass
class Desk:
    """One turn, in which files are asked for."""

    office: Office
    turn: Turn
    tool_use: ToolUse
    model: ScriptedModel
    delivery: Delivery
    messenger: RecordingMessenger

    async def ask(self, **arguments: str) -> tuple[UUID, str]:
        """The call, and what the model hears of it."""
        self.model.script(calling("send_file", arguments=json.dumps(arguments)), "Here it is.")
        thought = await self.turn.step()
        await call(self.tool_use, self.office, thought.calls[0].call_id)
        answered = await self.turn.think()
        assert answered.decision == "reply"
        return thought.calls[0].call_id, self.model.prompts[-1][-1].content

    async def deliver(self) -> list[OutgoingFile]:
        thought = await self.turn.think(attempt=2)
        request = DeliverRequest(self.office.tenant_id, self.turn.asked.conversation_id, thought.reply_ids)
        await ActivityEnvironment().run(self.delivery.deliver, request)
        return self.messenger.files


@pytest.fixture
async def desk(
    office: Office,
    database: Database,
    vault: Vault,
    thinking: Thinking,
    tool_use: ToolUse,
    model: ScriptedModel,
    messenger: RecordingMessenger,
    store: KeptFiles,
) -> Desk:
    await publish(office, "send_file", knowledge=["handbook", "web"])
    delivery = Delivery(database, vault, {"slack": messenger}, KeptWindows(), files=store)
    turn = Turn(office, thinking, await office.say("Your prices?"))
    return Desk(office, turn, tool_use, model, delivery, messenger)


async def set_kind(office: Office, kind: str) -> None:
    async with office.session() as session:
        connection = await session.get_one(Connection, (office.tenant_id, office.connection_id))
        connection.kind = kind


async def test_a_text_goes_out_behind_the_answer(desk: Desk, store: KeptFiles) -> None:
    _, told = await desk.ask(**PRICES)
    assert told == READY.format("prices.csv")
    assert not any(b"bell" in content for content in store.kept.values())
    assert await desk.deliver() == [AS_SENT]
    assert desk.messenger.sent == ["Here it is.", ""]
    assert await desk.office.rows(FileRemoval) == []


async def test_a_later_turn_knows_what_was_sent(desk: Desk, thinking: Thinking, model: ScriptedModel) -> None:
    await desk.ask(**PRICES)
    await desk.deliver()
    model.script("Yes.")
    await Turn(desk.office, thinking, await desk.office.say("Did you send it?")).think()
    assert model.prompts[-1][-2].content == "Here it is.\n\n[The file “prices.csv” was sent along.]"


@pytest.mark.parametrize("called", ["handbook.PDF", "Our Handbook"])
async def test_a_document_of_the_business_goes_as_it_was_handed_in(desk: Desk, called: str) -> None:
    read = library.content("Open at nine.", title="Our handbook")
    await library.fill(desk.office, "handbook", {"handbook.pdf": read})
    await desk.ask(document=called)
    assert await desk.deliver() == [OutgoingFile("handbook.pdf", "text/plain", b"handbook.pdf")]


async def test_of_documents_with_one_title_the_model_has_to_say_which(desk: Desk) -> None:
    read = {f"{name}.txt": library.content(name, title="Terms") for name in ("old", "new")}
    await library.fill(desk.office, "handbook", read)
    _, told = await desk.ask(document="terms")
    assert told in {SEVERAL.format("old.txt, new.txt"), SEVERAL.format("new.txt, old.txt")}


async def test_of_a_page_the_address_is_given(desk: Desk) -> None:
    url = f"{library.SITE}/terms"
    page = library.content("Within 30 days.", title="Terms", link=url)
    await library.fill(desk.office, "web", {url: page}, settings=library.SITEMAP)
    _, told = await desk.ask(document="Terms")
    assert told == PAGE.format("Terms", url)


async def test_documents_that_the_employee_does_not_look_through_are_unknown(desk: Desk) -> None:
    await library.fill(desk.office, "secrets", {"plan.txt": library.content("Plan", title="Plan")})
    _, told = await desk.ask(document="plan.txt")
    assert (told, await desk.deliver()) == (UNKNOWN.format("plan.txt"), [])


@pytest.mark.parametrize(
    ("kind", "arguments", "told"),
    [
        ("slack", {"name": "a.txt"}, EITHER),
        ("slack", {**PRICES, "document": "Handbook"}, EITHER),
        ("slack", {"name": "run.exe", "text": "x"}, ENDING),
        ("slack", {"name": "../a.txt", "text": "x"}, ENDING),
        ("console", PRICES, NO_FILES),
        ("whatsapp", {"name": "a.json", "text": "{}"}, NOT_TAKEN.format("a.json")),
    ],
)
async def test_what_cannot_be_sent_is_said_in_words(
    desk: Desk, store: KeptFiles, kind: str, arguments: dict[str, str], told: str
) -> None:
    desk.model.script(calling("send_file", arguments=json.dumps(arguments)))
    thought = await desk.turn.step()
    await set_kind(desk.office, kind)
    made = await call(desk.tool_use, desk.office, thought.calls[0].call_id)
    await set_kind(desk.office, "slack")
    desk.model.script("I cannot.")
    assert (await desk.turn.think()).decision == "reply"
    assert (made.state, desk.model.prompts[-1][-1].content, store.kept) == ("failed", told, {})
    assert await desk.office.rows(File) == []


async def test_what_is_too_long_for_the_channel_is_not_sent(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    media = WHATSAPP.media_for("image/png")
    assert media is not None
    await library.add(desk.office, "handbook", SourceSettings("files"))
    document_id = await library.upload(desk.office, "handbook", "big.png", b"x" * (media.most_bytes + 1))
    async with desk.office.session() as session:
        row = await documents.get(session, document_id)
        row.status, row.media_type = "indexed", "image/png"
    desk.model.script(calling("send_file", arguments='{"document": "big.png"}'))
    thought = await desk.turn.step()
    await set_kind(desk.office, "whatsapp")
    await call(desk.tool_use, desk.office, thought.calls[0].call_id)
    await set_kind(desk.office, "slack")
    await desk.turn.think()
    assert desk.model.prompts[-1][-1].content == TOO_BIG.format("big.png")


async def test_it_may_be_sent_where_strangers_text_was_read(desk: Desk) -> None:
    async with desk.office.session() as session:
        await conversations.mark_untrusted(session, desk.turn.asked.conversation_id)
    await desk.ask(**PRICES)
    assert await is_tainted(desk.office, desk.turn.asked)
    assert await desk.deliver() == [AS_SENT]


async def test_an_attempt_after_one_that_died_leaves_one_file(desk: Desk, store: KeptFiles) -> None:
    desk.model.script(calling("send_file", arguments=json.dumps(PRICES)), "Here it is.")
    [made] = (await desk.turn.step()).calls
    await call(desk.tool_use, desk.office, made.call_id)
    async with desk.office.session() as session:
        row = await session.get_one(ToolCall, (desk.office.tenant_id, made.call_id))
        row.state, row.sealed_result, row.sealed_sources = "running", None, None
    assert (await call(desk.tool_use, desk.office, made.call_id, number=2)).state == "done"
    await desk.turn.think()
    assert await desk.deliver() == [AS_SENT]
    assert (len(store.kept), len(await desk.office.rows(File))) == (1, 1)


async def test_of_two_with_one_name_the_last_goes(desk: Desk) -> None:
    desk.model.script(
        calling("send_file", arguments=json.dumps({"name": "prices.csv", "text": "wrong"})),
        calling("send_file", arguments=json.dumps(PRICES)),
        "Here it is.",
    )
    for _ in range(2):
        [made] = (await desk.turn.step()).calls
        await call(desk.tool_use, desk.office, made.call_id)
    await desk.turn.think()
    assert await desk.deliver() == [AS_SENT]


async def test_no_more_than_a_few_go_with_one_answer(desk: Desk) -> None:
    names = [json.dumps({"name": f"{number}.txt", "text": "x"}) for number in range(MOST + 1)]
    desk.model.script(*(calling("send_file", arguments=each) for each in names), "Here they are.")
    for _ in names:
        [made] = (await desk.turn.step()).calls
        await call(desk.tool_use, desk.office, made.call_id)
    thought = await desk.turn.think()
    assert desk.model.prompts[-1][-1].content == TOO_MANY
    assert len(thought.reply_ids) == 1 + MOST


async def test_an_answer_that_is_thought_of_again_takes_it_along(desk: Desk, store: KeptFiles) -> None:
    """A message that came before anything was sent joined the turn."""
    await desk.ask(**PRICES)
    await desk.office.say("In euros, please.")
    desk.model.script("In euros, then.")
    again = await desk.office.begin(desk.turn.asked, desk.turn.id)
    assert isinstance(again, list)
    async with desk.office.session() as session:
        for message_id in again:
            message = await session.get_one(
                type(await desk.office.message(message_id)), (desk.office.tenant_id, message_id)
            )
            message.state = "discarded"
    thought: Thought = await desk.turn.think()
    assert thought.decision == "reply"
    assert await desk.deliver() == [AS_SENT]
    assert (desk.messenger.sent, len(store.kept)) == (["In euros, then.", ""], 1)


async def test_what_no_answer_took_along_is_removed(desk: Desk, database: Database, store: KeptFiles) -> None:
    desk.model.script(calling("send_file", arguments=json.dumps(PRICES)), "Here it is.")
    [made] = (await desk.turn.step()).calls
    await call(desk.tool_use, desk.office, made.call_id)
    async with desk.office.session() as session:
        removal = await session.get_one(FileRemoval, (desk.office.tenant_id, made.call_id))
        removal.due_at -= timedelta(days=3)
    await Removing(database, store).run(1_000)
    assert store.kept == {}
    await desk.turn.think()
    assert (await desk.deliver(), desk.messenger.sent) == ([], ["Here it is."])


async def test_what_was_made_ready_for_who_is_erased_goes_soon(
    desk: Desk, database: Database, store: KeptFiles
) -> None:
    desk.model.script(calling("send_file", arguments=json.dumps(PRICES)))
    [made] = (await desk.turn.step()).calls
    await call(desk.tool_use, desk.office, made.call_id)
    row = await call_row(desk.office, made.call_id)
    async with desk.office.session() as session:
        before = (await session.get_one(FileRemoval, (row.tenant_id, row.id))).due_at
        await contacts.erase(session, row.tenant_id, row.contact_id, actor="test")
    [removal] = await desk.office.rows(FileRemoval)
    assert before - removal.due_at > timedelta(days=1)
