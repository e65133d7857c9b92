"""Rows of the ledger as they are written when models are asked, with what each cost and when."""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from konstruct.identity import new_id
from konstruct.tables import Usage
from tests.support.office import Office


def a_call(office: Office, conversation_id: UUID, at: datetime, cost: str | None, **more: Any) -> Usage:
    values: Mapping[str, Any] = {
        "employee_id": office.employee_id,
        "turn_id": new_id(),
        "provider": "anthropic",
        "model": "claude-sonnet-4-6",
        "input_tokens": 100,
        "output_tokens": 20,
        "cached_tokens": 10,
        "latency_ms": 900,
        "outcome": "ok",
        **more,
    }
    return Usage(
        tenant_id=office.tenant_id,
        conversation_id=conversation_id,
        cost=Decimal(cost) if cost is not None else None,
        created_at=at,
        **values,
    )


async def write_down(office: Office, *rows: Usage) -> None:
    async with office.session() as session:
        session.add_all(rows)
