"""A dry run over the API: what would have become of the turns of a conversation."""

from typing import Any

import pytest
from sqlmodel import select

from konstruct.db import Database
from konstruct.escalation import judgements
from konstruct.escalation.judging import Judgement
from konstruct.inbox import Accepted
from konstruct.tables import Message
from konstruct.vault import Vault
from tests.gateway.programs import Program, program_of
from tests.support.office import Office, open_office
from tests.support.workshop import publish

RULES: list[dict[str, Any]] = [
    {"name": "angry", "when": {"all": [{"mood": "angry"}, {"turns": 2}]}, "then": {"hand_off": {"to": "support"}}},
    {"name": "bells", "when": {"keyword": "bell"}, "then": {"tell": {"to": "support"}}},
]


@pytest.fixture
async def office(office: Office) -> Office:
    await publish(office, escalation=RULES)
    return office


@pytest.fixture
async def asked(office: Office) -> Accepted:
    """Two turns, of which the first was judged."""
    asked = await office.exchange("A canary bell!", "Hello!")
    async with office.session() as session:
        turn_id = (await session.scalars(select(Message.turn_id))).first()
        assert turn_id is not None
        await judgements.keep(session, office.tenant_id, asked.conversation_id, turn_id, Judgement(mood="angry"))
    return await office.exchange("Thank you", "Hello!")


async def test_each_turn_says_what_fires_and_why(program: Program, asked: Accepted) -> None:
    answer = await program.get(f"/conversations/{asked.conversation_id}/escalation")
    assert answer.status == 200
    first, second = answer.body["turns"]
    assert (first["texts"], first["is_judged"], first["fired"]) == (["A canary bell!"], True, "bells")
    assert first["rules"] == [
        {
            "rule": "angry",
            "fires": False,
            "looked": [
                {"condition": "mood", "holds": True, "sentence": "The contact's mood is angry."},
                {"condition": "turns", "holds": False, "sentence": "The conversation took 1 turn (at least 2)."},
            ],
        },
        {
            "rule": "bells",
            "fires": True,
            "looked": [{"condition": "keyword", "holds": True, "sentence": 'The contact wrote "bell".'}],
        },
    ]
    assert (second["texts"], second["is_judged"], second["fired"]) == (["Thank you"], False, None)
    latest = await program.get(f"/conversations/{asked.conversation_id}/escalation?limit=1")
    assert [turn["texts"] for turn in latest.body["turns"]] == [["Thank you"]]


@pytest.mark.parametrize("query", ["?limit=0", "?limit=101", "?rules=x"])
async def test_what_cannot_be_asked_is_refused(program: Program, asked: Accepted, query: str) -> None:
    assert (await program.get(f"/conversations/{asked.conversation_id}/escalation{query}")).status == 422


async def test_another_tenants_conversation_is_not_there(
    api: str, asked: Accepted, database: Database, vault: Vault
) -> None:
    stranger = await program_of(await open_office(database, vault), api)
    answer = await stranger.get(f"/conversations/{asked.conversation_id}/escalation")
    assert (answer.status, answer.body["error"]) == (404, "There is no such conversation.")


async def test_it_needs_the_scope_of_whoever_reads_handoffs(api: str, office: Office, asked: Accepted) -> None:
    without = await program_of(office, api, "handoffs:act")
    assert (await without.get(f"/conversations/{asked.conversation_id}/escalation")).status == 403
