"""The plans of a deployment as a file: shown as one, and replaced by one."""

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from pydantic import ValidationError
from ruamel.yaml import YAML
from sqlalchemy import delete
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from konstruct import manifest, tenants
from konstruct.billing import plans
from konstruct.billing.plans import FREE, Plan
from konstruct.db import Database
from konstruct.documents import Document, Loc
from konstruct.errors import BadInput, Conflict
from konstruct.tables import BillingAccount, PlanRow
from konstruct.tables.base import utc_now

_MOST_SOLD: Final = 10
"""Stripe's portal lets customers choose among so many."""
_LONGEST_NAME: Final = 60


def shown(offered: list[Plan]) -> str:
    """As YAML that ``read`` takes."""
    content: dict[str, Any] = {}
    for plan in offered:
        found = plan.model_dump(mode="json", exclude={"key"})
        found["features"] = sorted(found["features"])
        found["prices"] = {every: found["prices"][every] for every in plans.EVERY if every in found["prices"]}
        content[plan.key] = found
    out = io.StringIO()
    yaml = YAML()
    yaml.default_flow_style = False
    yaml.width = 4_096
    yaml.dump({"plans": content}, out)
    return out.getvalue()


def read(path: Path) -> list[Plan]:
    """Raises BadInput with one line for each thing that is wrong."""
    document = Document(manifest.text_of(path), str(path))
    given = document.data.get("plans")
    for name in document.data:
        if name != "plans":
            document.complain((name,), "unknown field")
    if not isinstance(given, dict):
        raise BadInput(document.sentence((), "needs `plans`, which hold each plan under its key"))
    found = [plan for key, content in given.items() if (plan := _plan(document, str(key), content)) is not None]
    _check_together(document, found)
    if document.has_problems:
        raise BadInput(document.report())
    return found


def _plan(document: Document, key: str, content: Any) -> Plan | None:
    place = ("plans", key)
    if not plans.KEY.fullmatch(key):
        document.complain(place, "must be up to 32 lower-case letters, digits, hyphens and underscores, a letter first")
    if not isinstance(content, dict):
        document.complain(place, "must hold names and values")
        return None
    if "key" in content:
        document.complain((*place, "key"), "unknown field")
        return None
    try:
        return Plan.model_validate({"key": key, **content})
    except ValidationError as error:
        for problem in error.errors(include_url=False, include_input=False):
            what = "unknown field" if problem["type"] == "extra_forbidden" else manifest.explain(problem)[1]
            document.complain((*place, *problem["loc"]), what)
    return None


def _check_together(document: Document, offered: list[Plan]) -> None:
    free = next((plan for plan in offered if plan.key == FREE), None)
    if free is None:
        document.complain(("plans", FREE), "is missing: it is the plan of those who pay for none")
    elif free.prices or free.metered:
        document.complain(("plans", FREE), "has a price, and is the plan of those who pay for none")
    if sum(bool(plan.prices) for plan in offered) > _MOST_SOLD:
        document.complain(
            ("plans",), f"has more than {_MOST_SOLD} plans with a price, which Stripe's portal cannot offer"
        )
    seen: set[str] = set()
    for plan in offered:
        _check_alone(document, plan)
        for place, key in _lookup_keys(plan):
            if key in seen:
                document.complain(("plans", plan.key, *place), "is the lookup_key of another price, too")
            seen.add(key)


def _check_alone(document: Document, plan: Plan) -> None:
    if plan.metered and not plan.prices:
        document.complain(("plans", plan.key, "metered"), "goes with a price, and there is none")
    if plan.on_request and plan.prices:
        document.complain(("plans", plan.key, "on_request"), "is for plans without a price")
    if not 0 < len(plan.name.strip()) <= _LONGEST_NAME:
        document.complain(("plans", plan.key, "name"), f"must have 1 to {_LONGEST_NAME} characters")


def _lookup_keys(plan: Plan) -> Iterator[tuple[Loc, str]]:
    for every, price in plan.prices.items():
        yield ("prices", every, "lookup_key"), price.lookup_key
    if plan.metered is not None:
        yield ("metered", "lookup_key"), plan.metered.lookup_key


async def replace(database: Database, offered: list[Plan]) -> None:
    """For all businesses, at once. Raises Conflict where somebody has a plan that is no longer there."""
    kept = {plan.key for plan in offered}
    for slug, tenant_id in (await tenants.every(database)).items():
        async with database.tenant_session(tenant_id) as session:
            account = (await session.scalars(select(BillingAccount))).one_or_none()
        for key in (account.plan, account.next_plan) if account else ():
            if key is not None and key not in kept:
                raise Conflict(f"The plan {key} is still that of {slug}: keep it in the file, such as without prices.")
    async with database.system_session() as session:
        await _write(session, offered)


async def _write(session: AsyncSession, offered: list[Plan]) -> None:
    await session.execute(delete(PlanRow).where(col(PlanRow.key).not_in([plan.key for plan in offered])))
    for position, plan in enumerate(offered, 1):
        row = {
            "position": position,
            "name": plan.name,
            "content": plan.model_dump(mode="json", exclude={"key", "name"}),
            "stored_at": utc_now(),
        }
        statement = insert(PlanRow).values(key=plan.key, **row)
        await session.execute(statement.on_conflict_do_update(index_elements=["key"], set_=row))
