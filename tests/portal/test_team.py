"""The team's page and what it does: roles, removing, inviting, leaving; and that there is always an owner."""

import asyncio
import html
import re
import secrets

import httpx
import pytest

from konstruct import audit
from konstruct.accounts import mails, profile, sessions, team
from konstruct.accounts.team import By
from konstruct.db import Database
from konstruct.errors import Conflict, NotFound
from konstruct.identity import new_id
from konstruct.tables import Membership
from konstruct.vault import Vault
from portal.access import COOKIE
from portal.pages.team import ON_A_PAGE
from tests.support.members import PASSWORD, Enrolled, enrolled, make_user


async def post(portal: httpx.AsyncClient, person: Enrolled, path: str, **data: str) -> httpx.Response:
    return await portal.post(f"/t/{person.slug}/team{path}", data=data, headers={"cookie": f"{COOKIE}={person.cookie}"})


async def roles(database: Database, person: Enrolled) -> dict[str, str]:
    async with database.tenant_session(person.tenant_id) as session:
        return {member.email: member.role for member in await team.members(session)}


async def token_of(database: Database, vault: Vault, to: str) -> str:
    mail = next(mail for mail in await mails.kept(database, vault, 1_000) if mail.to == to)
    found = re.search(r"/invitations/([A-Za-z0-9_-]{43})", mail.text)
    assert found
    return found[1]


@pytest.fixture
async def owner(database: Database, vault: Vault) -> Enrolled:
    return await enrolled(database, vault)


@pytest.fixture
def address() -> str:
    return f"emil-{secrets.token_hex(5)}@example.com"


async def test_the_team_is_shown_with_its_roles(portal: httpx.AsyncClient, database: Database, vault: Vault) -> None:
    owner = await enrolled(database, vault, name="Anna <Berg>")
    viewer = await enrolled(database, vault, "viewer", owner.tenant_id, name="Vera Klein")

    page = await portal.get(f"/t/{owner.slug}/team", headers={"cookie": f"{COOKIE}={viewer.cookie}"})

    assert "Anna &lt;Berg&gt;" in page.text
    assert viewer.email in page.text
    assert "/team/invite" not in page.text
    assert "/remove" not in page.text


async def test_a_role_is_changed_and_counts_at_once(
    portal: httpx.AsyncClient, database: Database, vault: Vault, owner: Enrolled
) -> None:
    agent = await enrolled(database, vault, "agent", owner.tenant_id)
    await post(portal, owner, f"/members/{agent.user_id}/role", role="admin")

    assert (await roles(database, owner))[agent.email] == "admin"
    answer = await portal.get(f"/t/{owner.slug}/team/invite", headers={"cookie": f"{COOKIE}={agent.cookie}"})
    assert answer.status_code == 200


async def test_owners_are_made_and_unmade_by_owners_alone(
    portal: httpx.AsyncClient, database: Database, vault: Vault, owner: Enrolled, address: str
) -> None:
    admin = await enrolled(database, vault, "admin", owner.tenant_id)
    before = await roles(database, owner)
    await post(portal, admin, f"/members/{admin.user_id}/role", role="owner")
    await post(portal, admin, f"/members/{owner.user_id}/role", role="viewer")
    await post(portal, admin, f"/members/{owner.user_id}/remove")
    refused = await post(portal, admin, "/invite", email=address, role="owner")

    assert await roles(database, owner) == before
    assert refused.status_code == 422
    assert "Only owners invite owners." in refused.text


async def test_the_invitation_of_an_owner_is_changed_by_owners_alone(
    portal: httpx.AsyncClient, database: Database, vault: Vault, owner: Enrolled, address: str
) -> None:
    admin = await enrolled(database, vault, "admin", owner.tenant_id)
    await post(portal, owner, "/invite", email=address, role="owner")
    refused = await post(portal, admin, "/invite", email=address, role="viewer")

    assert refused.status_code == 422
    assert "only owners change that" in refused.text
    assert "invited as owner" in (await portal.get(f"/invitations/{await token_of(database, vault, address)}")).text


@pytest.mark.parametrize("path", ["/members/{}/role", "/members/{}/remove", "/leave"])
async def test_the_only_owner_stays(portal: httpx.AsyncClient, database: Database, owner: Enrolled, path: str) -> None:
    await post(portal, owner, path.format(owner.user_id), role="viewer")

    assert await roles(database, owner) == {owner.email: "owner"}


async def test_of_two_owners_who_leave_at_once_one_stays(database: Database, vault: Vault, owner: Enrolled) -> None:
    async def leave(person: Enrolled) -> None:
        async with database.tenant_session(person.tenant_id) as session:
            # Both have looked before either goes on.
            await team.members(session)
            await team.remove(session, person.tenant_id, By(person.user_id, "owner"), person.user_id)

    for _ in range(5):
        other = await enrolled(database, vault, "owner", owner.tenant_id)
        outcomes = await asyncio.gather(leave(owner), leave(other), return_exceptions=True)
        assert [type(outcome) for outcome in outcomes if outcome is not None] == [Conflict]
        left = await roles(database, owner)
        assert list(left.values()) == ["owner"]
        owner = owner if owner.email in left else other


async def test_who_is_removed_sees_nothing_any_more(
    portal: httpx.AsyncClient, database: Database, vault: Vault, owner: Enrolled
) -> None:
    agent = await enrolled(database, vault, "agent", owner.tenant_id)
    await post(portal, owner, f"/members/{agent.user_id}/remove")

    answer = await portal.get(f"/t/{owner.slug}/team", headers={"cookie": f"{COOKIE}={agent.cookie}"})
    assert answer.status_code == 404


async def test_an_invitation_makes_an_account_with_its_role(
    portal: httpx.AsyncClient, database: Database, vault: Vault, owner: Enrolled, address: str
) -> None:
    answer = await post(portal, owner, "/invite", email=address.upper(), role="agent")
    assert answer.headers["location"] == f"/t/{owner.slug}/team"
    token = await token_of(database, vault, address)
    page = await portal.get(f"/invitations/{token}")
    assert address in page.text

    weak = await portal.post(f"/invitations/{token}", data={"name": "Emil", "password": "short"})
    assert weak.status_code == 422
    answer = await portal.post(f"/invitations/{token}", data={"name": "Emil", "password": PASSWORD})

    assert answer.headers["location"] == f"/t/{owner.slug}/home"
    assert (await portal.get(f"/t/{owner.slug}/team")).status_code == 200
    assert (await roles(database, owner))[address] == "agent"
    assert (await portal.get(f"/invitations/{token}")).status_code == 404


async def test_an_invitation_is_taken_up_by_the_account_of_its_address_alone(
    portal: httpx.AsyncClient, database: Database, vault: Vault, owner: Enrolled
) -> None:
    emil, eve = await enrolled(database, vault, name="Emil"), await enrolled(database, vault, name="Eve")
    await post(portal, owner, "/invite", email=emil.email, role="admin")
    token = await token_of(database, vault, emil.email)
    assert "/sign-in?next=/invitations/" in (await portal.get(f"/invitations/{token}")).text

    answer = await portal.post(f"/invitations/{token}", headers={"cookie": f"{COOKIE}={eve.cookie}"})
    assert answer.status_code == 403
    assert f"It is for {emil.email}, and you are signed in as {eve.email}" in answer.text

    answer = await portal.post(f"/invitations/{token}", headers={"cookie": f"{COOKIE}={emil.cookie}"})
    assert answer.headers["location"] == f"/t/{owner.slug}/home"
    # The session is another one from there on.
    assert await sessions.find(database, emil.cookie) is None
    found = await sessions.find(database, answer.cookies[COOKIE])
    assert found is not None
    assert {seat.slug for seat in found.seats} == {emil.slug, owner.slug}


async def test_an_invitation_that_is_sent_again_or_withdrawn_opens_nothing_by_its_old_link(
    portal: httpx.AsyncClient, database: Database, vault: Vault, owner: Enrolled, address: str
) -> None:
    await post(portal, owner, "/invite", email=address, role="agent")
    first = await token_of(database, vault, address)
    page = await portal.get(f"/t/{owner.slug}/team", headers={"cookie": f"{COOKIE}={owner.cookie}"})
    found = re.search(r"/team/invitations/([0-9a-f-]{36})/resend", page.text)
    assert found

    await post(portal, owner, f"/invitations/{found[1]}/resend")
    second = await token_of(database, vault, address)
    statuses = [(await portal.get(f"/invitations/{token}")).status_code for token in (first, second)]
    assert statuses == [404, 200]

    await post(portal, owner, f"/invitations/{found[1]}/withdraw")
    assert (await portal.get(f"/invitations/{second}")).status_code == 404


async def test_who_is_in_the_team_already_is_not_invited(
    portal: httpx.AsyncClient, database: Database, vault: Vault, owner: Enrolled
) -> None:
    answer = await post(portal, owner, "/invite", email=owner.email, role="agent")

    assert answer.status_code == 422
    assert "in the team already" in answer.text


async def test_what_was_done_to_the_team_is_in_the_trail(
    portal: httpx.AsyncClient, database: Database, vault: Vault, owner: Enrolled, address: str
) -> None:
    agent = await enrolled(database, vault, "agent", owner.tenant_id)
    await post(portal, owner, f"/members/{agent.user_id}/role", role="viewer")
    await post(portal, owner, f"/members/{agent.user_id}/remove")
    await post(portal, owner, "/invite", email=address, role="agent")

    async with database.tenant_session(owner.tenant_id) as session:
        found = await audit.find(session)
    assert {(event.action, event.actor) for event in found} >= {
        ("member.role_changed", owner.actor),
        ("member.removed", owner.actor),
        ("member.invited", owner.actor),
    }


async def test_one_who_is_in_no_team_can_be_deleted_and_the_only_owner_cannot(
    database: Database, vault: Vault, owner: Enrolled
) -> None:
    agent = await enrolled(database, vault, "agent", owner.tenant_id)
    for person in (owner, agent):
        found = await sessions.find(database, person.cookie)
        assert found is not None
        if person is owner:
            with pytest.raises(Conflict, match="Nobody else is an owner"):
                await profile.delete_account(database, found.user_id, found.seats)
        else:
            await profile.delete_account(database, found.user_id, found.seats)

    assert await sessions.find(database, agent.cookie) is None
    assert await roles(database, owner) == {owner.email: "owner"}
    with pytest.raises(NotFound):
        async with database.tenant_session(owner.tenant_id) as session:
            await team.remove(session, owner.tenant_id, By(owner.user_id, "owner"), agent.user_id)


async def test_a_large_team_is_shown_page_by_page_and_found_by_name_or_address(
    portal: httpx.AsyncClient, database: Database, vault: Vault
) -> None:
    owner = await enrolled(database, vault, name="Zora Last")
    for number in range(ON_A_PAGE + 3):
        user_id = new_id()
        await make_user(database, user_id, f"{user_id.hex}@example.com", f"Colleague {number}")
        async with database.account_session(user_id, tenant_id=owner.tenant_id) as session:
            session.add(Membership(tenant_id=owner.tenant_id, user_id=user_id, role="agent"))
    at, signed_in = f"/t/{owner.slug}/team", {"cookie": f"{COOKIE}={owner.cookie}"}

    first = await portal.get(at, headers=signed_in)
    [later] = re.findall(r'rel="next" href="([^"]+)"', first.text)
    second = await portal.get(at + html.unescape(later), headers=signed_in)
    named = await portal.get(at, params={"q": "zora"}, headers=signed_in)
    nobody = await portal.get(at, params={"q": "<b>"}, headers=signed_in)

    shown = [set(re.findall(r"Colleague \d+(?=</p>)", page.text)) for page in (first, second)]
    assert [len(each) for each in shown] == [ON_A_PAGE - 1, 4]
    assert not shown[0] & shown[1]
    assert "Zora Last" in named.text
    assert "Colleague" not in named.text
    assert "Nobody in the team is called that" in nobody.text
    assert "<b>" not in nobody.text
