"""What people see in Slack when models are down: nothing, as long as one of them answers."""

import pytest

from tests.acceptance.town import ANTHROPIC, NOBODY_LISTENS, OLLAMA, OPENAI, Office, Town
from tests.support.model_doubles import Behaviour, Fault, Provider

pytestmark = pytest.mark.stack

NAMES: dict[Provider, str] = {"anthropic": ANTHROPIC, "openai": OPENAI, "ollama": OLLAMA}


@pytest.fixture(scope="module")
async def pool(standing_town: Town) -> Office:
    return await standing_town.new_office(models=[NOBODY_LISTENS, *NAMES.values()])


@pytest.mark.parametrize(
    "fault",
    [Fault.HANG_BEFORE_HEADERS, Fault.RATE_LIMITED, Fault.SERVER_ERROR, Fault.CUT, Fault.DROPPED, Fault.EMPTY_ANSWER],
)
async def test_a_model_that_fails_is_passed_over_in_silence(town: Town, pool: Office, fault: Fault) -> None:
    talk = pool.talk()
    town.models.always("anthropic", Behaviour(fault=fault))

    await talk.mention("hello")

    assert await talk.heard_nothing_more_than(1) == ["You said: hello"]
    [answered, *_] = [row for row in await pool.rows("audit_events") if row["action"] == "turn.answered"][-2:]
    assert answered["detail"]["model"] == OPENAI
    assert [passed.partition(":")[0] for passed in answered["detail"]["passed_over"]] == [NOBODY_LISTENS, ANTHROPIC]


@pytest.mark.parametrize("provider", NAMES)
async def test_each_provider_answers_when_it_is_the_only_one_left(town: Town, pool: Office, provider: Provider) -> None:
    talk = pool.talk()
    for other in NAMES.keys() - {provider}:
        town.models.always(other, Behaviour(fault=Fault.UNAVAILABLE))

    await talk.mention("Who is left?")

    assert await talk.heard() == ["You said: Who is left?"]
    conversation = await town.rows("select to_jsonb(c) from conversations c where channel = $1", talk.channel)
    used = [row for row in await pool.rows("usage") if row["conversation_id"] == conversation[0]["id"]]
    assert [(row["provider"], row["outcome"]) for row in used if row["outcome"] == "ok"] == [(provider, "ok")]


async def test_when_all_are_down_the_person_is_told_once_and_answered_when_one_is_back(
    town: Town, pool: Office
) -> None:
    talk = pool.talk()
    for provider in NAMES:
        town.models.always(provider, Behaviour(fault=Fault.SERVER_ERROR))

    await talk.mention("Are you well?")

    [notice] = await talk.heard()
    assert notice.startswith("Sorry, I cannot answer right now")
    town.models.always("openai", Behaviour())
    assert await talk.heard(2) == [notice, "You said: Are you well?"]
    await talk.heard_nothing_more_than(2)


async def test_a_further_message_does_not_wait_for_the_next_try(town: Town, pool: Office) -> None:
    talk = pool.talk()
    for provider in NAMES:
        town.models.always(provider, Behaviour(fault=Fault.SERVER_ERROR))
    await talk.mention("One question:")
    [notice] = await talk.heard()
    for provider in NAMES:
        town.models.always(provider, Behaviour())

    await talk.say("Where are you?")

    assert await talk.heard(2) == [notice, "You said: One question:\n\nWhere are you?"]
    await talk.heard_nothing_more_than(2)


async def test_the_doctor_names_the_model_whose_key_is_refused(town: Town) -> None:
    before = await town.doctor()
    assert f"ok       model {ANTHROPIC}: answers" in before.said
    assert f"warning  model {NOBODY_LISTENS}: It does not answer" in before.said
    good_keys = town.models.keys["openai"]
    town.models.keys["openai"] = {"another"}

    after = await town.doctor()

    town.models.keys["openai"] = good_keys
    assert f"warning  model {OPENAI}: Its key is refused." in after.said
    assert (before.status, after.status) == (0, 0)
