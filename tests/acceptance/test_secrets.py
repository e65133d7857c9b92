"""Where secrets and people's words must not be found, whatever happened before."""

import secrets
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from tests.acceptance.town import ANTHROPIC, OPENAI, Town
from tests.faults.secrets import Needles, in_files, in_redis, in_tables
from tests.support.commands import konstruct
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


async def test_nothing_that_opens_anything_lies_open(town: Town) -> None:
    """Of a tool, a program and a person: what each is let in with, after it was used rightly and wrongly."""
    tool_key, wrong = f"check-{secrets.token_hex(12)}", f"wrong lantern {secrets.token_hex(8)}"
    password = f"lantern {secrets.token_hex(8)} drifting"
    check = {"kind": "http", "description": "Checks.", "url": f"{town.shop.url}/catalogue", "auth": {"kind": "bearer"}}
    office = await town.new_office(
        tools=["check"],
        sections={"tools": {"check": {**check, "secret": "${CHECK_KEY}"}}},
        more_secrets={"CHECK_KEY": tool_key},
    )
    talk = office.talk()
    question = f"Check it, {office.slug}."
    # The service knows another key: it refuses this one, in an error that is kept.
    town.models.turns("anthropic", question, Behaviour(calls=[("check", {})]), Behaviour(lambda _: "It was refused."))
    await talk.mention(question)
    await talk.heard()
    of = ("--tenant", office.slug)
    program = (await konstruct("api-key", "create", "books", *of, "--scope", "tools:read", env=town.env)).said.strip()
    email = f"gil-{secrets.token_hex(5)}@example.com"
    [token] = parse_qs(urlsplit((await konstruct("user", "add", email, *of, env=town.env)).said.strip()).query)["token"]
    gateway, portal = (f"http://127.0.0.1:{town.env[f'KONSTRUCT_{part}_PORT']}" for part in ("GATEWAY", "PORTAL"))
    async with httpx.AsyncClient(headers={"sec-fetch-site": "same-origin"}, timeout=30) as visitor:
        for key in (program, f"{program[:-4]}aaaa"):
            await visitor.get(f"{gateway}/api/v1/tools", headers={"Authorization": f"Bearer {key}"})
        await visitor.post(f"{portal}/reset/password", data={"token": token, "password": password})
        for said in (wrong, password):
            answer = await visitor.post(f"{portal}/sign-in", data={"email": email, "password": said})
        assert answer.status_code == 303
        session = answer.cookies["__Host-konstruct"]

    needles = Needles(
        {
            **{"a tool's key": tool_key, "a program's key": program, "a link's token": token, "a session": session},
            **{"a password": password, "a wrong password": wrong, "a bot's token": office.workspace.bot_token},
            **{f"the key of {provider}": key for provider, key in town.keys.items()},
            **{
                "what Slack signs with": town.slack.signing_secret,
                "what Slack's app is known by": town.slack.client_secret,
            },
        }
    )
    assert await in_tables(town.addresses["database_owner_url"], needles) == []
    assert await in_redis(town.addresses["redis_url"], needles) == []
    assert in_files(town.data_dir, needles) == []
