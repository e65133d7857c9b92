"""The rows of tenants' own model keys, the chains of models that are made with them, and what is known of each."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final, Literal
from uuid import UUID

from pydantic import SecretStr
from sqlalchemy import delete, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from konstruct import audit, models, ports, price_maps
from konstruct.billing import enforcing
from konstruct.db import before_commit
from konstruct.errors import NotFound
from konstruct.identity import new_id
from konstruct.models import Access, ModelCall
from konstruct.models.links import NO_KEY
from konstruct.settings import Settings
from konstruct.tables import ModelKey, Tenant
from konstruct.tables.base import utc_now
from konstruct.vault import Vault

Provider = Literal["anthropic", "openai", "ollama"]
"""Of which a tenant may have access of its own."""

PURPOSE: Final = "model key"
_REFUSED: Final = (
    "The provider refused it when an employee asked a model: it was revoked, or its account has no credit left."
)
# Read for every turn, and so built once.
_ALL: Final = select(ModelKey)
_SHOWN_OF: Final = 12
"""Of a key that is shorter than this, no part is shown."""


@dataclass(frozen=True)
class Candidate:
    """Access that somebody typed in. Never logged."""

    provider: Provider
    api_key: SecretStr | None = field(repr=False)
    base_url: str | None = None
    """None: where the deployment asks this provider."""
    falls_back: bool = False
    """Whether the deployment's is asked where the provider refuses this one."""


def typed(provider: Provider, api_key: str, base_url: str, *, falls_back: bool = False) -> Candidate:
    """As somebody gave it."""
    # Anthropic is asked at one address alone.
    address = base_url.strip().rstrip("/") or None if provider != "anthropic" else None
    return Candidate(provider, SecretStr(api_key.strip()) if api_key.strip() else None, address, falls_back)


async def completed(session: AsyncSession, vault: Vault, given: Candidate) -> Candidate:
    """With the key that is kept where none was typed: somebody means to change how it is used. Never for an address
    other than the one it was kept for."""
    if given.api_key is not None:
        return given
    row = await session.scalar(select(ModelKey).where(col(ModelKey.provider) == given.provider))
    if row is None or row.base_url != given.base_url:
        return given
    return replace(given, api_key=await _opened(session, vault, row))


@dataclass(frozen=True)
class Shown:
    """What is shown of a tenant's own access."""

    provider: Provider
    base_url: str | None
    last_four: str | None
    fingerprint: str | None
    created_by: str
    """An actor of the audit trail."""
    created_at: datetime
    tested_at: datetime
    refused_at: datetime | None
    refused_why: str | None
    falls_back: bool


async def shown(session: AsyncSession) -> list[Shown]:
    """Of the session's tenant, by providers."""
    rows = await session.scalars(select(ModelKey).order_by(col(ModelKey.provider)))
    names = Shown.__dataclass_fields__
    return [Shown(**{name: getattr(row, name) for name in names}) for row in rows]


async def access(session: AsyncSession, vault: Vault, settings: Settings) -> dict[str, Access]:
    """The session's tenant's own, by providers."""
    usual = {"anthropic": settings.anthropic_base_url, "openai": settings.openai_base_url}
    found: dict[str, Access] = {}
    for row in await session.scalars(_ALL):
        found[row.provider] = Access(
            row.base_url or usual[row.provider],
            await _opened(session, vault, row) or NO_KEY,
            is_own=True,
            is_guarded=row.base_url is not None,
            falls_back=row.falls_back,
            is_refused=row.refused_at is not None,
        )
    return found


async def chain(session: AsyncSession, vault: Vault, names: Sequence[str], settings: Settings) -> list[ports.ModelLink]:
    """``models.chain`` with what the session's tenant has of its own, at today's prices. Raises as it does."""
    own = await access(session, vault, settings)
    return models.chain(names, settings, own, await price_maps.current(session))


async def candidate(session: AsyncSession, vault: Vault, provider: Provider) -> Candidate:
    """What is kept, to be tried once more. Raises NotFound when there is none."""
    row = await _row(session, provider)
    return Candidate(provider, await _opened(session, vault, row), row.base_url, row.falls_back)


async def keep(session: AsyncSession, vault: Vault, tenant_id: UUID, tried: Candidate, *, actor: str) -> None:
    """In the place of what was there. It was found to work just now: what does not is never kept. Raises OverPlan."""
    # Two people may be at it; the later one replaces what the other has kept.
    await session.get_one(Tenant, tenant_id, with_for_update={"key_share": True})
    await enforcing.require_feature(session, "own_keys")
    before = await session.scalar(
        delete(ModelKey).where(col(ModelKey.provider) == tried.provider).returning(col(ModelKey.fingerprint))
    )
    row = ModelKey(tenant_id=tenant_id, id=new_id(), provider=tried.provider, base_url=tried.base_url, created_by=actor)
    row.falls_back = tried.falls_back
    if tried.api_key is not None:
        secret = tried.api_key.get_secret_value()
        row.sealed = await vault.seal(session, tenant_id, PURPOSE, row.id, {"api_key": tried.api_key})
        row.last_four = secret[-4:] if len(secret) >= _SHOWN_OF else None
        row.fingerprint = (await vault.digest(session, tenant_id, PURPOSE, secret)).hex()[:16]
    session.add(row)
    audit.record(
        session,
        tenant_id=tenant_id,
        actor=actor,
        action="model_key.replaced" if before else "model_key.added",
        provider=tried.provider,
        base_url=tried.base_url,
        fingerprint=row.fingerprint,
        before=before,
        falls_back=row.falls_back,
    )


async def remove(session: AsyncSession, provider: Provider, *, actor: str) -> None:
    """From then on the deployment's is used again, if it has any. Raises NotFound when there is none."""
    row = await _row(session, provider)
    await session.delete(row)
    audit.record(
        session,
        tenant_id=row.tenant_id,
        actor=actor,
        action="model_key.removed",
        provider=provider,
        fingerprint=row.fingerprint,
    )


async def note_tested(session: AsyncSession, provider: Provider, refused_why: str | None, *, actor: str) -> None:
    """``refused_why``: a sentence; None where it works. Raises NotFound when it was removed meanwhile."""
    row = await _row(session, provider)
    if refused_why is None:
        row.tested_at, row.refused_at, row.refused_why = utc_now(), None, None
    else:
        row.refused_at, row.refused_why = utc_now(), refused_why
    audit.record(
        session,
        tenant_id=row.tenant_id,
        actor=actor,
        action="model_key.tested",
        provider=provider,
        fingerprint=row.fingerprint,
        works=refused_why is None,
    )


def note_after(session: AsyncSession, calls: Sequence[ModelCall]) -> None:
    """What calls of employees tell of the tenant's own keys: which of them the provider does not take any more."""
    own = [call for call in calls if call.is_own]
    refused = {call.provider for call in own if call.error_kind == "auth"}
    taken = {call.provider for call in own if call.outcome == "ok"} - refused
    if not (refused or taken):
        return

    async def note(session: AsyncSession) -> None:
        if refused:
            await session.execute(
                update(ModelKey)
                .where(col(ModelKey.provider).in_(refused))
                .values(refused_at=utc_now(), refused_why=_REFUSED)
            )
        if taken:
            await session.execute(
                update(ModelKey)
                .where(col(ModelKey.provider).in_(taken), col(ModelKey.refused_at).is_not(None))
                .values(refused_at=None, refused_why=None)
            )

    before_commit(session, note)


async def _opened(session: AsyncSession, vault: Vault, row: ModelKey) -> SecretStr | None:
    """None: it has none, as a server of Ollama."""
    if row.sealed is None:
        return None
    return (await vault.open(session, row.tenant_id, PURPOSE, row.id, row.sealed))["api_key"]


async def _row(session: AsyncSession, provider: Provider) -> ModelKey:
    row = await session.scalar(select(ModelKey).where(col(ModelKey.provider) == provider).with_for_update())
    if row is None:
        raise NotFound("There is no key of your own for this provider any more.")
    return row
