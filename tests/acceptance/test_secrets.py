"""Where secrets and people's words must not be found, whatever happened before."""

import secrets

import pytest

from tests.acceptance.town import ANTHROPIC, OPENAI, Town
from tests.support.model_doubles import Behaviour, Fault

pytestmark = pytest.mark.stack


async def test_neither_a_secret_nor_what_people_say_is_on_the_disk(town: Town) -> None:
    word, house = (f"canary{secrets.token_hex(8)}" for _ in range(2))
    office = await town.new_office(prompt=f"The secret of the house is {house}.", models=[OPENAI, ANTHROPIC])
    talk = office.talk()
    # Errors are what most often carries into a log what does not belong there.
    town.models.next("openai", Behaviour(fault=Fault.UNAUTHORIZED))
    town.models.next("anthropic", Behaviour(fault=Fault.SERVER_ERROR))
    town.slack.fail_next("chat.postMessage", error="ratelimited")
    town.slack.fail_next("chat.postMessage", error="internal_error")
    await talk.mention(f"{word} one")
    await talk.heard()
    await talk.say(f"{word} two")
    await talk.heard_nothing_more_than(2)
    # Until a checkpoint Postgres may hold in memory what it wrote.
    await town.change("checkpoint")

    tokens = [each.workspace.bot_token for each in town.offices]
    # Without what marks them as secrets, by which a log may know and black out the rest.
    cores = [secret.rpartition("-")[2] for secret in (town.slack.signing_secret, *town.keys.values(), *tokens)]
    assert town.files_that_hold(*cores) == set()
    assert town.files_that_hold(house) == {"postgres"}
    assert town.files_that_hold(office.slug) >= {"postgres"}
    # What people say, and what they are answered, is sealed before it gets anywhere.
    assert town.files_that_hold(word) == set()
