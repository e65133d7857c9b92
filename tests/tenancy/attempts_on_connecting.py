"""What one tenant may try on another's channels, and on what is under way to connect them; the test beside runs it."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from uuid import UUID, uuid4

from pydantic import SecretStr
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncSession

from konstruct import connections
from konstruct.connecting import (
    disconnecting,
    drafts,
    overview,
    renewing,
    serving,
    slack_attempts,
    slack_workspaces,
)
from konstruct.connecting.drafts import Draft
from konstruct.connecting.renewing import Claim, Renewed
from konstruct.connecting.slack_app import SCOPES
from konstruct.connecting.slack_attempts import Who
from konstruct.connecting.slack_workspaces import Workspace
from konstruct.errors import BadInput, ChannelRefused, Conflict, NotFound
from konstruct.identity import ConnectionId
from konstruct.tables import Connection
from tests.support.office import Furnished

Attempt = Callable[[AsyncSession, Furnished, Furnished], Awaitable[object]]

SOMEBODY = Who(UUID(int=1), UUID(int=2))
STOLEN = SecretStr("xoxb-stolen")
REFUSED = ChannelRefused("It is over.", "invalid_refresh_token")
RENEWED = Renewed(STOLEN, STOLEN, timedelta(hours=12))


async def begin_to_connect(office: Furnished) -> None:
    """Somebody is on their way to Slack, and has half filled in the form for WhatsApp."""
    async with office.session() as session:
        await slack_attempts.begin(
            session, office.tenant_id, SOMEBODY, employee_id=office.employee_id, redirect_uri="https://k.example/cb"
        )
        draft = Draft({"waba_id": "1"}, {"access_token": SecretStr("canary")})
        await drafts.keep(session, office.vault, office.tenant_id, SOMEBODY.user_id, draft)


async def _begin(session: AsyncSession, a: Furnished, b: Furnished) -> object:
    return await slack_attempts.begin(
        session, b.tenant_id, SOMEBODY, employee_id=b.employee_id, redirect_uri="https://k.example/cb"
    )


async def _begin_for_their_employee(session: AsyncSession, a: Furnished, b: Furnished) -> None:
    await slack_attempts.begin(
        session, a.tenant_id, SOMEBODY, employee_id=b.employee_id, redirect_uri="https://k.example/cb"
    )
    await session.flush()


async def _use(session: AsyncSession, a: Furnished, b: Furnished) -> object:
    async with b.session() as theirs:
        begun = await slack_attempts.begin(
            theirs, b.tenant_id, SOMEBODY, employee_id=b.employee_id, redirect_uri="https://k.example/cb"
        )
        await theirs.flush()
        try:
            return await slack_attempts.use(session, begun.state, SOMEBODY, begun.in_hand)
        finally:
            # It was there to be found, and must not be there afterwards.
            await theirs.rollback()


async def _connect(session: AsyncSession, a: Furnished, b: Furnished) -> object:
    theirs = Workspace(b.account[2:], None, "Theirs", {}, SCOPES, STOLEN)
    return await slack_workspaces.connect(session, a.vault, a.tenant_id, theirs, employee_key="ada", actor="a")


async def _hasten(session: AsyncSession, a: Furnished, b: Furnished) -> object:
    async with b.session() as theirs:
        account = await connections.open_account(theirs, b.vault, b.connection_id)
    return await renewing.hasten(session, a.vault, account)


async def _claim_account(session: AsyncSession, a: Furnished, b: Furnished) -> None:
    async with b.session() as theirs:
        connection = await theirs.get_one(Connection, (b.tenant_id, b.connection_id))
    connections.note_expiry(connection, timedelta(hours=1))
    await session.flush()


async def _serve_by_their_employee(session: AsyncSession, a: Furnished, b: Furnished) -> None:
    await serving.serve(session, a.connection_id, b.employee_id, actor="a")


ON_CONNECTING: dict[str, tuple[Attempt, object]] = {
    "connections.locked": (lambda s, a, b: connections.locked(s, b.connection_id), NotFound),
    "connections.note_event": (lambda s, a, b: connections.note_event(s, b.connection_id), None),
    "connections.note_expiry": (_claim_account, None),
    "connecting.slack_attempts.begin": (_begin, ValueError),
    "connecting.slack_attempts.begin for an employee of b": (_begin_for_their_employee, DBAPIError),
    "connecting.slack_attempts.use": (_use, BadInput),
    "connecting.slack_workspaces.connect": (_connect, Conflict),
    "connecting.renewing.claim": (lambda s, a, b: renewing.claim(s, a.vault, b.connection_id), NotFound),
    "connecting.renewing.keep": (
        lambda s, a, b: renewing.keep(s, a.vault, Claim(b.connection_id, STOLEN), RENEWED),
        NotFound,
    ),
    "connecting.renewing.fail": (
        lambda s, a, b: renewing.fail(s, a.vault, Claim(b.connection_id, STOLEN), REFUSED),
        NotFound,
    ),
    "connecting.renewing.hasten": (_hasten, NotFound),
    "connecting.disconnecting.disconnect": (
        lambda s, a, b: disconnecting.disconnect(s, b.connection_id, actor="a"),
        NotFound,
    ),
    "connecting.serving.serve": (
        lambda s, a, b: serving.serve(s, b.connection_id, a.employee_id, actor="a"),
        NotFound,
    ),
    "connecting.serving.serve by an employee of b": (_serve_by_their_employee, NotFound),
    "connecting.serving.bind": (
        lambda s, a, b: serving.bind(s, b.connection_id, "C0123456", a.employee_id, actor="a"),
        NotFound,
    ),
    "connecting.serving.unbind": (
        lambda s, a, b: serving.unbind(s, b.connection_id, "C9", actor="a"),
        NotFound,
    ),
    "connecting.serving.describe": (
        lambda s, a, b: serving.describe(s, b.connection_id, ["x"], actor="a"),
        NotFound,
    ),
    "connecting.drafts.read": (
        lambda s, a, b: drafts.read(s, a.vault, b.tenant_id, uuid4()),
        Draft(),
    ),
    "connecting.drafts.keep": (
        lambda s, a, b: drafts.keep(s, a.vault, b.tenant_id, SOMEBODY.user_id, Draft({"waba_id": "2"})),
        DBAPIError,
    ),
    "connecting.drafts.drop": (lambda s, a, b: drafts.drop(s, uuid4()), None),
    "connecting.overview.one": (lambda s, a, b: overview.one(s, b.connection_id), NotFound),
    "connecting.overview.every": (lambda s, a, b: _seen(s, b), set()),
    "connecting.overview.employees": (lambda s, a, b: _employees(s, b), set()),
}


async def _seen(session: AsyncSession, b: Furnished) -> set[ConnectionId]:
    return {seen.connection_id for seen in await overview.every(session)} & {b.connection_id}


async def _employees(session: AsyncSession, b: Furnished) -> set[UUID]:
    return {served.employee_id for served in await overview.employees(session)} & {b.employee_id}
