"""What models cost: one row and one audit event for each call that was made, whatever became of it."""

from collections.abc import Sequence
from decimal import Decimal
from uuid import UUID

from sqlalchemy import func
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from konstruct import audit
from konstruct.billing import metering
from konstruct.budgets import holding
from konstruct.employees import REHEARSED
from konstruct.model_keys import keeping as model_keys
from konstruct.models import ModelCall
from konstruct.tables import EmployeeVersion, Usage


def record(
    session: AsyncSession,
    employee: EmployeeVersion,
    conversation_id: UUID,
    turn_id: UUID,
    calls: Sequence[ModelCall],
    purpose: str = "reply",
) -> None:
    made = [call for call in calls if call.outcome != "skipped"]
    rows = [
        Usage(
            id=call.call_id,
            tenant_id=employee.tenant_id,
            conversation_id=conversation_id,
            employee_id=employee.employee_id,
            turn_id=turn_id,
            provider=call.provider,
            model=call.model,
            input_tokens=call.tokens.input,
            output_tokens=call.tokens.output,
            cached_tokens=call.tokens.cached,
            estimated=call.estimated,
            cost=call.cost,
            latency_ms=call.latency_ms,
            first_token_ms=call.first_token_ms,
            outcome=call.outcome,
            purpose=purpose,
            error=call.error_kind,
            is_rehearsal=employee.number == REHEARSED,
            key_of="tenant" if call.is_own else "deployment",
            price_version=call.price_version,
            is_price_assumed=call.is_price_assumed,
            created_at=call.started_at,
        )
        for call in made
    ]
    session.add_all(rows)
    metering.put_down(session, rows)
    for call in made:
        audit.record(
            session,
            tenant_id=employee.tenant_id,
            conversation_id=conversation_id,
            actor="employee",
            action="model.called",
            turn_id=turn_id,
            purpose=purpose,
            employee_version=employee.number,
            link=call.link_name,
            provider=call.provider,
            model=call.model,
            outcome=call.outcome,
            error=call.error_kind,
            input_tokens=call.tokens.input,
            output_tokens=call.tokens.output,
            cached_tokens=call.tokens.cached,
            estimated=call.estimated,
            cost=call.cost,
            latency_ms=call.latency_ms,
            key_of="tenant" if call.is_own else "deployment",
        )
    holding.settle(session, employee.tenant_id, employee.employee_id, made)
    model_keys.note_after(session, made)


async def spent(session: AsyncSession, turn_id: UUID) -> Decimal:
    """US dollars that a turn's calls have cost so far, as far as prices are known."""
    total = await session.scalar(select(func.sum(col(Usage.cost))).where(col(Usage.turn_id) == turn_id))
    return total or Decimal(0)
