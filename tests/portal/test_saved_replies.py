"""The pages of saved replies: for who answers contacts, kept as typed where something is wrong, and had back."""

import re
from html import unescape

import httpx
import pytest

from konstruct import naming, saved_replies
from konstruct.accounts.permissions import Role
from konstruct.db import Database
from konstruct.vault import Vault
from tests.support.members import COOKIE, Enrolled, enrolled
from tests.support.office import Office, open_office

REPLY = {"key": "returns", "title": "Returns", "text": "Hi {contact}, {agent} of {business} takes it back."}
_TOAST = re.compile(r"data-toast-text>([^<]*)<")


@pytest.fixture
async def agent(office: Office, portal: httpx.AsyncClient) -> Enrolled:
    return await comes(office, portal, "agent")


async def comes(office: Office, portal: httpx.AsyncClient, role: Role) -> Enrolled:
    who = await enrolled(office.database, office.vault, role, office.tenant_id, name="Ana Berg")
    portal.cookies.set(COOKIE, who.cookie)
    return who


async def kept(office: Office) -> list[str]:
    async with office.session() as session:
        return [each.key for each in await saved_replies.listing(session)]


async def test_one_is_added_changed_removed_and_had_back(
    portal: httpx.AsyncClient, agent: Enrolled, office: Office
) -> None:
    base = f"/t/{agent.slug}/settings/replies"
    assert "No saved replies yet" in (await portal.get(base)).text
    answer = await portal.post(f"{base}/new", data=REPLY)
    assert (answer.status_code, answer.headers["location"]) == (303, base)
    page = (await portal.get(base)).text
    assert "/returns" in page
    assert "Type /returns" in unescape(page)
    await portal.post(f"{base}/returns", data={**REPLY, "key": "back"})
    assert await kept(office) == ["back"]
    assert (await portal.get(f"{base}/returns")).status_code == 404

    await portal.post(f"{base}/back/remove")
    assert await kept(office) == []
    page = (await portal.get(base)).text
    assert f'action="{base}/back/restore"' in page
    await portal.post(f"{base}/back/restore")
    assert await kept(office) == ["back"]


async def test_what_is_wrong_stands_beside_its_field_and_nothing_typed_is_lost(
    portal: httpx.AsyncClient, agent: Enrolled, office: Office
) -> None:
    answer = await portal.post(
        f"/t/{agent.slug}/settings/replies/new", data={"key": "Two words", "title": "", "text": "Hi <b>{name}</b>"}
    )
    assert answer.status_code == 422
    page = unescape(answer.text)
    assert "Use small letters" in page
    assert "Give it a title." in page
    assert "“{name}” is nothing that is filled in" in page
    assert "Hi &lt;b&gt;{name}&lt;/b&gt;" in answer.text
    assert await kept(office) == []


async def test_they_are_offered_with_names_in_their_places(
    portal: httpx.AsyncClient, agent: Enrolled, office: Office
) -> None:
    asked = await office.say("Hello")
    [message] = [each for each in await office.messages() if each.id == asked.message_id]
    assert message.contact_id is not None
    async with office.session() as session:
        await saved_replies.put(session, office.tenant_id, *REPLY.values(), actor="test")
        cipher = (await office.vault.ciphers(session, [message.contact_id]))[message.contact_id]
        await naming.learn(session, office.vault, office.tenant_id, cipher, "Lucía {agent}")

    url = f"/t/{agent.slug}/saved-replies"
    told = (await portal.get(url, params={"conversation": str(asked.conversation_id)})).json()
    assert [each["text"] for each in told["replies"]] == ["Hi Lucía {agent}, Ana Berg of Acme Bikes takes it back."]
    told = (await portal.get(url)).json()
    assert [each["text"] for each in told["replies"]] == ["Hi, Ana Berg of Acme Bikes takes it back."]


async def test_another_tenants_conversation_tells_no_name(
    portal: httpx.AsyncClient, agent: Enrolled, office: Office, database: Database, vault: Vault
) -> None:
    other = await open_office(database, vault)
    asked = await other.say("Hello")
    async with office.session() as session:
        await saved_replies.put(session, office.tenant_id, *REPLY.values(), actor="test")
    url = f"/t/{agent.slug}/saved-replies"
    told = (await portal.get(url, params={"conversation": str(asked.conversation_id)})).json()
    assert told["replies"][0]["text"].startswith("Hi, Ana Berg")


@pytest.mark.parametrize(("role", "status"), [("owner", 200), ("admin", 200), ("agent", 200), ("viewer", 403)])
async def test_they_are_for_who_answers_contacts(
    portal: httpx.AsyncClient, office: Office, role: Role, status: int
) -> None:
    who = await comes(office, portal, role)
    for path in ("settings/replies", "saved-replies"):
        assert (await portal.get(f"/t/{who.slug}/{path}")).status_code == status


async def test_they_are_searched_by_what_they_say(portal: httpx.AsyncClient, agent: Enrolled, office: Office) -> None:
    async with office.session() as session:
        for number in range(10):
            await saved_replies.put(
                session, office.tenant_id, f"reply-{number}", f"Title {number}", f"Words-{number}x", actor="test"
            )
    base = f"/t/{agent.slug}/settings/replies"
    page = (await portal.get(base, params={"q": "words-7X"})).text
    assert "Title 7" in page
    assert "Title 6" not in page
    assert "None of them says" in (await portal.get(base, params={"q": "nothing"})).text
