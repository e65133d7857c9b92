"""After ``konstruct contact erase`` nothing that a person said is left anywhere, and the audit trail is still whole."""

import base64
import json
import secrets
import time

import asyncpg
import pytest
import redis.asyncio
from google.protobuf.message import Message
from pydantic import SecretStr
from temporalio.api.common.v1 import Payload
from temporalio.client import Client

from konstruct.payloads import data_converter
from tests.acceptance.test_memory import behind_the_scenes, is_remembered, last_answered, talkative_office
from tests.acceptance.town import Office, Talk, Town
from tests.support.commands import konstruct
from tests.support.model_doubles import Behaviour, Fault
from tests.support.processes import until

pytestmark = pytest.mark.stack


def forms(canary: str) -> list[str]:
    """As it is, as Postgres shows it among bytes, and as it looks in base64, wherever it begins."""
    encoded = [base64.b64encode(b" " * shift + canary.encode())[4:-4].decode() for shift in range(3)]
    return [canary, canary.encode().hex(), *encoded]


async def tables_that_hold(town: Town, canary: str) -> set[str]:
    """As a superuser sees them, whose are not hidden by row security."""
    connection = await asyncpg.connect(town.addresses["database_owner_url"])
    try:
        tables = await connection.fetch("select tablename from pg_tables where schemaname = 'public'")
        found = set()
        for (table,) in tables:
            patterns = [f"%{form}%" for form in forms(canary)]
            if await connection.fetchval(f"select exists (select from {table} t where t::text like any($1))", patterns):
                found.add(table)
        return found
    finally:
        await connection.close()


async def keys_that_hold(town: Town, canary: str) -> set[str]:
    async with redis.asyncio.from_url(town.addresses["redis_url"]) as client:
        found = set()
        async for key in client.scan_iter():
            content = key + (await client.get(key) or b"")
            if any(form.encode() in content for form in forms(canary)):
                found.add(key.decode())
        return found


async def histories_that_hold(town: Town, canary: str) -> set[str]:
    """All that Temporal knows of any workflow, decrypted."""
    keys = tuple(SecretStr(key) for key in town.addresses["encryption_keys"].split(","))
    codec = data_converter(keys).payload_codec
    assert codec is not None
    client = await Client.connect(town.addresses["temporal_address"])
    found, payloads = set(), 0
    async for execution in client.list_workflows():
        handle = client.get_workflow_handle(execution.id, run_id=execution.run_id)
        async for event in handle.fetch_history_events():
            text = str(event)
            for payload in _payloads(event):
                payloads += 1
                text += str((await codec.decode([payload]))[0])
            if any(form in text for form in forms(canary)):
                found.add(execution.id)
    assert payloads
    return found


def _payloads(message: Message) -> list[Payload]:
    """All payloads within a message of Temporal's, however deep."""
    found: list[Payload] = []
    for _, value in message.ListFields():
        values = list(value.values()) if hasattr(value, "values") else value
        for each in values if isinstance(values, list) or hasattr(values, "add") else [values]:
            if isinstance(each, Payload):
                found.append(each)
            elif isinstance(each, Message):
                found += _payloads(each)
    return found


async def verified(town: Town, office: Office) -> str:
    outcome = await konstruct("audit", "verify", "--tenant", office.slug, env=town.env)
    assert outcome.status == 0, outcome
    return outcome.said


async def test_a_person_is_erased_everywhere_and_the_trail_is_whole(town: Town) -> None:
    canary, other_canary = f"Canary{secrets.token_hex(8)}", f"Canary{secrets.token_hex(8)}"
    facts = json.dumps({"facts": [{"text": f"Owns {canary}.", "source": "N1"}], "forget": []})
    town.models.always("anthropic", behind_the_scenes(lambda asked: facts if canary in asked else '{"facts": []}'))
    office = await talkative_office(town)
    user = f"U{secrets.token_hex(5).upper()}"
    talk, other = office.talk(user=user), office.talk()
    await talk.mention(f"I own {canary}.")
    await talk.heard()
    edited = await talk.say(f"And {canary}, too.")
    await talk.heard(2)
    await office.town.slack.person_edits(
        talk.channel, edited.ts, f"And {canary}, as well.", team=office.workspace.team_id
    )
    for number in range(3, 12):
        await talk.say(f"Number {number} of {canary}.")
        await talk.heard(number)
    # Another person's thread, in which this one says something.
    await other.mention(f"I have {other_canary}.")
    await other.heard()
    guest = Talk(other.slack, other.workspace, other.channel, user, other.root)
    await guest.say(f"But I own {canary}.")
    await other.heard(2)
    await other.say(f"Never mind, I keep {other_canary}.")
    await other.heard(3)
    # An event that cannot be processed is kept as it came.
    await broken_event(town, office, user, canary)
    # A question that fails leaves its mark in logs and in Temporal.
    town.models.next("anthropic", Behaviour(fault=Fault.SERVER_ERROR))
    await talk.say(f"Does {canary} break anything?")
    await talk.heard(12)

    async def has_learned() -> bool:
        return any(row["kind"] == "fact" for row in await office.rows("memories"))

    await until(has_learned)
    await until(lambda: is_remembered(office, talk.root))
    said = [row["body"] for row in await office.messages()]
    assert any(canary in body for body in said)
    assert any(other_canary in body for body in said)
    # What can be found at all is found: the search works.
    assert await tables_that_hold(town, canary) == {"quarantined_events"}
    assert await tables_that_hold(town, user)
    before = await verified(town, office)
    assert "events in" in before

    outcome = await konstruct("contact", "erase", user, "--tenant", office.slug, "--yes", env=town.env)
    assert outcome.status == 0, outcome
    assert "Erased: 1 contacts" in outcome.said

    await town.change("checkpoint")
    assert await tables_that_hold(town, canary) == set()
    assert await tables_that_hold(town, user) == set()
    assert await keys_that_hold(town, canary) == set()
    assert await histories_that_hold(town, canary) == set()
    # In what Postgres has on the disk there is still what the quarantine held, until the space is used again.
    assert town.files_that_hold(*forms(canary)) <= {"postgres"}
    await verified(town, office)
    for_them = [row for row in await office.rows("memories") if row["contact_id"] == (await contact_of(office, user))]
    assert for_them == []

    # The other person's words are untouched, and nobody remembers the erased one.
    bodies = [row.get("body") or "" for row in await office.messages()]
    assert any(other_canary in body for body in bodies)
    assert not any(canary in body for body in bodies)
    again = office.talk(user=user)
    town.models.calls.clear()
    await again.mention("Do you know me?")
    await again.heard()
    assert canary not in last_answered(town)
    await verified(town, office)
    second = await konstruct("contact", "show", user, "--tenant", office.slug, env=town.env)
    assert "0 of the newest facts" in second.said


async def contact_of(office: Office, user: str) -> str | None:
    found = [row["id"] for row in await office.rows("contacts") if row["external_id"] == user]
    return found[0] if found else None


async def broken_event(town: Town, office: Office, user: str, canary: str) -> None:
    event = {"type": "message", "user": user, "text": canary, "ts": [str(time.time())], "channel": "C1"}
    envelope = town.slack.envelope(event, team=office.workspace.team_id)
    assert (await town.slack.send(envelope)).status == 200
    assert await tables_that_hold(town, canary) == {"quarantined_events"}
