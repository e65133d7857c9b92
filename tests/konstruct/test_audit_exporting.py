"""An export can be checked by itself: nothing in it is changed, left out or put in without its being found."""

import json
import re
from typing import Any

import pytest
from cryptography.fernet import Fernet
from pydantic import SecretStr

from konstruct import audit
from konstruct.audit import exporting
from konstruct.audit.chain import START
from konstruct.audit.signing import Signatures, holds
from konstruct.identity import new_id
from tests.support.trail import Trail

FIRST, SECOND = sorted([new_id(), new_id()])


async def export(trail: Trail, filters: audit.Filters | None = None, limit: int | None = None) -> list[str]:
    async with trail.office.database.tenant_session(trail.tenant_id, snapshot=True) as session:
        lines = exporting.export(session, trail.tenant_id, trail.signatures, filters or audit.Filters(), limit)
        return [f"{line}\n" async for line in lines]


@pytest.fixture
async def told(trail: Trail) -> Trail:
    await trail.write(FIRST, 5, word="Grüße\n 🦊")
    await trail.write(SECOND, 3)
    await trail.seal()
    await trail.write(FIRST, 2)
    return trail


async def test_an_export_says_what_it_is_and_holds(told: Trail) -> None:
    lines = await export(told)
    checked = exporting.check(lines)
    assert (checked.broken, checked.events, checked.chains) == (None, 11, 3)
    assert checked.about is not None
    assert (checked.about["events"], checked.about["filters"], checked.about["newest_seal"]["number"]) == (11, {}, 1)
    assert told.signatures.knows(checked.about)
    first = json.loads(lines[[json.loads(line).get("chain") for line in lines].index(str(FIRST))])
    assert (first["seq"], bytes.fromhex(first["prev"])) == (1, START)
    assert json.loads(first["payload"])["word"] == "Grüße\n 🦊"
    assert "content" not in first


@pytest.mark.parametrize(
    ("filters", "limit", "events"),
    [
        (audit.Filters(conversation_id=FIRST), None, 7),
        (audit.Filters(action="connection."), None, 1),
        (audit.Filters(actor="employee"), None, 10),
        (audit.Filters(), 4, 4),
        (audit.Filters(conversation_id=new_id()), None, 0),
    ],
)
async def test_a_part_of_a_trail_can_be_exported(
    told: Trail, filters: audit.Filters, limit: int | None, events: int
) -> None:
    checked = exporting.check(await export(told, filters, limit))
    assert (checked.broken, checked.events) == (None, events)


async def test_a_changed_export_is_found(told: Trail) -> None:
    lines = await export(told, audit.Filters(conversation_id=FIRST))
    *_, last = lines

    def edited(place: int, **changes: Any) -> list[str]:
        document = json.loads(lines[place]) | changes
        return [*lines[:place], json.dumps(document, ensure_ascii=False) + "\n", *lines[place + 1 :]]

    forger = Signatures((SecretStr(Fernet.generate_key().decode()),))
    unsigned = {name: value for name, value in json.loads(last).items() if name not in ("key", "signature")}
    for changed, says in (
        (edited(2, payload="{}"), f"line 3: chain {FIRST}, seq 3, event .* something in it was changed"),
        (edited(2, at=json.loads(lines[1])["at"]), "line 3: .* something in it was changed"),
        (edited(2, content_sha256=None), "line 3: .* something in it was changed"),
        (edited(2, seq="x"), "line 3: it is no event"),
        ([*lines[:2], "{}\n", *lines[2:]], "line 3: it is no event"),
        ([*lines[:2], "[1]\n", *lines[2:]], "line 3: it is no event"),
        ([*lines[:2], *lines[3:]], "line 3 does not stand right behind"),
        (lines[1:], "line 1 does not stand right behind"),
        ([lines[1], lines[0], *lines[2:]], "line 2: .* was removed"),
        (lines[:-1], "line 7: it is the last one and does not say"),
        ([], "line 0: it is the last one"),
        ([*lines[:-2], last], "not those that the last one was signed for"),
        (edited(7, events=3), "does not bear out its signature"),
        ([*lines, lines[0]], "line 9 stands behind the one that ends the file"),
        ([*lines[:3], forger.sign({**unsigned, "digest": "0"})], "not those that the last one was signed for"),
    ):
        broken = exporting.check(changed).broken
        assert broken is not None, says
        assert re.search(says, broken), broken
    assert holds(json.loads(last))


async def test_an_export_of_filtered_events_shows_what_was_removed_by_its_signature(told: Trail) -> None:
    lines = await export(told, audit.Filters(actor="employee"))
    assert exporting.check(lines).broken is None
    assert exporting.check([lines[0], *lines[2:]]).broken == "the lines are not those that the last one was signed for"
