"""Handoffs over the API: shown whole, judged once, what is written kept once, and never another tenant's."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from temporalio.client import Client, WorkflowExecutionStatus

from gateway import app as gateway_app
from konstruct import contacts, temporal
from konstruct.contracts import handoffs as contracts
from konstruct.db import Database
from konstruct.identity import new_id
from konstruct.inbox import Accepted
from konstruct.settings import Settings
from konstruct.tables import Handoff, HandoffEntry
from konstruct.vault import Vault
from tests.gateway.programs import Answer, Program, program_of
from tests.support.handoffs import GRACE, LINUS, REASON, claim, hand_back, hand_off, handoff_row, seat, write
from tests.support.http import serve
from tests.support.office import Office, open_office

ACTS: Mapping[str, Mapping[str, Any]] = {
    "claim": {},
    "transfer": {"to": "linus"},
    "release": {},
    "resolve": {"note": "Canary note"},
    "hand-back": {"note": "Canary note", "at_once": True},
}
WORDS = ("replies", "notes", "draft", "summary")


@pytest.fixture
async def office(office: Office) -> Office:
    await seat(office)
    return office


@pytest.fixture
async def asked(office: Office) -> Accepted:
    return await office.say("I want a person")


@pytest.fixture
async def waiting(office: Office, asked: Accepted) -> UUID:
    return await hand_off(office, asked)


@pytest.fixture
async def owned(office: Office, waiting: UUID) -> UUID:
    await claim(office, waiting)
    return waiting


@dataclass(frozen=True)
class Agent:
    """An agent's own program."""

    program: Program
    key: str = "grace"

    async def act(self, handoff_id: object, what: str, **more: Any) -> Answer:
        body = {"agent": self.key, **ACTS[what], **more}
        return await self.program.post(f"/handoffs/{handoff_id}/{what}", body)

    async def word(self, handoff_id: object, what: str, text: str = "Hello", key: str = "k1") -> Answer:
        body = {"agent": self.key} | ({"text": text} if what in ("replies", "notes") else {})
        headers = {"Idempotency-Key": key}
        return await self.program.call("POST", f"/handoffs/{handoff_id}/{what}", body, headers=headers)


@pytest.fixture
def grace(program: Program) -> Agent:
    return Agent(program)


async def said(office: Office) -> list[str]:
    return [message.body or "" for message in await office.messages("outbound") if message.author == "agent"]


class TestShowing:
    async def test_a_handoff_is_shown_whole(self, program: Program, office: Office, owned: UUID) -> None:
        await write(office, owned, "Here I am.\n// Careful.")
        answer = await program.get(f"/handoffs/{owned}")
        assert answer.status == 200
        shown = answer.body
        assert (shown["id"], shown["state"], shown["agent"], shown["agent_name"]) == (
            str(owned),
            "owned",
            GRACE.key,
            GRACE.name,
        )
        assert (shown["reason"], shown["cause"], shown["contact"]) == (REASON, "employee", "U1")
        assert [(line["author"], line["signed"], line["text"]) for line in shown["transcript"]][::2] == [
            ("contact", None, "I want a person"),
            ("agent", GRACE.name, "Here I am."),
        ]
        assert [(entry["kind"], entry["agent"], entry["text"]) for entry in shown["entries"]] == [
            ("reply", GRACE.name, ""),
            ("note", GRACE.name, "// Careful."),
        ]
        assert shown["packet"] == {"summary": "", "tried": "", "suggestion": ""}
        assert not {"sealed_reason", "sealed_packet", "progress", "tenant_id", "card_channel"} & set(shown)

    async def test_the_list_is_paged_and_filtered(self, program: Program, office: Office) -> None:
        opened = [await hand_off(office, await office.say("x", root=f"{number}.0")) for number in range(5)]
        await claim(office, opened[1])
        seen: list[str] = []
        place = ""
        while page := (await program.get(f"/handoffs?limit=2{place}")).body["handoffs"]:
            seen += [handoff["id"] for handoff in page]
            place = f"&before={page[-1]['id']}"
        assert sorted(seen) == sorted(str(one) for one in opened)
        owned = (await program.get("/handoffs?state=owned")).body["handoffs"]
        assert [handoff["id"] for handoff in owned] == [str(opened[1])]
        assert "reason" not in owned[0]

    @pytest.mark.parametrize("query", ["limit=0", "limit=101", "state=open", "before=x", "page=2"])
    async def test_a_page_that_cannot_be_one_is_refused(self, program: Program, query: str) -> None:
        answer = await program.get(f"/handoffs?{query}")
        assert answer.status == 422
        assert query.partition("=")[0] in answer.body["error"]

    async def test_of_who_was_erased_nothing_is_shown(self, program: Program, office: Office, owned: UUID) -> None:
        async with office.session() as session:
            contact_id = (await handoff_row(office, owned)).contact_id
            await contacts.erase(session, office.tenant_id, contact_id, actor="test")
        answer = await program.get(f"/handoffs/{owned}")
        assert (answer.status, "erased" in answer.body["error"]) == (404, True)


@pytest.mark.usefixtures("at_work")
class TestActs:
    async def test_what_an_agent_does_is_done_when_it_is_answered(
        self, grace: Agent, office: Office, waiting: UUID, asked: Accepted
    ) -> None:
        linus = Agent(grace.program, "linus")
        answers = [
            await grace.act(waiting, "claim"),
            await grace.act(waiting, "transfer"),
            await linus.act(waiting, "release"),
            await linus.act(waiting, "claim"),
            await linus.act(waiting, "hand-back"),
        ]
        assert [(each.status, each.body["owner"], each.body["agent"], each.body["epoch"]) for each in answers] == [
            (200, "agent", "grace", 2),
            (200, "agent", "linus", 3),
            (200, "queue", None, 4),
            (200, "agent", "linus", 5),
            (200, "employee", None, 6),
        ]
        notes = [message for message in await office.messages("inbound") if message.author == "system"]
        assert ("Canary note" in (notes[-1].body or ""), notes[-1].state) == (True, "received")
        assert set(answers[0].body) == {"owner", "epoch", "handoff_id", "agent"}

    async def test_what_nobody_offered_is_taken_over_and_resolved(
        self, grace: Agent, office: Office, asked: Accepted
    ) -> None:
        taken = await grace.program.post(f"/conversations/{asked.conversation_id}/take-over", {"agent": "grace"})
        assert (taken.status, taken.body["owner"]) == (200, "agent")
        resolved = await grace.act(taken.body["handoff_id"], "resolve")
        assert (resolved.status, resolved.body["owner"]) == (200, "employee")
        again = await grace.act(taken.body["handoff_id"], "resolve")
        assert (again.status, again.body["epoch"]) == (200, resolved.body["epoch"])

    async def test_of_many_at_once_one_wins_and_the_others_are_told_who(
        self, program: Program, office: Office, waiting: UUID
    ) -> None:
        agents = [Agent(program, key) for key in ("grace", "linus") * 3]
        answers = await asyncio.gather(*(agent.act(waiting, "claim") for agent in agents))
        assert sorted(answer.status for answer in answers) == [*[200] * 3, *[409] * 3]
        winner = GRACE if (await handoff_row(office, waiting)).agent == "grace" else LINUS
        assert {answer.body["error"] for answer in answers if answer.status == 409} == {
            f"{winner.name} has it already."
        }

    @pytest.mark.parametrize("what", sorted(set(ACTS) - {"claim"}))
    async def test_only_who_has_it_may(self, program: Program, owned: UUID, what: str) -> None:
        more = {"to": "grace"} if what == "transfer" else {}
        answer = await Agent(program, "linus").act(owned, what, **more)
        expected = 200 if what == "transfer" else 409
        assert answer.status == expected

    @pytest.mark.parametrize("what", sorted(ACTS))
    async def test_who_is_not_at_the_desk_may_not(
        self, program: Program, office: Office, owned: UUID, what: str
    ) -> None:
        answer = await Agent(program, "eve").act(owned, what)
        assert (answer.status, "not among the people" in answer.body["error"]) == (403, True)
        assert [row.state for row in await office.rows(Handoff)] == ["owned"]

    async def test_it_is_taken_from_a_colleague_by_who_says_so(self, program: Program, owned: UUID) -> None:
        linus = Agent(program, "linus")
        assert (await linus.act(owned, "claim")).status == 409
        taken = await linus.act(owned, "claim", from_colleague=True)
        assert (taken.status, taken.body["agent"]) == (200, "linus")

    async def test_a_conversation_is_taken_from_a_colleague_by_who_says_so(
        self, program: Program, owned: UUID, asked: Accepted
    ) -> None:
        path = f"/conversations/{asked.conversation_id}/take-over"
        assert (await program.post(path, {"agent": "linus"})).status == 409
        taken = await program.post(path, {"agent": "linus", "from_colleague": True})
        assert (taken.status, taken.body["agent"]) == (200, "linus")

    async def test_it_is_given_to_a_group_which_is_asked_then(self, grace: Agent, office: Office, owned: UUID) -> None:
        await seat(office, groups={"workshop": {"people": ["linus"]}})
        given = await grace.act(owned, "transfer", to="workshop")
        assert (given.status, given.body["owner"]) == (200, "queue")
        handoff = await handoff_row(office, owned)
        assert (handoff.state, handoff.target) == ("waiting", "workshop")

    async def test_it_is_transferred_to_one_of_the_desk_alone(self, grace: Agent, owned: UUID) -> None:
        assert (await grace.act(owned, "transfer", to="eve")).status == 403


class TestWords:
    async def test_a_reply_goes_to_the_contact_once_however_often_it_is_sent(
        self, grace: Agent, office: Office, owned: UUID, asked: Accepted, temporal_client: Client
    ) -> None:
        answers = await asyncio.gather(*(grace.word(owned, "replies", "Hello\n// note") for _ in range(4)))
        assert sorted(answer.status for answer in answers) == [200, 200, 200, 201]
        assert len({str(answer.body["message_ids"]) for answer in answers}) == 1
        assert sorted(answer.body["is_new"] for answer in answers) == [False, False, False, True]
        assert await said(office) == ["Hello"]
        handle = temporal_client.get_workflow_handle(temporal.workflow_id(office.tenant_id, asked.conversation_id))
        assert (await handle.describe()).status is WorkflowExecutionStatus.RUNNING
        attended = temporal_client.get_workflow_handle(contracts.workflow_id(office.tenant_id, owned))
        assert (await attended.describe()).status is WorkflowExecutionStatus.RUNNING

    async def test_another_key_is_another_reply(self, grace: Agent, office: Office, owned: UUID) -> None:
        for key in ("a", "b", "a#1"):
            assert (await grace.word(owned, "replies", key, key)).status == 201
        assert await said(office) == ["a", "b", "a#1"]

    async def test_the_same_key_of_another_program_is_another_one(
        self, grace: Agent, office: Office, owned: UUID, api: str
    ) -> None:
        other = Agent(await program_of(office, api, name="another"))
        assert [(await each.word(owned, "replies")).status for each in (grace, other)] == [201, 201]
        assert len(await said(office)) == 2

    async def test_a_key_that_was_used_for_something_else_is_refused(
        self, grace: Agent, office: Office, owned: UUID
    ) -> None:
        await grace.word(owned, "replies")
        assert (await grace.word(owned, "draft")).status == 409
        other = await hand_off(office, await office.say("Me too", root="2.0"))
        assert (await grace.word(other, "notes")).status == 409

    async def test_a_note_goes_to_nobody_outside(self, grace: Agent, office: Office, waiting: UUID) -> None:
        answer = await grace.word(waiting, "notes", "Careful")
        assert (answer.status, answer.body["message_ids"]) == (201, [])
        assert (await grace.word(waiting, "notes", "Careful")).status == 200
        [entry] = await office.rows(HandoffEntry)
        assert (entry.kind, entry.agent, await said(office)) == ("note", "grace", [])

    @pytest.mark.parametrize("kind", ["draft", "summary"])
    async def test_help_is_asked_for_and_stands_in_the_packet(
        self, grace: Agent, office: Office, owned: UUID, kind: str
    ) -> None:
        first, again = [await grace.word(owned, kind) for _ in range(2)]
        assert (first.status, again.status, first.body) == (202, 202, again.body)
        shown = (await grace.program.get(f"/handoffs/{owned}")).body["entries"]
        assert [(entry["entry_id"], entry["kind"], entry["state"]) for entry in shown] == [
            (first.body["entry_id"], kind, "wanted")
        ]

    async def test_who_has_it_not_does_not_reply(self, program: Program, office: Office, waiting: UUID) -> None:
        answer = await Agent(program).word(waiting, "replies")
        assert (answer.status, "Nobody has the conversation" in answer.body["error"]) == (409, True)
        await claim(office, waiting)
        answer = await Agent(program, "linus").word(waiting, "replies")
        assert (answer.status, f"{GRACE.name} has" in answer.body["error"]) == (409, True)
        await hand_back(office, waiting)
        assert (await Agent(program).word(waiting, "replies")).status == 409
        assert await said(office) == []

    @pytest.mark.parametrize("what", WORDS)
    async def test_who_is_not_at_the_desk_writes_nothing(
        self, program: Program, office: Office, owned: UUID, what: str
    ) -> None:
        assert (await Agent(program, "eve").word(owned, what)).status == 403
        assert await office.rows(HandoffEntry) == []

    @pytest.mark.parametrize("what", WORDS)
    @pytest.mark.parametrize("key", [None, "", "with space", "x" * 201, "é"])
    async def test_without_a_good_key_nothing_is_written(
        self, program: Program, office: Office, owned: UUID, what: str, key: str | None
    ) -> None:
        body = {"agent": "grace"} | ({"text": "Hello"} if what in ("replies", "notes") else {})
        headers = {"Idempotency-Key": key} if key is not None else {}
        answer = await program.call("POST", f"/handoffs/{owned}/{what}", body, headers=headers)
        assert (answer.status, "Idempotency-Key" in answer.body["error"]) == (422, True)
        assert await office.rows(HandoffEntry) == []


@pytest.mark.parametrize(
    ("path", "body", "says"),
    [
        ("claim", {}, "agent: is missing"),
        ("claim", {"agent": ""}, "agent"),
        ("claim", {"agent": "grace", "to": "linus"}, "to: is not known here"),
        ("transfer", {"agent": "grace"}, "to: is missing"),
        ("resolve", {"agent": "grace", "note": "x" * 4_001}, "note"),
        ("hand-back", {"agent": "grace", "at_once": "perhaps"}, "at_once"),
        ("hand-back", {"agent": "grace", "note": "\ud800"}, "surrogate"),
        ("replies", {"agent": "grace"}, "text: is missing"),
        ("replies", {"agent": "grace", "text": ""}, "text"),
        ("replies", {"agent": "grace", "text": " \n"}, "nothing to say"),
        ("replies", {"agent": "grace", "text": "canary" * 7_000}, "text"),
        ("notes", {"agent": "grace", "text": "\0"}, "NUL"),
        ("draft", [], "JSON object"),
    ],
)
async def test_what_cannot_be_used_is_refused_with_a_sentence(
    program: Program, office: Office, owned: UUID, path: str, body: object, says: str
) -> None:
    answer = await program.call("POST", f"/handoffs/{owned}/{path}", body, headers={"Idempotency-Key": "k"})
    assert answer.status == 422
    assert says in answer.body["error"]
    assert "canary" not in answer.body["error"]
    assert await office.rows(HandoffEntry) == []


async def test_another_tenants_handoffs_are_not_there(
    api: str, program: Program, office: Office, owned: UUID, asked: Accepted, database: Database, vault: Vault
) -> None:
    other = await open_office(database, vault)
    await seat(other)
    theirs = Agent(await program_of(other, api))
    place = f"/handoffs/{owned}"
    answers = [
        await theirs.program.get(place),
        *[await theirs.act(owned, what) for what in ACTS],
        *[await theirs.word(owned, what) for what in WORDS],
        await theirs.program.post(f"/conversations/{asked.conversation_id}/take-over", {"agent": "grace"}),
    ]
    assert [answer.status for answer in answers] == [404] * len(answers)
    unknown = await theirs.program.get(f"/handoffs/{new_id()}")
    assert unknown.body["error"] == answers[0].body["error"]
    assert (await theirs.program.get("/handoffs")).body["handoffs"] == []
    assert (await program.get(place)).body["state"] == "owned"
    assert await office.rows(HandoffEntry) == []


async def test_without_temporal_what_was_written_is_kept_and_what_was_done_is_not_known(
    settings: Settings, program: Program, office: Office, owned: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(temporal, "_ACT_TIMEOUT", timedelta(milliseconds=500))
    without = settings.model_copy(update={"temporal_address": "127.0.0.1:1"})
    async with serve(gateway_app.build(without)) as url:
        away = Agent(Program(url, program.key))
        assert (await away.word(owned, "replies")).status == 201
        answer = await away.act(owned, "hand-back")
    assert (answer.status, "It is not known" in answer.body["error"]) == (503, True)
    assert await said(office) == ["Hello"]


async def test_without_a_worker_it_is_told_that_it_is_not_known(
    program: Program, owned: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(temporal, "_ACT_TIMEOUT", timedelta(milliseconds=500))
    answer = await Agent(program).act(owned, "release")
    assert (answer.status, "It is not known" in answer.body["error"]) == (503, True)
