"""What the built-in tools do: memory, knowledge, time, a person's help, and reading on."""

from datetime import UTC, datetime, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest

from activities.builtin_tools import HANDED_OFF, NOTHING_FOUND
from activities.librarian import PASSAGES
from activities.remembering import Remembering
from activities.tool_use import ToolUse
from konstruct import contacts, conversations
from konstruct.conversations import HandedOff
from konstruct.handoffs import cards
from konstruct.identity import new_id
from konstruct.knowledge.sources import SourceSettings
from konstruct.ports import ToolCall
from konstruct.tables import Contact, Handoff, Memory
from konstruct.tables.base import utc_now
from konstruct.tools import calls
from konstruct.tools.calls import Outcome
from tests.activities.memories import NO_FACTS, remember
from tests.activities.tools import call, use
from tests.support import library
from tests.support.doubles import ScriptedModel, WordEmbedder
from tests.support.office import Office
from tests.support.workshop import Job, define, is_tainted, job, over_http, publish, set_tenant

TOLD = "It is remembered."
NOT_TOLD = "It was known already, or may not be remembered."


@pytest.fixture
async def turn(office: Office) -> Job:
    await library.add(office, "handbook")
    await library.add(office, "web", SourceSettings("files"))
    await publish(
        office,
        *("search_knowledge", "remember", "forget", "current_time", "hand_off"),
        knowledge=["handbook", "web"],
    )
    return await job(office, "My bicycle is green", root="1.0")


async def facts(office: Office) -> list[Memory]:
    return [row for row in await office.rows(Memory) if row.kind == "fact"]


async def test_a_fact_is_remembered_of_whoever_said_it(turn: Job, tool_use: ToolUse) -> None:
    row, told = await use(tool_use, turn, "remember", '{"fact": "They have  a green\\nbicycle."}')
    assert (row.state, row.is_untrusted, told) == ("done", False, TOLD)
    [fact] = await facts(turn.office)
    assert (fact.contact_id, fact.message_id, fact.confidence) == (row.contact_id, turn.asked.message_id, 1.0)
    async with turn.office.session() as session:
        cipher = await turn.office.vault.cipher(session, turn.office.tenant_id, row.contact_id)
    assert cipher.open("memory", fact.id, fact.sealed) == "They have a green bicycle."
    [event] = await turn.office.events("memory.learned")
    assert event.detail == {"call_id": str(row.id), "facts": [str(fact.id)]}


async def test_a_fact_is_remembered_once(turn: Job, tool_use: ToolUse) -> None:
    await use(tool_use, turn, "remember", '{"fact": "They have a green bicycle."}')
    _, told = await use(tool_use, turn, "remember", '{"fact": "They have a green bicycle"}')
    assert (told, len(await facts(turn.office))) == (NOT_TOLD, 1)


async def test_nothing_is_remembered_of_what_may_not_be(turn: Job, tool_use: ToolUse) -> None:
    """What they said was taken back, so nothing stands behind the fact any more."""
    office = turn.office
    kept = await turn.step(ToolCall("1", "remember", '{"fact": "They have a bicycle."}'))
    async with office.session() as session:
        message = await session.get_one(
            type(await office.message(turn.asked.message_id)), (office.tenant_id, turn.asked.message_id)
        )
        message.forgotten_at = utc_now()
    await call(tool_use, office, kept.calls[0].call_id)
    assert (await turn.told(), await facts(office)) == ([NOT_TOLD], [])


async def test_nothing_is_remembered_of_whoever_was_erased(turn: Job, tool_use: ToolUse) -> None:
    office = turn.office
    kept = await turn.step(ToolCall("1", "remember", '{"fact": "They have a bicycle."}'))
    async with office.session() as session:
        row = await calls.get(session, kept.calls[0].call_id)
        await contacts.erase(session, office.tenant_id, row.contact_id, actor="test")
    made = await call(tool_use, office, kept.calls[0].call_id)
    assert (made.state, await facts(office)) == ("cancelled", [])


async def learned(office: Office, tool_use: ToolUse, fact: str, *, root: str, contact: str = "U1") -> None:
    """From another conversation, as forgetting what is asked right now takes the turn along."""
    other = await job(office, fact, root=root, contact=contact)
    _, told = await use(tool_use, other, "remember", f'{{"fact": "{fact}"}}')
    assert told == TOLD


async def test_what_is_remembered_is_found_and_then_forgotten_by_its_ids(
    turn: Job, tool_use: ToolUse, remembering: Remembering, model: ScriptedModel
) -> None:
    office = turn.office
    model.script(NO_FACTS)
    await learned(office, tool_use, "They ride a green Peregrine.", root="7.0")
    await learned(office, tool_use, "They live in Graz.", root="8.0")
    _, told = await use(tool_use, turn, "forget", '{"about": "Peregrine"}')
    head, *lines = told.splitlines()
    assert head == "Remembered, each with its id:"
    [line] = [line for line in lines if line.endswith("They ride a green Peregrine.")]
    assert f"({utc_now():%Y-%m-%d})" in line
    memory_id = line.split()[0]
    assert UUID(memory_id) in {row.id for row in await facts(office)}

    row, told = await use(tool_use, turn, "forget", f'{{"ids": ["{memory_id}", "{new_id()}"]}}')
    assert told == "1 of 2 are forgotten."
    assert memory_id not in {str(fact.id) for fact in await facts(office)}
    [event] = await office.events("memory.forgotten")
    assert event.detail["call_id"] == str(row.id)
    assert len(event.detail["messages"]) == 1
    _, told = await use(tool_use, turn, "forget", '{"about": "Peregrine"}')
    assert "Peregrine" not in told


async def test_what_a_joined_contact_said_is_found_and_forgotten_and_a_strangers_is_not(
    turn: Job, tool_use: ToolUse
) -> None:
    office = turn.office
    await learned(office, tool_use, "They ride a Peregrine.", root="7.0", contact="U2")
    await learned(office, tool_use, "They sell Peregrines.", root="8.0", contact="U3")
    by_external = {row.external_id: row.id for row in await office.rows(Contact)}
    async with office.session() as session:
        await contacts.join(session, office.tenant_id, by_external["U1"], by_external["U2"], actor="test")
    ids = {row.contact_id: row.id for row in await facts(office)}
    _, told = await use(tool_use, turn, "forget", '{"about": "Peregrine"}')
    assert str(ids[by_external["U2"]]) in told
    assert str(ids[by_external["U3"]]) not in told
    wanted = f'["{ids[by_external["U2"]]}", "{ids[by_external["U3"]]}"]'
    _, told = await use(tool_use, turn, "forget", f'{{"ids": {wanted}}}')
    assert told == "1 of 2 are forgotten."
    assert [row.contact_id for row in await facts(office)] == [by_external["U3"]]


async def test_what_is_found_to_be_forgotten_brings_strangers_words_along(
    office: Office, turn: Job, tool_use: ToolUse, remembering: Remembering, model: ScriptedModel
) -> None:
    model.script(NO_FACTS)
    before = await office.exchange("My bicycle is a green Peregrine.", root="7.0")
    async with office.session() as session:
        await conversations.mark_untrusted(session, before.conversation_id)
    await remember(remembering, office, before)
    await use(tool_use, turn, "forget", '{"about": "Peregrine"}')
    assert await is_tainted(office, turn.asked)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ("{}", 'Say what is to be forgotten: "about" to look for it, or "ids" of what was found.'),
        ('{"ids": []}', 'Say what is to be forgotten: "about" to look for it, or "ids" of what was found.'),
        ('{"ids": ["the first"]}', "There is no id 'the first': take it from what was found."),
    ],
)
async def test_a_model_that_says_not_what_to_forget_is_told_how(
    turn: Job, tool_use: ToolUse, arguments: str, told: str
) -> None:
    row, heard = await use(tool_use, turn, "forget", arguments)
    assert (row.state, heard, row.is_untrusted) == ("failed", told, False)


async def test_where_nothing_is_remembered_that_is_told(turn: Job, tool_use: ToolUse) -> None:
    assert (await use(tool_use, turn, "forget", '{"about": "Peregrine"}'))[1] == "Nothing is remembered of this."


@pytest.mark.parametrize("zone", ["Europe/Vienna", "Australia/Sydney", "America/New_York", "Asia/Kathmandu", "UTC"])
async def test_the_time_is_that_of_the_business_in_summer_and_in_winter(
    turn: Job, tool_use: ToolUse, zone: str
) -> None:
    """North and south of the equator, one of which has its summer time whenever this runs."""
    await set_tenant(turn.office, time_zone=zone)
    _, told = await use(tool_use, turn, "current_time")
    text, _, offset = told.removesuffix(")").partition(f" ({zone}, UTC")
    moment = datetime.strptime(f"{text} {offset}", "%A, %Y-%m-%d %H:%M %z")
    assert timedelta(0) <= utc_now() - moment.astimezone(UTC) < timedelta(minutes=2)
    assert moment.utcoffset() == moment.astimezone(ZoneInfo(zone)).utcoffset()


async def test_the_wish_for_a_person_hands_the_conversation_off(turn: Job, tool_use: ToolUse) -> None:
    office = turn.office
    [made] = (await turn.step(ToolCall("1", "hand_off", '{"reason": "Canary wants a person"}'))).calls
    row = await call(tool_use, office, made.call_id)
    assert row.state == "done"
    assert (await turn.told()) == [HANDED_OFF]
    [handoff] = await office.rows(Handoff)
    assert (handoff.state, handoff.cause, handoff.conversation_id) == (
        "waiting",
        "employee",
        turn.asked.conversation_id,
    )
    async with office.session() as session:
        cipher = await office.vault.cipher(session, office.tenant_id, row.contact_id)
    assert cards.reason(handoff, cipher) == "Canary wants a person"
    [event] = await office.events("handoff.opened")
    assert (event.actor, event.subject_id, event.detail["handoff_id"]) == (
        "employee",
        row.contact_id,
        str(handoff.id),
    )
    assert "Canary" not in str(event.detail)
    assert await office.begin(turn.asked, new_id()) == HandedOff("queue", 1, handoff.id)


async def test_a_wish_for_a_person_that_is_repeated_opens_no_second_handoff(turn: Job, tool_use: ToolUse) -> None:
    wanted = [ToolCall(str(number), "hand_off", '{"reason": "Canary"}') for number in range(2)]
    first, second = (await turn.step(*wanted)).calls
    await call(tool_use, turn.office, first.call_id)
    repeated = await call(tool_use, turn.office, second.call_id)
    # What was still to be made of that turn is not made any more.
    assert repeated.state == "cancelled"
    assert len(await turn.office.rows(Handoff)) == 1


async def fill(office: Office, key: str, *texts: str, is_trusted: bool = False, link: str | None = None) -> None:
    settings = SourceSettings("files", is_trusted=is_trusted)
    contents = {f"{key}.md": library.content(*map(library.long, texts), title=f"{key} title", link=link)}
    await library.fill(office, key, contents, settings=settings)


async def test_passages_are_numbered_and_kept_with_their_documents(turn: Job, tool_use: ToolUse) -> None:
    await fill(turn.office, "handbook", "Peregrine bells cost 15 dollars.", link="https://acme.example.com/bells")
    row, told = await use(tool_use, turn, "search_knowledge", '{"query": "Peregrine bells"}')
    assert told.startswith("[1] handbook title > ")
    assert "Peregrine bells cost 15 dollars." in told
    [source] = (await turn.past())[0].calls[0].sources
    assert (source["number"], source["title"], source["link"]) == (
        1,
        "handbook title",
        "https://acme.example.com/bells",
    )
    assert "Peregrine bells" in source["text"]
    assert row.is_untrusted
    assert await is_tainted(turn.office, turn.asked)


async def test_searches_of_a_turn_share_no_number(turn: Job, tool_use: ToolUse) -> None:
    await fill(turn.office, "handbook", "Peregrine bells cost 15 dollars.", "Peregrine tires cost 42 dollars.")
    await use(tool_use, turn, "search_knowledge", '{"query": "bells"}')
    await use(tool_use, turn, "search_knowledge", '{"query": "tires"}')
    first, second = [step.calls[0].sources for step in await turn.past()]
    assert first[0]["number"] == 1
    assert second[0]["number"] == 1 + PASSAGES


async def test_what_the_tenant_alone_writes_taints_nothing(turn: Job, tool_use: ToolUse) -> None:
    await fill(turn.office, "handbook", "Peregrine bells cost 15 dollars.", is_trusted=True)
    row, told = await use(tool_use, turn, "search_knowledge", '{"query": "Peregrine bells"}')
    assert "15 dollars" in told
    assert not row.is_untrusted
    assert not await is_tainted(turn.office, turn.asked)
    await fill(turn.office, "web", "Peregrine bells are free, said somebody.")
    row, _ = await use(tool_use, turn, "search_knowledge", '{"query": "Peregrine bells again"}')
    assert row.is_untrusted


async def test_where_the_documents_say_nothing_that_is_told(turn: Job, tool_use: ToolUse) -> None:
    row, told = await use(tool_use, turn, "search_knowledge", '{"query": "Peregrine bells"}')
    assert (row.state, told, row.is_untrusted) == ("done", NOTHING_FOUND, False)
    assert (await turn.past())[0].calls[0].sources == ()


async def test_only_the_employees_sources_are_searched(turn: Job, tool_use: ToolUse) -> None:
    await fill(turn.office, "handbook", "Peregrine bells cost 15 dollars.")
    await publish(turn.office, "search_knowledge", knowledge=["web"])
    assert (await use(tool_use, turn, "search_knowledge", '{"query": "Peregrine bells"}'))[1] == NOTHING_FOUND


async def test_a_search_goes_on_by_words_when_the_embedder_is_away(
    turn: Job, tool_use: ToolUse, embedder: WordEmbedder
) -> None:
    await fill(turn.office, "handbook", "Peregrine bells cost 15 dollars.")
    chunks = await library.chunk_ids(turn.office)
    await library.place(turn.office, embedder.name, dict.fromkeys(chunks.values(), [1.0] + [0.0] * 63))
    embedder.is_away = True
    assert "15 dollars" in (await use(tool_use, turn, "search_knowledge", '{"query": "Peregrine bells"}'))[1]


async def long_result(turn: Job, *, is_untrusted: bool) -> UUID:
    [made] = (await turn.step("current_time")).calls
    async with turn.office.session() as session:
        outcome = Outcome("done", "line\n" * 5_000, is_untrusted=is_untrusted)
        await calls.settle(session, turn.office.vault, made.call_id, outcome)
    return made.call_id


@pytest.fixture
async def reader(turn: Job) -> Job:
    """With a tool whose answers may be long, and so with what reads on in them."""
    await define(turn.office, "look", over_http("https://127.0.0.1/"))
    await publish(turn.office, "look", "current_time")
    return turn


@pytest.mark.parametrize("is_untrusted", [True, False])
async def test_a_long_result_is_read_on_as_whose_it_is(reader: Job, tool_use: ToolUse, is_untrusted: bool) -> None:
    result = await long_result(reader, is_untrusted=is_untrusted)
    row, told = await use(tool_use, reader, "read_result", f'{{"result": "{result}", "from": 24990}}')
    assert told == "Characters 24990 to 25000 of 25000. This is the end.\nline\nline\n"
    assert (row.state, row.is_untrusted) == ("done", is_untrusted)
    row, told = await use(tool_use, reader, "read_result", f'{{"result": "{result}", "from": 0}}')
    assert "outline" not in told
    assert row.sealed_whole is None


async def test_a_result_of_another_conversation_is_not_read(reader: Job, tool_use: ToolUse) -> None:
    result = await long_result(await job(reader.office, root="2.0"), is_untrusted=True)
    for named in (str(result), str(new_id())):
        row, told = await use(tool_use, reader, "read_result", f'{{"result": "{named}", "from": 0}}')
        assert (row.state, told) == ("failed", "There is no such result in this conversation that goes on.")
    row, told = await use(tool_use, reader, "read_result", '{"result": "the first", "from": 0}')
    assert (row.state, told) == ("failed", "There is no id 'the first': take it from what was found.")
