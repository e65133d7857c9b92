"""What one tenant may try on another's settings and keys of models; ``test_crossing`` runs it."""

from collections.abc import Awaitable, Callable

from pydantic import SecretStr
from sqlalchemy.exc import DBAPIError, NoResultFound
from sqlalchemy.ext.asyncio import AsyncSession

from konstruct import retention
from konstruct.errors import NotFound
from konstruct.model_keys import keeping as model_keys
from konstruct.model_keys.keeping import Candidate
from konstruct.models import ModelCall
from konstruct.retention import Amount, Periods
from konstruct.settings import Settings
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


ON_SETTINGS: dict[str, tuple[Attempt, object]] = {
    "model_keys.keeping.shown": (_shown, ["openai"]),
    "model_keys.keeping.access": (_access, ["openai"]),
    "model_keys.keeping.chain": (_chain, []),
    "model_keys.keeping.candidate": (lambda s, a, b: model_keys.candidate(s, a.vault, "anthropic"), NotFound),
    "model_keys.keeping.keep": (
        lambda s, a, b: model_keys.keep(s, a.vault, b.tenant_id, CANDIDATE, actor="a"),
        ValueError,
    ),
    "model_keys.keeping.remove": (lambda s, a, b: model_keys.remove(s, "anthropic", actor="a"), NotFound),
    "model_keys.keeping.note_tested": (
        lambda s, a, b: model_keys.note_tested(s, "anthropic", "It is not yours.", actor="a"),
        NotFound,
    ),
    "model_keys.keeping.note_after": (_note_after, None),
    "retention.settings": (lambda s, a, b: retention.settings(s), Periods()),
    "retention.last_run": (_last_run, False),
    "retention.change": (lambda s, a, b: retention.change(s, b.tenant_id, Periods(1), actor="a"), NoResultFound),
    "retention.preview": (lambda s, a, b: retention.preview(s, Periods(3_000)), Amount()),
    "retention.begin": (lambda s, a, b: retention.begin(s, b.tenant_id), DBAPIError),
    "retention.end": (lambda s, a, b: retention.end(s, b.tenant_id), NoResultFound),
    "retention.let_go": (_let_go, [False, False, False]),
}
