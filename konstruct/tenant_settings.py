"""What a tenant says of itself: its name, its time zone, its models, limits, and where approvals are asked for. Pages
and manifests write the same columns, and both are held to the manifest's own rules.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated, Any, Final, TypeVar
from uuid import UUID

from pydantic import Field, ValidationError
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from konstruct import audit
from konstruct.errors import Mistakes
from konstruct.manifest import explain
from konstruct.manifest.fields import Line, ModelName, Section, TimeZone
from konstruct.manifest.sections import Approvals, Limits
from konstruct.tables import Connection, Tenant

S = TypeVar("S", bound=Section)

_NAMES_PEOPLE: Final = frozenset({"desk"})
"""Of these the trail tells that they changed, and not into what: it is kept for ever."""


class _Basics(Section):
    name: Line
    time_zone: TimeZone


class _Models(Section):
    models: Annotated[list[ModelName], Field(max_length=10)]


@dataclass(frozen=True)
class Kept:
    slug: str
    name: str
    time_zone: str
    models: list[str]
    limits: dict[str, str]
    approvals: dict[str, Any]


async def read(session: AsyncSession) -> Kept:
    """Of the session's tenant."""
    tenant = (await session.scalars(select(Tenant))).one()
    return Kept(tenant.slug, tenant.name, tenant.time_zone, tenant.models, tenant.limits, tenant.approvals)


async def locked(session: AsyncSession, tenant_id: UUID) -> Tenant:
    """So that what is read of it still holds when it is written. It is the weaker lock, which does not hold up the
    rows that are written of this tenant meanwhile."""
    return await session.get_one(Tenant, tenant_id, with_for_update={"key_share": True})


def put(session: AsyncSession, tenant: Tenant, values: Mapping[str, Any], *, actor: str) -> list[str]:
    """Sets what differs, so that nothing is written where nothing does; the names of what was set."""
    before = {name: getattr(tenant, name) for name, value in values.items() if getattr(tenant, name) != value}
    if not before:
        return []
    for name in before:
        setattr(tenant, name, values[name])
    told = [name for name in before if name not in _NAMES_PEOPLE]
    audit.record(
        session,
        tenant_id=tenant.id,
        actor=actor,
        action="tenant.changed",
        fields=list(before),
        before={name: before[name] for name in told},
        after={name: values[name] for name in told},
    )
    return list(before)


async def change_basics(session: AsyncSession, tenant_id: UUID, *, name: str, time_zone: str, actor: str) -> list[str]:
    """Raises Mistakes."""
    wanted = checked(_Basics, {"name": name, "time_zone": time_zone})
    return put(session, await locked(session, tenant_id), wanted.model_dump(), actor=actor)


async def change_models(session: AsyncSession, tenant_id: UUID, models: list[str], *, actor: str) -> list[str]:
    """Which are asked for employees that name none, the first one first. Raises Mistakes."""
    wanted = checked(_Models, {"models": models})
    if len(set(wanted.models)) < len(wanted.models):
        raise Mistakes({"models": "Name each model once."})
    return put(session, await locked(session, tenant_id), {"models": wanted.models}, actor=actor)


async def change_limits(session: AsyncSession, tenant_id: UUID, limits: Mapping[str, str], *, actor: str) -> list[str]:
    """How many messages may come in; what is left out, or empty, is as it is for everybody. Raises Mistakes."""
    wanted = checked(Limits, {name: limit for name, limit in limits.items() if limit.strip()})
    values = {"limits": wanted.model_dump(exclude_none=True)}
    return put(session, await locked(session, tenant_id), values, actor=actor)


async def change_approvals(
    session: AsyncSession, tenant_id: UUID, approvals: Mapping[str, Any], *, actor: str
) -> list[str]:
    """``approvals``: as in a manifest. Raises Mistakes."""
    wanted = checked(Approvals, approvals)
    await require_place(session, wanted.connection, wanted.channel)
    return put(session, await locked(session, tenant_id), {"approvals": wanted.content()}, actor=actor)


async def slack_connections(session: AsyncSession) -> list[str]:
    """The keys of those in whose channels people can be asked."""
    found = select(col(Connection.key)).where(col(Connection.kind) == "slack").order_by(col(Connection.key))
    return list(await session.scalars(found))


async def require_place(session: AsyncSession, connection: str | None, channel: str | None) -> None:
    """That people can be shown things there, or nowhere. Raises Mistakes."""
    if connection is not None and connection not in await slack_connections(session):
        raise Mistakes({"connection": "Choose one of your Slack workspaces."})
    if connection is not None and channel is None:
        raise Mistakes({"channel": "Enter the channel's id, or choose no workspace."})
    if channel is not None and connection is None:
        raise Mistakes({"connection": "Choose the workspace that this channel is in."})


def checked(section: type[S], data: Mapping[str, Any], *, within: Iterable[str] = ()) -> S:
    """``within``: fields that are values of their own, so that what is wrong in them is told beside them. Raises
    Mistakes, with the manifest's words made into sentences."""
    try:
        return section.model_validate(data)
    except ValidationError as error:
        mistakes: dict[str, str] = {}
        for problem in error.errors(include_url=False, include_input=False):
            loc, message = explain(problem)
            name = str(loc[0]) if loc else ""
            if name in within and len(loc) > 1:
                name = f"{name}.{loc[1]}"
            mistakes.setdefault(name, sentence(message))
    # Raised out here, so that no traceback leads to the values that were refused.
    raise Mistakes(mistakes)


def sentence(message: str) -> str:
    """Words that go on from the name of a field, as a sentence that stands beside it."""
    return f"This {message}{'' if message.endswith(('?', '.')) else '.'}"


def in_words(term: timedelta) -> str:
    """As a manifest has it: ``3 days``, ``6 hours``, ``90 minutes``."""
    for name, unit in (("day", timedelta(days=1)), ("hour", timedelta(hours=1)), ("minute", timedelta(minutes=1))):
        if term >= unit and not term % unit:
            count = term // unit
            return f"{count} {name}{'' if count == 1 else 's'}"
    return f"{max(1, term // timedelta(minutes=1))} minutes"
