"""The team over the API: a key does what an admin may, and never makes or unmakes an owner."""

import pytest

from konstruct.accounts import inviting, mails
from konstruct.accounts.team import By
from konstruct.db import Database
from konstruct.vault import Vault
from tests.gateway.programs import Program, program_of
from tests.support.members import Enrolled, enrolled
from tests.support.office import Office, open_office


@pytest.fixture
async def owner(office: Office) -> Enrolled:
    return await enrolled(office.database, office.vault, "owner", office.tenant_id)


@pytest.fixture
async def program(api: str, office: Office, owner: Enrolled) -> Program:
    return await program_of(office, api)


async def test_somebody_is_invited_again_and_withdrawn(program: Program, office: Office, owner: Enrolled) -> None:
    email = f"new-{office.tenant_id.hex[:12]}@example.com"
    first = await program.post("/team/invitations", {"email": f" {email.upper()} ", "role": "agent"})
    again = await program.post(f"/team/invitations/{first.body['id']}/resend")

    assert (first.status, first.body["email"], first.body["role"]) == (202, email, "agent")
    assert (again.status, again.body["id"]) == (202, first.body["id"])
    team = (await program.get("/team")).body
    assert [(each["email"], each["role"], each["has_second_factor"]) for each in team["members"]] == [
        (owner.email, "owner", False)
    ]
    assert [each["id"] for each in team["invitations"]] == [first.body["id"]]
    sent = [mail for mail in await mails.kept(office.database, office.vault, 200) if mail.to == email]
    assert len(sent) == 2
    assert "invites you to join" in sent[0].text
    withdrawn = await program.call("DELETE", f"/team/invitations/{first.body['id']}")
    assert withdrawn.status == 204
    assert (await program.call("DELETE", f"/team/invitations/{first.body['id']}")).status == 404
    assert {event.actor for event in await office.events("member.invited")} == {"api:back-office"}


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"email": "nobody", "role": "agent"}, 422),
        ({"email": "a@example.com", "role": "king"}, 422),
        ({"email": "a@example.com", "role": "owner"}, 403),
    ],
)
async def test_an_invitation_that_cannot_be_is_refused(program: Program, body: dict[str, str], status: int) -> None:
    assert (await program.post("/team/invitations", body)).status == status
    assert (await program.get("/team")).body["invitations"] == []


async def test_whoever_is_in_the_team_is_not_invited(program: Program, owner: Enrolled) -> None:
    answer = await program.post("/team/invitations", {"email": owner.email, "role": "viewer"})
    assert (answer.status, "in the team already" in answer.body["error"]) == (409, True)


async def test_roles_are_changed_and_people_removed(program: Program, office: Office) -> None:
    person = await enrolled(office.database, office.vault, "agent", office.tenant_id, name="Ben")
    changed = await program.call("PUT", f"/team/members/{person.user_id}/role", {"role": "admin"})
    removed = await program.call("DELETE", f"/team/members/{person.user_id}")

    assert (changed.status, changed.body["role"], changed.body["name"]) == (200, "admin", "Ben")
    assert removed.status == 204
    assert (await program.call("DELETE", f"/team/members/{person.user_id}")).status == 404
    for action in ("member.role_changed", "member.removed"):
        assert [event.actor for event in await office.events(action)] == ["api:back-office"]


async def test_owners_are_made_and_unmade_by_people(program: Program, office: Office, owner: Enrolled) -> None:
    second = await enrolled(office.database, office.vault, "owner", office.tenant_id)
    agent = await enrolled(office.database, office.vault, "agent", office.tenant_id)
    async with office.session() as session:
        by = By(owner.user_id, "owner")
        email = f"boss-{office.tenant_id.hex[:12]}@example.com"
        await inviting.invite(session, office.vault, "https://p", office.tenant_id, by, "Anna", email, "owner")
        [invitation] = await inviting.waiting(session)

    for method, path, body in (
        ("PUT", f"/team/members/{agent.user_id}/role", {"role": "owner"}),
        ("PUT", f"/team/members/{second.user_id}/role", {"role": "viewer"}),
        ("DELETE", f"/team/members/{second.user_id}", None),
        ("DELETE", f"/team/invitations/{invitation.id}", None),
        ("POST", f"/team/invitations/{invitation.id}/resend", None),
        ("POST", "/team/invitations", {"email": email, "role": "viewer"}),
    ):
        answer = await program.call(method, path, body)
        assert (answer.status, "wners" in answer.body["error"]) == (403, True), (method, path)
    roles = sorted(each["role"] for each in (await program.get("/team")).body["members"])
    assert roles == ["agent", "owner", "owner"]


async def test_another_tenants_people_are_not_there(
    program: Program, api: str, database: Database, vault: Vault, owner: Enrolled
) -> None:
    theirs = await program_of(await open_office(database, vault), api)
    assert (await theirs.get("/team")).body == {"members": [], "invitations": []}
    assert (await theirs.call("DELETE", f"/team/members/{owner.user_id}")).status == 404
    assert (await theirs.call("PUT", f"/team/members/{owner.user_id}/role", {"role": "viewer"})).status == 404
