"""What one tenant may try on another's settings and keys of models; ``test_crossing`` runs it."""

from collections.abc import Awaitable, Callable

from pydantic import SecretStr
from sqlalchemy import func
from sqlalchemy.exc import DBAPIError, NoResultFound
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from konstruct import deletion, price_maps, retention, tenant_settings
from konstruct.desk import editing
from konstruct.errors import Mistakes, NotFound
from konstruct.model_keys import keeping as model_keys
from konstruct.model_keys.keeping import Candidate
from konstruct.models import ModelCall, prices
from konstruct.models.published import Published
from konstruct.retention import Amount, Periods
from konstruct.settings import Settings
from konstruct.tables import Conversation, FileRemoval
from konstruct.tables.base import utc_now
from tests.support.office import Furnished

Attempt = Callable[[AsyncSession, Furnished, Furnished], Awaitable[object]]

CANDIDATE = Candidate("anthropic", SecretStr("sk-ant-canary-of-the-tenant"))
"""Which only the other tenant has: ours has a key of OpenAI's alone."""
NAMES = ["anthropic/claude-sonnet-4-6"]


async def bring_key(office: Furnished, candidate: Candidate) -> None:
    async with office.session() as session:
        await model_keys.keep(session, office.vault, office.tenant_id, candidate, actor="test")


async def _shown(session: AsyncSession, a: Furnished, b: Furnished) -> list[str]:
    return [each.provider for each in await model_keys.shown(session)]


async def _chain(session: AsyncSession, a: Furnished, b: Furnished) -> object:
    return await model_keys.chain(session, a.vault, NAMES, Settings())


async def _access(session: AsyncSession, a: Furnished, b: Furnished) -> list[str]:
    return list(await model_keys.access(session, a.vault, Settings()))


async def _note_after(session: AsyncSession, a: Furnished, b: Furnished) -> None:
    failed = ModelCall("anthropic/m", "anthropic", "m", "failed", utc_now(), "auth", is_own=True)
    model_keys.note_after(session, [failed])


async def _completed(session: AsyncSession, a: Furnished, b: Furnished) -> object:
    return (await model_keys.completed(session, a.vault, Candidate(CANDIDATE.provider, None))).api_key


async def _version(session: AsyncSession, a: Furnished, b: Furnished) -> str:
    return (await price_maps.current(session)).version


async def _newest_version(session: AsyncSession, a: Furnished, b: Furnished) -> str:
    return (await price_maps.newest(session)).version


async def _keep_prices(session: AsyncSession, a: Furnished, b: Furnished) -> None:
    await price_maps.keep(session, Published({}, {}), "a thief", utc_now())


async def note_run(office: Furnished) -> None:
    async with office.session() as session:
        await retention.begin(session, office.tenant_id)


async def _last_run(session: AsyncSession, a: Furnished, b: Furnished) -> bool:
    async with b.session() as theirs:
        other = await retention.last_run(theirs)
    return other == await retention.last_run(session)


async def _let_go(session: AsyncSession, a: Furnished, b: Furnished) -> list[bool]:
    """Of what is nobody's: all that ours has is younger."""
    return [await retention.let_go(session, b.tenant_id, Periods(3_000), kind) for kind in retention.KINDS]


async def _read(session: AsyncSession, a: Furnished, b: Furnished) -> bool:
    async with b.session() as theirs:
        other = await tenant_settings.read(theirs)
    return (await tenant_settings.read(session)).slug != other.slug


async def _connections(session: AsyncSession, a: Furnished, b: Furnished) -> bool:
    """As many as it has itself, whatever others have."""
    return len(await tenant_settings.slack_connections(session)) == 1


async def _desk(session: AsyncSession, a: Furnished, b: Furnished) -> bool:
    return "Eve" in str(await editing.load(session))


async def _put(session: AsyncSession, a: Furnished, b: Furnished) -> None:
    async with b.session() as theirs:
        tenant = await tenant_settings.locked(theirs, b.tenant_id)
    tenant_settings.put(session, tenant, {"name": "Not yours"}, actor="a")


async def _preview(session: AsyncSession, a: Furnished, b: Furnished) -> bool:
    """Of its own alone, whatever there is besides."""
    own = select(func.count()).select_from(Conversation).where(col(Conversation.tenant_id) == a.tenant_id)
    return (await deletion.preview(session)).conversations == await session.scalar(own)


async def _put_down_files(session: AsyncSession, a: Furnished, b: Furnished) -> bool:
    """Undone again: ours has files, too, that others try things on."""
    savepoint = await session.begin_nested()
    await deletion.put_down_files(session, b.tenant_id)
    theirs = select(func.count()).select_from(FileRemoval).where(col(FileRemoval.tenant_id) == b.tenant_id)
    found = bool(await session.scalar(theirs))
    await savepoint.rollback()
    return found


ON_SETTINGS: dict[str, tuple[Attempt, object]] = {
    "model_keys.keeping.shown": (_shown, ["openai"]),
    "model_keys.keeping.access": (_access, ["openai"]),
    "model_keys.keeping.chain": (_chain, []),
    "model_keys.keeping.completed": (_completed, None),
    # The deployment's: all read them, and nobody who is of a tenant changes them.
    "price_maps.current": (_version, prices.VERSION),
    "price_maps.newest": (_newest_version, prices.VERSION),
    "price_maps.stored": (lambda s, a, b: price_maps.stored(s), []),
    "price_maps.keep": (_keep_prices, DBAPIError),
    "model_keys.keeping.candidate": (lambda s, a, b: model_keys.candidate(s, a.vault, "anthropic"), NotFound),
    "model_keys.keeping.keep": (
        lambda s, a, b: model_keys.keep(s, a.vault, b.tenant_id, CANDIDATE, actor="a"),
        NoResultFound,
    ),
    "model_keys.keeping.remove": (lambda s, a, b: model_keys.remove(s, "anthropic", actor="a"), NotFound),
    "model_keys.keeping.note_tested": (
        lambda s, a, b: model_keys.note_tested(s, "anthropic", "It is not yours.", actor="a"),
        NotFound,
    ),
    "model_keys.keeping.note_after": (_note_after, None),
    "tenant_settings.read": (_read, True),
    "tenant_settings.locked": (lambda s, a, b: tenant_settings.locked(s, b.tenant_id), NoResultFound),
    "tenant_settings.put": (_put, ValueError),
    "tenant_settings.change_basics": (
        lambda s, a, b: tenant_settings.change_basics(s, b.tenant_id, name="Not yours", time_zone="UTC", actor="a"),
        NoResultFound,
    ),
    "tenant_settings.change_models": (
        lambda s, a, b: tenant_settings.change_models(s, b.tenant_id, [], actor="a"),
        NoResultFound,
    ),
    "tenant_settings.change_limits": (
        lambda s, a, b: tenant_settings.change_limits(s, b.tenant_id, {}, actor="a"),
        NoResultFound,
    ),
    "tenant_settings.change_approvals": (
        lambda s, a, b: tenant_settings.change_approvals(s, b.tenant_id, {}, actor="a"),
        NoResultFound,
    ),
    "tenant_settings.slack_connections": (_connections, True),
    "tenant_settings.require_place": (
        lambda s, a, b: tenant_settings.require_place(s, f"{b.account}-key", "C024BE91L"),
        Mistakes,
    ),
    "desk.editing.load": (_desk, False),
    "desk.editing.put_person": (
        lambda s, a, b: editing.put_person(s, b.tenant_id, None, {"name": "Eve"}, actor="a"),
        NoResultFound,
    ),
    "desk.editing.remove_person": (
        lambda s, a, b: editing.remove_person(s, b.tenant_id, "grace", actor="a"),
        NoResultFound,
    ),
    "desk.editing.put_group": (
        lambda s, a, b: editing.put_group(s, b.tenant_id, None, {"people": ["grace"]}, name="Mine", actor="a"),
        NoResultFound,
    ),
    "desk.editing.remove_group": (
        lambda s, a, b: editing.remove_group(s, b.tenant_id, "front", actor="a"),
        NoResultFound,
    ),
    "desk.editing.put_place": (
        lambda s, a, b: editing.put_place(s, b.tenant_id, None, None, actor="a"),
        NoResultFound,
    ),
    "deletion.preview": (_preview, True),
    "deletion.begin": (lambda s, a, b: deletion.begin(s, b.tenant_id, actor="a"), NoResultFound),
    "deletion.put_down_files": (_put_down_files, False),
    "deletion.clear": (lambda s, a, b: deletion.clear(s, b.tenant_id), NoResultFound),
    "retention.settings": (lambda s, a, b: retention.settings(s), Periods()),
    "retention.last_run": (_last_run, False),
    "retention.change": (lambda s, a, b: retention.change(s, b.tenant_id, Periods(1), actor="a"), NoResultFound),
    "retention.preview": (lambda s, a, b: retention.preview(s, Periods(3_000)), Amount()),
    "retention.begin": (lambda s, a, b: retention.begin(s, b.tenant_id), DBAPIError),
    "retention.end": (lambda s, a, b: retention.end(s, b.tenant_id), NoResultFound),
    "retention.let_go": (_let_go, [False, False, False]),
}
