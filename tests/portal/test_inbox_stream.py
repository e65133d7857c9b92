"""The stream by which an open inbox hears what is new: on a real server, which is started anew between two events."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import httpx
import pytest
from pydantic import SecretStr
from sqlalchemy import make_url
from sqlmodel import col, select

from konstruct.accounts import sessions, team
from konstruct.accounts.team import By
from konstruct.db import Database
from konstruct.desk import people
from konstruct.embedded.loopback import free_port
from konstruct.handoffs import owning
from konstruct.identity import new_id
from konstruct.settings import Settings
from konstruct.tables import UserSession
from konstruct.vault import Vault
from portal import watching
from tests.support.commands import CHECKOUT
from tests.support.ears import QUICK, SOON, listening, served
from tests.support.handoffs import GRACE, claim, hand_off, seat
from tests.support.members import COOKIE, Enrolled, enrolled
from tests.support.office import Office, open_office
from tests.support.relay import Relay


@pytest.fixture(scope="module")
async def url(settings: Settings) -> AsyncIterator[str]:
    async with served(settings) as found:
        yield found


@pytest.fixture
async def agent(office: Office) -> Enrolled:
    return await enrolled(office.database, office.vault, "agent", office.tenant_id, name="Ana Duarte")


async def key_of(office: Office, person: Enrolled) -> str:
    async with office.session() as session:
        return await people.agent_key(session, person.user_id, person.email)


async def test_it_tells_how_all_is_at_first_and_then_what_becomes_another(
    url: str, office: Office, agent: Enrolled
) -> None:
    asked = await office.say("A person, please")
    async with listening(url, agent, conversation=str(asked.conversation_id)) as ear:
        first = await ear.until("list", waiting=0)
        _, before = await ear.hear("conversation")
        assert ear.headers["content-type"].startswith("text/event-stream")
        assert (ear.headers["x-accel-buffering"], ear.headers["cache-control"]) == ("no", "no-store")

        await hand_off(office, asked)
        told = await ear.until("list", waiting=1)
        assert told["digest"] != first["digest"]
        _, changed = await ear.hear("conversation")
        assert changed["digest"] != before["digest"]
        assert changed["conversation"] == str(asked.conversation_id)

        await office.say("Is anybody there?")
        assert (await ear.hear("list"))[1]["digest"] != told["digest"]
        assert (await ear.hear("conversation"))[1]["digest"] != changed["digest"]


async def test_as_long_as_nothing_happens_nothing_is_told(url: str, office: Office, agent: Enrolled) -> None:
    async with listening(url, agent) as ear:
        await ear.hear("list")
        for _ in range(5):
            assert (await ear.hear("ping", "list", "conversation"))[0] == "ping"


async def test_what_becomes_known_while_somebody_is_being_told_is_told_next(database: Database, office: Office) -> None:
    """A slow reader, to whom the end of the server would otherwise come late, too."""
    looking = watching.Watching(database, None, every=QUICK)
    async with asyncio.timeout(SOON), looking.listen(office.tenant_id, new_id(), None) as watch:
        await watch.changed(None, SOON)
        told = watch.seen
        await hand_off(office, await office.say("A person, please"))
        while watch.seen is told:
            await watch.changed(watch.seen, SOON)
        before = asyncio.get_running_loop().time()
        await watch.changed(told, SOON)
        looking.end()
        await watch.changed(watch.seen, SOON)
        assert asyncio.get_running_loop().time() - before < SOON / 2


async def test_what_others_say_elsewhere_is_told_where_all_is_shown(url: str, office: Office, agent: Enrolled) -> None:
    async with listening(url, agent) as needs, listening(url, agent, view="all") as everything:
        before = await everything.until("list", waiting=0)
        await needs.hear("list")
        await office.say("Only for the employee")

        assert (await everything.hear("list"))[1]["digest"] != before["digest"]
        assert "list" not in needs.so_far()


async def test_after_the_server_was_started_anew_nothing_is_lost_and_nothing_is_doubled(
    settings: Settings, office: Office, agent: Enrolled
) -> None:
    """As a browser does it: it knows the mark of what it shows, and fetches where the server tells another one."""
    port, shown, fetched = free_port(), "", list[str]()
    asked = await office.say("First")
    rows = f"/t/{agent.slug}/inbox?part=list&view=all"
    cookie = {"cookie": f"{COOKIE}={agent.cookie}", "hx-request": "true"}
    while_away = iter(("Second", "Third", ""))
    for text in ("First", "Second", "Third"):
        async with (
            served(settings, port=port) as url,
            listening(url, agent, view="all", conversation=str(asked.conversation_id)) as ear,
            httpx.AsyncClient(base_url=url, headers=cookie) as browser,
        ):
            _, told = await ear.hear("list")
            assert told["digest"] != shown
            page = (await browser.get(rows)).text
            fetched.append(page)
            assert page.count(text) == 1
            assert page.count('id="row-') == 1
            shown = told["digest"]
            # Told once: what is known to be shown is not told again.
            for _ in range(3):
                assert (await ear.hear("ping", "list"))[0] == "ping"
        # While there is no server.
        if said := next(while_away):
            await office.say(said)
    assert len(set(fetched)) == 3


async def test_a_mark_that_is_shown_is_the_one_that_is_told(url: str, office: Office, agent: Enrolled) -> None:
    asked = await office.say("A person, please")
    await hand_off(office, asked)
    async with (
        httpx.AsyncClient(base_url=url, headers={"cookie": f"{COOKIE}={agent.cookie}"}) as browser,
        listening(url, agent, conversation=str(asked.conversation_id)) as ear,
    ):
        page = (await browser.get(f"/t/{agent.slug}/inbox/{asked.conversation_id}")).text
        for part in ("list", "conversation"):
            told = await ear.until(part)
            assert f'data-live-digest="{told["digest"]}"' in page


async def test_two_businesses_never_hear_of_each_other(
    url: str, office: Office, agent: Enrolled, database: Database, vault: Vault
) -> None:
    other = await open_office(database, vault)
    stranger = await enrolled(database, vault, "owner", other.tenant_id)
    asked = await office.say("A person, please")
    await hand_off(office, asked)
    async with (
        listening(url, stranger, view="all", conversation=str(asked.conversation_id)) as theirs,
        listening(url, agent, view="all", conversation=str(asked.conversation_id)) as ours,
    ):
        before = await theirs.until("list", waiting=0)
        await ours.until("list", waiting=1)
        await note(url, agent, asked.conversation_id, "writing")
        await ours.hear("conversation")
        await office.say("Is anybody there?")
        await ours.hear("conversation")
        async with listening(url, agent, conversation=str(asked.conversation_id)) as colleague:
            await colleague.hear("list")

        heard = [await theirs.hear("ping", "list", "conversation", "presence") for _ in range(6)]
        names = {name for name, data in heard if data}
        assert not names, heard
        assert before["mine"] == {}


async def test_another_business_has_no_stream_for_who_is_no_member(
    url: str, office: Office, database: Database, vault: Vault, agent: Enrolled
) -> None:
    stranger = await enrolled(database, vault, "owner")
    async with listening(url, stranger, slug=agent.slug) as ear:
        assert await ear.over() == []
        assert ear.status == 404


async def test_the_stream_of_who_is_removed_from_the_team_ends(url: str, office: Office, agent: Enrolled) -> None:
    owner = await enrolled(office.database, office.vault, "owner", office.tenant_id)
    async with listening(url, agent) as ear, listening(url, owner) as still:
        await ear.hear("ping")
        async with office.session() as session:
            await team.remove(session, office.tenant_id, By(owner.user_id, "owner"), agent.user_id)

        assert (await ear.over())[-1] == "end"
        still.so_far()
        await still.hear("ping")


async def test_the_stream_of_who_has_signed_out_ends(url: str, agent: Enrolled, office: Office) -> None:
    async with listening(url, agent) as ear:
        await ear.hear("ping")
        async with office.database.account_session(agent.user_id) as session:
            await sessions.end(session, agent.session_id)

        assert (await ear.over())[-1] == "end"


async def test_a_page_that_only_listens_keeps_no_session_from_lying_idle(
    url: str, agent: Enrolled, office: Office
) -> None:
    async def seen_at() -> Any:
        async with office.database.account_session(agent.user_id) as session:
            return await session.scalar(select(col(UserSession.last_seen_at)))

    async with listening(url, agent) as ear:
        await ear.hear("ping")
        async with office.database.account_session(agent.user_id) as session:
            row = (await session.scalars(select(UserSession))).one()
            row.last_seen_at -= timedelta(hours=3)
        before = await seen_at()
        for _ in range(3):
            await ear.hear("ping")
        async with httpx.AsyncClient(base_url=url, headers={"cookie": f"{COOKIE}={agent.cookie}"}) as browser:
            await browser.get(f"/t/{agent.slug}/inbox?part=list", headers={"x-by-itself": "1"})
            assert await seen_at() == before
            await browser.get(f"/t/{agent.slug}/inbox?part=list")
            assert await seen_at() > before


async def test_what_calls_for_one_and_what_does_not(url: str, office: Office, agent: Enrolled) -> None:
    """What one did oneself is no news: a conversation that one gave back, or took."""
    await seat(office)
    key = await key_of(office, agent)
    asked = await office.say("A person, please")
    handoff_id = await hand_off(office, asked)
    async with office.session() as session:
        me = await owning.agent(session, key)
    async with listening(url, agent) as ear:
        told = await ear.until("list", waiting=1)
        assert told["newest"]
        await claim(office, handoff_id, me)
        told = await ear.until("list", waiting=0)
        assert told["newest"] is None
        [(conversation_id, (said_at, is_given))] = told["mine"].items()
        assert (conversation_id, is_given) == (str(asked.conversation_id), False)
        await office.say("Thank you")
        told = await ear.until("list")
        assert told["mine"][conversation_id][0] != said_at
        async with office.session() as session:
            await owning.release(session, handoff_id, me)
        assert (await ear.until("list", waiting=1))["newest"] is None
        await claim(office, handoff_id, GRACE)
        assert (await ear.until("list", waiting=0))["mine"] == {}
        async with office.session() as session:
            await owning.transfer(session, handoff_id, GRACE, me)
        assert (await ear.hear("list"))[1]["mine"][conversation_id][1] is True


# -- Who looks ---------------------------------------------------------------------------------------------------------


async def note(url: str, person: Enrolled, conversation_id: Any, state: str = "viewing") -> None:
    headers = {"cookie": f"{COOKIE}={person.cookie}", "sec-fetch-site": "same-origin"}
    async with httpx.AsyncClient(base_url=url, headers=headers) as browser:
        answer = await browser.post(f"/t/{person.slug}/inbox/{conversation_id}/presence", data={"state": state})
        assert answer.status_code == 204


async def test_colleagues_hear_who_looks_and_writes_and_nobody_of_themselves(
    url: str, office: Office, agent: Enrolled
) -> None:
    ben = await enrolled(office.database, office.vault, "agent", office.tenant_id, name="Ben Okoro")
    asked = await office.say()
    at = str(asked.conversation_id)
    async with listening(url, ben) as ear, listening(url, agent) as own:
        assert (await ear.hear("presence"))[1] == {}
        await note(url, agent, at)
        assert (await ear.hear("presence"))[1] == {
            at: [{"name": "Ana Duarte", "writing": False, "key": str(agent.user_id)}]
        }
        await note(url, agent, at, "writing")
        assert (await ear.hear("presence"))[1][at][0]["writing"] is True
        await note(url, agent, at, "gone")
        assert (await ear.hear("presence"))[1] == {}
        await own.hear("ping")
        assert own.so_far().count("presence") <= 1


async def test_without_redis_nobody_is_shown_and_all_else_is(
    settings: Settings, office: Office, agent: Enrolled
) -> None:
    away = settings.model_copy(update={"redis_url": SecretStr(f"redis://127.0.0.1:{free_port()}/0")})
    asked = await office.say()
    async with served(away) as url, listening(url, agent) as ear:
        await ear.until("list", waiting=0)
        await note(url, agent, asked.conversation_id)
        await hand_off(office, asked)
        await ear.until("list", waiting=1)
        assert all(name != "presence" or not data for name, data in [await ear.hear("presence", "ping")])


# -- What is away ------------------------------------------------------------------------------------------------------


async def test_while_the_database_is_away_the_stream_says_so_and_comes_back_by_itself(
    settings: Settings, office: Office, agent: Enrolled
) -> None:
    assert settings.database_url is not None
    there = make_url(settings.database_url.get_secret_value())
    relay = Relay(f"{there.query['host']}/.s.PGSQL.5432")
    await relay.open()
    relayed = there.set(host="127.0.0.1", port=relay.own_port, query={}).render_as_string(hide_password=False)
    asked = await office.say("A person, please")
    async with (
        served(settings.model_copy(update={"database_url": SecretStr(relayed)})) as url,
        listening(url, agent) as ear,
    ):
        before = await ear.until("list", waiting=0)
        await relay.cut()
        _, told = await ear.hear("away")
        assert "comes up to date by itself" in told["sentence"]
        await hand_off(office, asked)
        await relay.open()
        after = await ear.until("list", waiting=1)
        assert after["digest"] != before["digest"]
        await ear.hear("ping")
        # Also where nothing has changed meanwhile, all is told anew: so a page knows that it is up to date.
        await relay.cut()
        await ear.hear("away")
        await relay.open()
        assert await ear.until("list", waiting=1) == after
    await relay.cut()


async def test_one_person_has_so_many_streams_and_no_more(
    url: str, agent: Enrolled, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watching, "MOST_OF_A_PERSON", 1)
    async with listening(url, agent) as ear:
        await ear.hear("list")
        async with listening(url, agent) as refused:
            assert await refused.over() == []
            assert refused.status == 429
    async with asyncio.timeout(SOON):
        # The end of the first is noticed when it is written to next.
        while True:
            async with listening(url, agent) as again:
                if (await again.told.get())[0] != "over":
                    break


async def test_the_portal_itself_stops_at_once_though_somebody_listens(settings: Settings, agent: Enrolled) -> None:
    assert settings.database_url is not None
    assert settings.redis_url is not None
    port = free_port()
    env = {
        "PATH": os.environ["PATH"],
        "KONSTRUCT_DATA_DIR": str(settings.data_dir),
        "KONSTRUCT_DATABASE_URL": settings.database_url.get_secret_value(),
        "KONSTRUCT_REDIS_URL": settings.redis_url.get_secret_value(),
        "KONSTRUCT_PORTAL_PORT": str(port),
        "KONSTRUCT_ENCRYPTION_KEYS": ",".join(key.get_secret_value() for key in settings.encryption_keys),
    }
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "konstruct", "portal"), cwd=CHECKOUT, env=env, stdout=asyncio.subprocess.DEVNULL
    )
    url = f"http://127.0.0.1:{port}"
    try:
        async with asyncio.timeout(60), httpx.AsyncClient() as client:
            while True:
                try:
                    await client.get(f"{url}/health/live")
                    break
                except httpx.HTTPError:
                    assert process.returncode is None
                    await asyncio.wait([asyncio.create_task(process.wait())], timeout=0.1)
        async with listening(url, agent) as ear:
            await ear.hear("list")
            process.send_signal(signal.SIGINT)
            names = await ear.over()
            async with asyncio.timeout(SOON):
                await process.wait()
        # It was ended: a server that waited for it would have cut it off, later.
        assert names[-1] == "end"
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
