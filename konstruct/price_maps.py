"""The price maps that the deployment has stored, of which the newest counts; the packaged one until there is any.

Each process looks whether there is a newer one every half minute at most, when it needs one anyway.
"""

import hashlib
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any, Final
from weakref import WeakKeyDictionary

from sqlalchemy.engine import Connection, Engine
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from konstruct.models.prices import PACKAGED, PAID, Model, PriceMap
from konstruct.models.published import Published
from konstruct.tables import PriceMap as StoredMap

LOOKED_FOR_EVERY: Final = 30.0
"""Seconds."""
FAR_OFF: Final = 10
"""A price that changes by more than so many times is a mistake of somebody's until it is looked at."""

_NEWEST = (
    select(col(StoredMap.version)).order_by(col(StoredMap.stored_at).desc(), col(StoredMap.version).desc()).limit(1)
)


@dataclass
class _Known:
    map: PriceMap
    looked_at: float


_known: WeakKeyDictionary[Engine | Connection, _Known] = WeakKeyDictionary()


async def current(session: AsyncSession, clock: Callable[[], float] = time.monotonic) -> PriceMap:
    """As of half a minute ago at most."""
    known = _known.get(session.get_bind())
    if known is None or clock() - known.looked_at >= LOOKED_FOR_EVERY:
        held = known.map if known is not None else PACKAGED
        known = _known[session.get_bind()] = _Known(await _newest(session, held), clock())
    return known.map


async def newest(session: AsyncSession) -> PriceMap:
    """As of now."""
    return await _newest(session, PACKAGED)


async def stored(session: AsyncSession) -> list[tuple[str, str, datetime]]:
    """Version, source and when it was stored, the newest first."""
    query = select(col(StoredMap.version), col(StoredMap.source), col(StoredMap.stored_at))
    rows = await session.execute(query.order_by(col(StoredMap.stored_at).desc()))
    return [(row.version, row.source, row.stored_at) for row in rows]


async def _newest(session: AsyncSession, held: PriceMap) -> PriceMap:
    version = await session.scalar(_NEWEST)
    if version is None:
        return PACKAGED
    if version == held.version:
        return held
    return _loaded(await session.get_one(StoredMap, version))


@dataclass(frozen=True)
class Difference:
    """Of what is to be, from what counts."""

    added: list[str] = field(default_factory=list)
    changed: list[tuple[str, str, str]] = field(default_factory=list)
    """What, before, and from then on."""
    dropped: list[str] = field(default_factory=list)
    """What would have no price any more."""
    far_off: list[str] = field(default_factory=list)
    """What changes by more than it can have."""

    @property
    def is_nothing(self) -> bool:
        return not (self.added or self.changed or self.dropped)

    @property
    def is_suspect(self) -> bool:
        return bool(self.dropped or self.far_off)


def compare(before: PriceMap, after: PriceMap) -> Difference:
    """By what is charged for each model that either of them has."""
    found = Difference()
    old, new = _all(before), _all(after)
    for name in sorted(old.keys() | new.keys()):
        was, is_ = _of(before, name) or old.get(name), _of(after, name) or new.get(name)
        if is_ is None:
            found.dropped.append(name)
        elif was is None:
            found.added.append(name)
        elif was != is_:
            found.changed.append((name, _told(was), _told(is_)))
            if any(_is_far(*pair) for pair in zip(was, is_, strict=True)):
                found.far_off.append(name)
    return found


async def keep(session: AsyncSession, published: Published, source: str, now: datetime) -> PriceMap:
    """From then on it counts, and every process knows it within a minute."""
    content = _dumped(published)
    digest = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
    version = f"{now:%Y-%m-%d.%H%M%S}-{digest[:8]}"
    session.add(StoredMap(version=version, source=source, content=content, stored_at=now))
    await session.flush()
    return published.called(version)


def _all(known: PriceMap) -> dict[str, tuple[Decimal, ...]]:
    chat = {
        f"{provider}/{name}": (model.input, model.output, model.cached)
        for provider in PAID
        for name, model in known.models.get(provider, {}).items()
    }
    return chat | {f"openai/{name} (speech)": (minute,) for name, minute in known.speech.items()}


def _of(known: PriceMap, name: str) -> tuple[Decimal, ...] | None:
    """One that is pinned by date is not new, or gone, while its model is there."""
    provider, _, model = name.partition("/")
    listed = known.listed(provider, model)
    return (listed.input, listed.output, listed.cached) if listed is not None else None


def _told(prices: tuple[Decimal, ...]) -> str:
    return "/".join(f"{price.normalize():f}" for price in prices)


def _is_far(before: Decimal, after: Decimal) -> bool:
    return after > before * FAR_OFF or before > after * FAR_OFF


def _dumped(published: Published) -> dict[str, Any]:
    models = {
        provider: {
            name: {
                **{field: str(getattr(model, field)) for field in ("input", "output", "cached")},
                **{field: getattr(model, field) for field in ("window", "max_output", "sees")},
            }
            for name, model in known.items()
        }
        for provider, known in published.models.items()
    }
    return {"models": models, "speech": {name: str(minute) for name, minute in published.speech.items()}}


def _loaded(row: StoredMap) -> PriceMap:
    models: Mapping[str, Mapping[str, Any]] = row.content["models"]
    return PriceMap(
        row.version,
        {provider: {name: _model(each) for name, each in known.items()} for provider, known in models.items()},
        {name: Decimal(minute) for name, minute in row.content["speech"].items()},
    )


def _model(kept: Mapping[str, Any]) -> Model:
    read, written, cached = (Decimal(kept[field]) for field in ("input", "output", "cached"))
    return Model(kept["window"], kept["max_output"], read, written, cached, sees=kept["sees"])
