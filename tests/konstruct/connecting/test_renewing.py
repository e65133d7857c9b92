"""Tokens that expire: who renews them, when, and what becomes of a connection whose token is not."""

from dataclasses import replace
from datetime import timedelta

import pytest
from pydantic import SecretStr
from sqlmodel import col, update

from konstruct import connections
from konstruct.connecting import renewing, slack_workspaces
from konstruct.connecting.renewing import BOT_TOKEN, REFRESH_TOKEN, Claim, Renewed
from konstruct.connecting.slack_app import SCOPES
from konstruct.connecting.slack_workspaces import Workspace
from konstruct.db import Database
from konstruct.errors import BadInput, ChannelRefused, ChannelUnavailable, Conflict
from konstruct.identity import TenantId
from konstruct.tables import Connection
from konstruct.tables.base import utc_now
from konstruct.vault import Vault
from tests.support.office import Office, open_office

LIVES = timedelta(hours=12)
SECOND = Renewed(SecretStr("xoxe.xoxb-second"), SecretStr("xoxe-second"), LIVES)
USED_UP = ChannelRefused("Slack no longer takes it.", "invalid_refresh_token")


def workspace_of(office: Office, bot_token: str = "xoxe.xoxb-first", refresh_token: str = "xoxe-first") -> Workspace:
    return Workspace(
        team_id=office.account[2:],
        enterprise_id=None,
        name="Acme",
        external={"team_id": office.account[2:], "bot_user_id": "U1"},
        scopes=SCOPES,
        bot_token=SecretStr(bot_token),
        refresh_token=SecretStr(refresh_token),
        token_lives=LIVES,
    )


async def connect(office: Office, workspace: Workspace, tenant_id: TenantId | None = None) -> None:
    tenant_id = tenant_id or office.tenant_id
    async with office.database.tenant_session(tenant_id) as session:
        await slack_workspaces.connect(session, office.vault, tenant_id, workspace, employee_key="ada", actor="user:1")


@pytest.fixture
async def expiring(office: Office) -> Office:
    """One whose token expires in two hours, which is when it is to be renewed."""
    await connect(office, workspace_of(office))
    await move(office, timedelta(hours=10))
    return office


async def move(office: Office, by: timedelta) -> None:
    """So much time passes, for the token."""
    async with office.session() as session:
        await session.execute(
            update(Connection).values(
                renew_at=col(Connection.renew_at) - by, token_expires_at=col(Connection.token_expires_at) - by
            )
        )


async def claim(office: Office) -> Claim | None:
    async with office.session() as session:
        return await renewing.claim(session, office.vault, office.connection_id)


async def connection(office: Office) -> Connection:
    [found] = await office.rows(Connection)
    return found


async def tokens(office: Office) -> tuple[str, str]:
    async with office.session() as session:
        account = await connections.open_account(session, office.vault, office.connection_id)
    return account.secrets[BOT_TOKEN].get_secret_value(), account.secrets[REFRESH_TOKEN].get_secret_value()


async def test_a_token_is_renewed_by_one_and_two_hours_before_it_expires(office: Office) -> None:
    await connect(office, workspace_of(office))
    assert await claim(office) is None
    await move(office, timedelta(hours=10))
    assert office.ref in await renewing.due(office.database, 10_000)

    claimed = await claim(office)
    assert claimed is not None
    assert claimed.refresh_token.get_secret_value() == "xoxe-first"
    assert await claim(office) is None
    assert office.ref not in await renewing.due(office.database, 10_000)

    async with office.session() as session:
        assert await renewing.keep(session, office.vault, claimed, SECOND)
    assert await tokens(office) == ("xoxe.xoxb-second", "xoxe-second")
    kept = await connection(office)
    assert kept.token_expires_at is not None
    assert kept.token_expires_at > utc_now() + timedelta(hours=11)
    assert await claim(office) is None
    assert "second" not in repr(claimed)


async def test_who_renews_and_dies_is_followed_by_another(expiring: Office) -> None:
    assert await claim(expiring) is not None
    async with expiring.session() as session:
        await session.execute(update(Connection).values(renewing_until=utc_now() - timedelta(seconds=1)))

    again = await claim(expiring)

    assert again is not None
    # Slack had taken the token of the one who died.
    async with expiring.session() as session:
        await renewing.fail(session, expiring.vault, again, USED_UP)
    lost = await connection(expiring)
    assert (lost.status, lost.renewal_problem) == ("active", str(USED_UP))
    assert lost.renew_at == lost.token_expires_at


async def test_a_connection_is_lost_when_its_last_token_has_expired(expiring: Office) -> None:
    await move(expiring, timedelta(hours=3))
    claimed = await claim(expiring)
    assert claimed is not None
    async with expiring.session() as session:
        await renewing.fail(session, expiring.vault, claimed, USED_UP)
    lost = await connection(expiring)
    assert (lost.status, lost.status_reason, lost.renew_at) == ("revoked", "token_expired", None)


async def test_what_may_pass_is_tried_again(expiring: Office) -> None:
    claimed = await claim(expiring)
    assert claimed is not None
    async with expiring.session() as session:
        await renewing.fail(session, expiring.vault, claimed, ChannelUnavailable("Slack is away."))
    assert await claim(expiring) is None
    async with expiring.session() as session:
        await session.execute(update(Connection).values(renewing_until=utc_now() - timedelta(seconds=1)))
    assert await claim(expiring) is not None
    assert (await connection(expiring)).renewal_problem is None


async def test_a_workspace_that_was_connected_anew_keeps_its_new_tokens(expiring: Office) -> None:
    claimed = await claim(expiring)
    assert claimed is not None
    await connect(expiring, workspace_of(expiring, "xoxe.xoxb-new", "xoxe-new"))
    async with expiring.session() as session:
        assert not await renewing.keep(session, expiring.vault, claimed, SECOND)
        await renewing.fail(session, expiring.vault, claimed, USED_UP)
    assert await tokens(expiring) == ("xoxe.xoxb-new", "xoxe-new")
    assert (await connection(expiring)).renewal_problem is None


async def test_a_token_that_expires_early_is_renewed_at_once(office: Office) -> None:
    await connect(office, workspace_of(office))
    async with office.session() as session:
        account = await connections.open_account(session, office.vault, office.connection_id)
        assert await renewing.hasten(session, office.vault, account)
    assert await claim(office) is not None
    # Somebody who still holds the token before learns that there is a new one, and changes nothing.
    async with office.session() as session:
        await renewing.keep(session, office.vault, Claim(office.connection_id, SecretStr("xoxe-first")), SECOND)
        assert await renewing.hasten(session, office.vault, account)
    assert await claim(office) is None


async def test_a_token_that_cannot_be_renewed_is_dead(office: Office) -> None:
    async with office.session() as session:
        account = await connections.open_account(session, office.vault, office.connection_id)
        assert not await renewing.hasten(session, office.vault, account)


async def test_connecting_again_makes_a_lost_connection_good(office: Office) -> None:
    async with office.session() as session:
        await connections.mark(
            session, office.connection_id, status="uninstalled", reason="It was removed.", actor="slack"
        )
    await connect(office, workspace_of(office))
    again = await connection(office)
    assert (again.id, again.status, again.status_reason) == (office.connection_id, "active", None)


async def test_another_tenants_workspace_is_refused(office: Office, database: Database, vault: Vault) -> None:
    other = await open_office(database, vault)
    with pytest.raises(Conflict, match="already connected elsewhere"):
        await connect(office, workspace_of(office, "xoxb-theirs"), tenant_id=other.tenant_id)
    async with office.session() as session:
        account = await connections.open_account(session, office.vault, office.connection_id)
    assert account.secrets[BOT_TOKEN].get_secret_value() == office.bot_token


async def test_a_workspace_that_allows_too_little_is_refused(office: Office) -> None:
    granted = [scope for scope in SCOPES if scope not in ("im:history", "files:read", "reactions:write")]
    with pytest.raises(BadInput, match=r"Missing: files:read, im:history\."):
        await connect(office, replace(workspace_of(office), scopes=granted))
