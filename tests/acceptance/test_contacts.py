"""What an operator can look up of a person, and have joined or forgotten, from the command line."""

import secrets

import pytest

from tests.acceptance.test_memory import behind_the_scenes, is_remembered, last_answered, talkative_office
from tests.acceptance.town import Office, Town, prompt
from tests.support.commands import Outcome, konstruct
from tests.support.processes import until

pytestmark = pytest.mark.stack


async def contact(town: Town, office: Office, command: str, *arguments: str) -> Outcome:
    return await konstruct("contact", command, *arguments, "--tenant", office.slug, env=town.env)


async def test_an_operator_joins_two_contacts_and_has_one_persons_words_forgotten(town: Town) -> None:
    name = f"Canary{secrets.token_hex(4)}"
    town.models.always("anthropic", behind_the_scenes())
    office = await talkative_office(town)
    talk, other = office.talk(), office.talk()
    await talk.mention(f"My bicycle is called {name}.")
    await talk.heard()
    await other.mention("What is my bicycle called?")
    await other.heard()
    await until(lambda: is_remembered(office, talk.root))
    await until(lambda: is_remembered(office, other.root))

    shown = await contact(town, office, "show", talk.user)
    assert f"{talk.user} on slack (slack)" in shown.said
    assert "2 sayings can be recalled word by word" in shown.said
    assert name not in last_answered(town)

    assert (await contact(town, office, "join", talk.user, other.user)).said == "They are one person now.\n"
    assert (await contact(town, office, "join", other.user, talk.user)).said == "They are one person already.\n"
    await office.talk(user=other.user).mention("Once more: what is my bicycle called?")
    call = await town.model_call("Once more")
    assert name in prompt(call)

    outcome = await contact(town, office, "forget", other.user, "--everything")
    assert (outcome.status, "Forgotten" in outcome.said) == (0, True)
    await office.talk(user=talk.user).mention("And now, what is my bicycle called?")
    call = await town.model_call("And now,")
    assert name not in prompt(call)
    assert any(name in (row["body"] or "") for row in await office.messages())


@pytest.mark.parametrize(
    ("command", "complaint"),
    [
        (("show", "U0NOBODY"), "There is no contact 'U0NOBODY' here; one that was erased is not found any more."),
        (("forget", "U0NOBODY"), "Say which facts, by their ids, or --everything."),
        (("erase", "U0NOBODY", "--yes"), "There is no contact 'U0NOBODY' here"),
    ],
)
async def test_what_cannot_be_done_is_a_sentence(
    town: Town, office: Office, command: tuple[str, ...], complaint: str
) -> None:
    outcome = await contact(town, office, *command)
    assert outcome.status == 1
    assert outcome.complained.startswith(complaint)
