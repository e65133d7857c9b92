"""What the reports of the rich business show: six weeks of model calls, budgets of which one is nearly used up."""

import random
from datetime import timedelta
from decimal import ROUND_UP, Decimal
from typing import Final
from uuid import UUID

from konstruct.budgets import alerts
from konstruct.budgets import terms as budgets
from konstruct.identity import new_id
from konstruct.tables import Conversation, Employee, Rating, Usage
from konstruct.tables.base import utc_now
from tests.support.members import Enrolled
from tests.support.office import Office

DAYS: Final = 45
_MODELS: Final = (
    ("anthropic", "claude-sonnet-4-6", Decimal("0.0123456789")),
    ("openai", "gpt-5.4", Decimal("0.0061")),
    ("ollama", "llama3.2", Decimal(0)),
    ("openai", "gpt-of-tomorrow", None),
    ("openai", "gpt-of-next-week", Decimal("0.0305")),
)
_PURPOSES: Final = ("reply", "reply", "reply", "judge", "facts", "summary", "packet")


async def furnish_reports(office: Office, owner: Enrolled, whole: UUID) -> None:
    """``whole``: a conversation whose story is told to its end already."""
    talks = [each for each in await office.rows(Conversation) if not each.is_rehearsal and each.id != whole]
    employees = {each.key: each.id for each in await office.rows(Employee)}
    chance, now = random.Random(7), utc_now()
    async with office.session() as session:
        for back in range(DAYS):
            for _ in range(chance.randint(2, 9)):
                earlier, who = chance.randint(0, 600), chance.choice(list(employees.values()))
                provider, model, price = chance.choices(_MODELS, (8, 5, 2, 0.2, 0.3))[0]
                size = chance.randint(1, 60)
                session.add(
                    Usage(
                        tenant_id=office.tenant_id,
                        conversation_id=chance.choice(talks).id,
                        employee_id=who if back else employees["ada"],
                        turn_id=new_id(),
                        provider=provider,
                        model=model,
                        input_tokens=size * 900,
                        output_tokens=size * 40,
                        cached_tokens=size * 300,
                        cost=None if price is None else price * size,
                        is_price_assumed=model == "gpt-of-next-week",
                        latency_ms=900,
                        outcome=chance.choices(("ok", "failed"), (30, 1))[0],
                        purpose=chance.choice(_PURPOSES),
                        key_of=chance.choice(("deployment", "tenant")),
                        price_version=None if provider == "ollama" or price is None else "2026-11-20",
                        # Ada has called some today, just now: so this month has costs of hers even in its first hours.
                        created_at=now - timedelta(days=back, minutes=earlier if back else 0),
                    )
                )
        for talk, score in zip(talks, (5, 4, None), strict=False):
            session.add(
                Rating(
                    tenant_id=office.tenant_id,
                    conversation_id=talk.id,
                    contact_id=talk.contact_id,
                    employee_id=talk.employee_id,
                    score=score,
                    answered_at=now if score else None,
                )
            )
    async with office.session() as session:
        stands = await budgets.month(session, now)
        ada = next(each for each in stands.employees if each.key == "ada")
        # Nearly used up, and more than half, whatever day of the month it is.
        wanted = {
            budgets.BUSINESS: _of_which(stands.business.spent, Decimal("0.9")),
            "employees.ada": _of_which(ada.spent, Decimal("0.6")),
        }
        await budgets.change(session, office.tenant_id, wanted, actor=owner.actor)
        await alerts.look(session, now)


def _of_which(spent: Decimal, share: Decimal) -> str:
    return str((spent / share).quantize(Decimal("0.01"), ROUND_UP))
