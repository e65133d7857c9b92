"""The command that tries rules out, as its operator meets it."""

from pathlib import Path

import pytest

from konstruct.escalation import judgements
from konstruct.escalation.judging import Judgement
from konstruct.identity import new_id
from konstruct.settings import Settings
from konstruct.tables import Message, Tenant
from tests.support.commands import Outcome, konstruct
from tests.support.office import Office
from tests.support.processes import environment

RULES = """escalation:
  - {name: angry, when: {mood: angry}, then: {hand_off: {to: support}}}
  - {name: bells, when: {keyword: bell}, then: {tell: {to: support}}}
"""


async def try_out(office: Office, settings: Settings, *arguments: str) -> Outcome:
    async with office.session() as session:
        slug = (await session.get_one(Tenant, office.tenant_id)).slug
    assert settings.database_url
    keys = ",".join(key.get_secret_value() for key in settings.encryption_keys)
    env = environment(settings.data_dir, database_url=settings.database_url.get_secret_value(), encryption_keys=keys)
    return await konstruct("escalation", "try", slug, *arguments, env=env)


@pytest.mark.stack
async def test_it_says_of_each_turn_which_rule_fires_and_why(
    office: Office, settings: Settings, tmp_path: Path
) -> None:
    (tmp_path / "rules.yaml").write_text(RULES)
    await office.exchange("A canary\x1b[2J bell!", "Hello!")
    asked = await office.exchange("I am angry", "Hello!")
    async with office.session() as session:
        turn_id = (await session.get_one(Message, (office.tenant_id, asked.message_id))).turn_id
        assert turn_id is not None
        found = Judgement(mood="angry")
        await judgements.keep(session, office.tenant_id, asked.conversation_id, turn_id, found)

    tried = await try_out(office, settings, str(asked.conversation_id), "--rules", str(tmp_path / "rules.yaml"))

    assert (tried.status, tried.complained) == (0, "")
    first, second = tried.said.strip().split("\n\n")
    # What a contact wrote does not write to the terminal.
    assert "A canary\\u001b[2J bell!" in first.splitlines()[0]
    assert first.splitlines()[1:] == [
        "  No judgement of this turn was kept: words decide here.",
        "  angry does not hold (hand_off)",
        "    - The contact's mood is neutral, not angry.",
        "  bells fires (tell)",
        '    + The contact wrote "bell".',
    ]
    assert second.splitlines()[1:] == [
        "  angry fires (hand_off)",
        "    + The contact's mood is angry.",
        "  bells does not hold (tell)",
        '    - The contact did not write "bell".',
    ]
    without = await try_out(office, settings, str(asked.conversation_id))
    assert without.said.count("  The employee has no rules.") == 2


@pytest.mark.stack
async def test_what_is_not_there_or_cannot_be_read_is_a_sentence(
    office: Office, settings: Settings, tmp_path: Path
) -> None:
    file = tmp_path / "rules.yaml"
    file.write_text("escalation: [{name: A, when: {turns: 1}, then: {ask_approval: {}}}]\n")
    nobodys = await try_out(office, settings, str(new_id()))
    assert (nobodys.status, nobodys.complained) == (1, "There is no such conversation.\n")
    broken = await try_out(office, settings, str(new_id()), "--rules", str(file))
    assert broken.status == 1
    assert broken.complained.startswith(f"{file}:1: escalation[0].name: must be lower-case letters")
