"""The chat beside the form, as pages: what is said, what is shown of each step, who may, and what is refused."""

import re
from uuid import UUID

import httpx
import pytest
from sqlmodel import select

from konstruct.db import Database
from konstruct.designs import drafting
from konstruct.identity import new_id
from konstruct.rehearsals import steps
from konstruct.rehearsals.steps import Fired, Line, Remembered, Thought
from konstruct.tables import Conversation, Message, Rehearsal
from konstruct.vault import Vault
from tests.support.members import Enrolled, enrolled
from tests.support.office import Office, open_office

PART = {"hx-request": "true", "hx-request-type": "partial"}


@pytest.fixture
async def office(database: Database, vault: Vault) -> Office:
    return await open_office(database, vault, prompts=["When are you open?"])


@pytest.fixture
async def owner(office: Office) -> Enrolled:
    return await enrolled(office.database, office.vault, "owner", office.tenant_id)


@pytest.fixture
def visit(portal: httpx.AsyncClient, owner: Enrolled) -> httpx.AsyncClient:
    portal.cookies.update(owner.cookies)
    return portal


def url(who: Enrolled, more: str = "", key: str = "ada") -> str:
    return f"/t/{who.slug}/employees/{key}/rehearsal{more}"


def version(page: httpx.Response) -> str:
    [found] = re.findall(r'data-version="([^"]*)"', page.text)
    assert isinstance(found, str)
    return found


async def rehearsals(office: Office) -> list[Rehearsal]:
    async with office.session() as session:
        return list(await session.scalars(select(Rehearsal).order_by(Rehearsal.created_at)))  # type: ignore[arg-type]


async def said(office: Office) -> list[str]:
    return [message.body or "" for message in await office.messages("inbound")]


async def test_an_untried_draft_offers_what_can_be_asked(visit: httpx.AsyncClient, owner: Enrolled) -> None:
    page = await visit.get(url(owner))
    assert page.status_code == 200
    assert "When are you open?" in page.text
    assert "Nobody else sees this." in page.text


async def test_what_is_said_begins_a_rehearsal_of_the_draft_and_waits_for_its_answer(
    visit: httpx.AsyncClient, owner: Enrolled, office: Office
) -> None:
    page = await visit.post(url(owner, "/say"), data={"text": "Hello <b>you</b>"}, headers=PART)
    assert page.status_code == 200
    assert "Hello &lt;b&gt;you&lt;/b&gt;" in page.text
    assert "Ada is thinking" in page.text
    [rehearsal] = await rehearsals(office)
    async with office.session() as session:
        conversation = await session.get_one(Conversation, (office.tenant_id, rehearsal.conversation_id))
        assert conversation.is_rehearsal
    [event] = await office.events("rehearsal.started")
    assert event.actor == owner.actor


async def test_without_a_script_one_comes_back_to_the_page(
    visit: httpx.AsyncClient, owner: Enrolled, office: Office
) -> None:
    answer = await visit.post(url(owner, "/say"), data={"text": "Hello"})
    assert (answer.status_code, answer.headers["location"]) == (303, url(owner))
    assert "<html" in (await visit.get(url(owner))).text


async def test_a_message_that_is_sent_twice_is_said_once(
    visit: httpx.AsyncClient, owner: Enrolled, office: Office
) -> None:
    form = {"text": "Only once", "message": str(new_id())}
    for _ in range(2):
        await visit.post(url(owner, "/say"), data=form, headers=PART)
    assert await said(office) == ["Only once"]


async def test_as_long_as_there_is_nothing_new_the_answer_is_empty(visit: httpx.AsyncClient, owner: Enrolled) -> None:
    await visit.post(url(owner, "/say"), data={"text": "Hello"}, headers=PART)
    page = await visit.get(url(owner), headers=PART)
    assert "<html" not in page.text
    again = await visit.get(url(owner), params={"version": version(page)}, headers=PART)
    assert (again.status_code, again.text) == (204, "")


@pytest.mark.parametrize(
    ("text", "sentence"),
    [("  ", "Write something to try the draft out."), ("x" * 8_001, "say at most 8,000 characters at once")],
)
async def test_what_cannot_be_said_is_refused_in_a_sentence_and_stays_where_it_was_typed(
    visit: httpx.AsyncClient, owner: Enrolled, office: Office, text: str, sentence: str
) -> None:
    page = await visit.post(url(owner, "/say"), data={"text": text})
    assert page.status_code == 422
    assert sentence in page.text
    assert text in page.text
    assert await said(office) == []


async def test_a_draft_that_is_not_whole_says_what_is_missing(
    visit: httpx.AsyncClient, owner: Enrolled, office: Office
) -> None:
    async with office.session() as session:
        employee = await drafting.create(session, office.tenant_id, {"name": "Bea"}, actor=owner.actor)
    page = await visit.post(url(owner, "/say", employee.key), data={"text": "Hello"}, headers=PART)
    assert page.status_code == 422
    assert "This draft cannot be tried out yet." in page.text
    assert await rehearsals(office) == []


async def test_an_employee_that_was_never_published_can_be_tried_out(
    visit: httpx.AsyncClient, owner: Enrolled, office: Office
) -> None:
    given = {"name": "Bea", "role": "Helper", "system_prompt": "Help."}
    async with office.session() as session:
        employee = await drafting.create(session, office.tenant_id, given, actor=owner.actor)
    page = await visit.post(url(owner, "/say", employee.key), data={"text": "Hello"}, headers=PART)
    assert "Bea is thinking" in page.text


async def test_where_the_draft_has_moved_on_one_restarts_with_it(
    visit: httpx.AsyncClient, owner: Enrolled, office: Office
) -> None:
    await visit.post(url(owner, "/say"), data={"text": "Hello"}, headers=PART)
    async with office.session() as session:
        draft = await drafting.read(session, "ada")
        content = draft.content | {"system_prompt": "Speak in rhymes."}
        await drafting.save(session, "ada", content, revision=draft.revision, actor=owner.actor)

    page = await visit.get(url(owner))
    assert "The draft was changed since" in page.text
    fresh = await visit.post(url(owner, "/restart"), headers=PART)
    assert "The draft was changed since" not in fresh.text
    assert "Hello" not in fresh.text
    first, second = await rehearsals(office)
    assert (first.content["system_prompt"], second.content["system_prompt"]) == ("Be brief.", "Speak in rhymes.")
    assert first.contact_id == second.contact_id


async def test_what_was_forgotten_is_nowhere_any_more(
    visit: httpx.AsyncClient, owner: Enrolled, office: Office, vault: Vault
) -> None:
    await visit.post(url(owner, "/say"), data={"text": "Canary"}, headers=PART)
    [rehearsal] = await rehearsals(office)
    async with office.session() as session:
        await steps.keep(session, vault, rehearsal, new_id(), Thought(0, problem="Canary"))
    page = await visit.post(url(owner, "/forget"), headers=PART)
    assert "Nobody else sees this." in page.text
    async with office.session() as session:
        [message] = await session.scalars(select(Message).where(Message.direction == "inbound"))
        rows = (await session.connection()).exec_driver_sql
        assert (await rows("select count(*) from rehearsed_steps")).scalar_one() == 0
    assert (message.state, message.sealed) == ("deleted", None)
    assert [event.actor for event in await office.events("contact.erased")] == [owner.actor]
    # And one can begin anew.
    assert "Hello" in (await visit.post(url(owner, "/say"), data={"text": "Hello"}, headers=PART)).text


async def test_each_step_is_shown_with_its_prompt_memory_and_rules(
    visit: httpx.AsyncClient, owner: Enrolled, office: Office, vault: Vault
) -> None:
    await visit.post(url(owner, "/say"), data={"text": "Hello"}, headers=PART)
    [rehearsal] = await rehearsals(office)
    turn_id = new_id()
    thought = Thought(
        0,
        model="openai/gpt-5.4",
        prompts={"openai/gpt-5.4": [Line("system", "You are <Ada>.")]},
        recalled=[Remembered("They ride a tandem.", "2026-11-01", "fact")],
        rules=["angry"],
        fired=Fired("angry", "tell", ["The contact is angry."], "support"),
    )
    async with office.session() as session:
        await steps.keep(session, vault, rehearsal, turn_id, thought)
        [message] = await session.scalars(select(Message).where(Message.direction == "inbound"))
        message.turn_id, message.state = turn_id, "taken"
    page = await visit.get(url(owner), headers=PART)
    for told in ("You are &lt;Ada&gt;.", "They ride a tandem.", "The contact is angry.", "tell people, and answer"):
        assert told in page.text


async def test_whether_tools_are_really_used_is_chosen_and_on_record(
    visit: httpx.AsyncClient, owner: Enrolled, office: Office
) -> None:
    await visit.post(url(owner, "/tools"), data={"acts": "true"}, headers=PART)
    assert [each.acts for each in await rehearsals(office)] == [True]
    page = await visit.post(url(owner, "/tools"), headers=PART)
    assert "is simulated" in page.text
    assert [each.acts for each in await rehearsals(office)] == [False]
    assert len(await office.events("rehearsal.simulates")) == 1


async def test_somebody_elses_rehearsal_is_not_seen(visit: httpx.AsyncClient, owner: Enrolled, office: Office) -> None:
    await visit.post(url(owner, "/say"), data={"text": "My own words"}, headers=PART)
    other = await enrolled(office.database, office.vault, "admin", office.tenant_id, name="Ben Holm")
    visit.cookies.update(other.cookies)
    assert "My own words" not in (await visit.get(url(other))).text


@pytest.mark.parametrize("role", ["agent", "viewer"])
async def test_only_who_designs_may_rehearse(portal: httpx.AsyncClient, office: Office, role: str) -> None:
    who = await enrolled(office.database, office.vault, role, office.tenant_id)  # type: ignore[arg-type]  # One of them.
    portal.cookies.update(who.cookies)
    assert (await portal.get(url(who))).status_code == 403
    for act in ("/say", "/restart", "/forget", "/tools", "/stop", f"/approvals/{UUID(int=1)}"):
        assert (await portal.post(url(who, act), data={"text": "Hello"})).status_code == 403
    assert await rehearsals(office) == []


async def test_an_approval_of_somebody_else_is_not_decided_here(visit: httpx.AsyncClient, owner: Enrolled) -> None:
    page = await visit.post(url(owner, f"/approvals/{new_id()}"), data={"decision": "yes"}, headers=PART)
    assert page.status_code == 404
    assert "There is no such approval." in page.text


async def test_who_rehearses_too_fast_is_told_as_contacts_are(
    portal: httpx.AsyncClient, database: Database, vault: Vault
) -> None:
    office = await open_office(database, vault, limits={"contact": "1/hour"})
    who = await enrolled(database, vault, "owner", office.tenant_id)
    portal.cookies.update(who.cookies)
    await portal.post(url(who, "/say"), data={"text": "First"}, headers=PART)
    page = await portal.post(url(who, "/say"), data={"text": "Second"}, headers=PART)
    assert "Over the limit of messages." in page.text
    assert "more messages than I may take from one person" in page.text
