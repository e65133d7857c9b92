"""What employees wait to be allowed: shown whole, decided once, on exactly what was shown."""

import json
from dataclasses import dataclass, field, replace
from typing import Annotated, Final
from urllib.parse import urlencode
from uuid import UUID

from fastapi import APIRouter, Depends, Form, Request
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.responses import Response

from konstruct import approvals, consults, temporal
from konstruct.approvals import LONGEST_NOTE, Asked
from konstruct.connecting import overview as channels
from konstruct.errors import BadInput, Conflict, NotAllowed, Unavailable
from konstruct.record import actors
from konstruct.record.actors import Names
from konstruct.tables.base import utc_now
from konstruct.tools.builtin import SEND_REPLY
from konstruct.visible import visible
from portal import record_words
from portal.access import Member, may
from portal.rendering import Toast, redirect, render
from portal.services import services

router = APIRouter(prefix="/t/{tenant}/approvals")

Reader = Annotated[Member, Depends(may("approvals.read"))]
Decider = Annotated[Member, Depends(may("approvals.decide"))]

PAGE: Final = 30
STATES: Final = (("", "Every outcome"), ("approved", "Said yes"), ("denied", "Said no"), ("expired", "Nobody decided"))
LATER: Final = "It is kept, and carried out as soon as Temporal is there again."


@dataclass(frozen=True)
class Wrong:
    """A decision that was not taken: of which approval, why, and what was typed."""

    approval_id: UUID
    sentence: str
    note: str = field(default="", repr=False)


@dataclass(frozen=True)
class Shown:
    asked: Asked
    decided_by: str
    answer: str | None
    """The words of an answer that was held back; None of what is another call."""
    arguments: str
    """All of them, with whatever cannot be seen spelt out."""


@router.get("")
async def list_waiting(request: Request, member: Reader) -> Response:
    return await _waiting(request, member)


@router.get("/history")
async def history(
    request: Request, member: Reader, state: str = "", employee: str = "", before: UUID | None = None
) -> Response:
    used = services(request)
    async with used.database.tenant_session(member.tenant_id) as session:
        names = await actors.names(session)
        employees = await channels.employees(session)
        found = await approvals.listing(
            session,
            used.vault,
            state=state if state in dict(STATES) and state else None,
            is_settled=True,
            employee_id=next((each.employee_id for each in employees if each.key == employee), None),
            limit=PAGE + 1,
            before=before,
        )
        counts = await _counts(session)
    shown = found[:PAGE]
    given = {name: value for name, value in (("state", state), ("employee", employee)) if value}
    here = f"/t/{member.tenant_slug}/approvals/history"
    more = {"before": str(shown[-1].approval_id)} if len(found) > PAGE else {}
    return render(
        request,
        "pages/approvals/history.html",
        shown=[_shown(asked, names) for asked in shown],
        older=f"{here}?{urlencode(given | more)}" if more else None,
        newest=f"{here}?{urlencode(given)}" if before else None,
        is_narrowed=bool(given),
        state=state,
        states=STATES,
        employee=employee,
        employees=[("", "All employees"), *((each.key, each.name) for each in employees)],
        words=record_words,
        counts=counts,
    )


@router.get("/{approval_id}")
async def show(request: Request, member: Reader, approval_id: UUID) -> Response:
    return await _one(request, member, approval_id)


@router.post("/{approval_id}/decide")
async def decide(
    request: Request,
    member: Decider,
    approval_id: UUID,
    fingerprint: Annotated[str, Form()] = "",
    decision: Annotated[str, Form()] = "",
    note: Annotated[str, Form()] = "",
    place: Annotated[str, Form()] = "",
) -> Response:
    """``place``: ``one`` where it was decided on its own page."""
    used = services(request)
    note = note.strip()
    try:
        _be_a_decision(decision, note)
        async with used.database.tenant_session(member.tenant_id) as session:
            if not await approvals.may_decide(session, role=member.role, email=member.email):
                raise NotAllowed("Others were named to decide this: an owner or admin can add you under Settings.")
            await approvals.decide(
                *(session, used.vault, approval_id),
                is_yes=decision == "yes",
                fingerprint=fingerprint,
                by=member.actor,
                note=note,
            )
    except (BadInput, Conflict, NotAllowed) as error:
        sentence = await _repeated(request, member, approval_id, decision, error)
        if sentence is None:
            return redirect(request, _back(member, approval_id, place), toast=Toast("You had decided that already."))
        wrong = Wrong(approval_id, sentence, note)
        if place == "one" or not await _is_waiting(request, member, approval_id):
            return await _one(request, member, approval_id, error.status, wrong)
        return await _waiting(request, member, error.status, wrong)
    said = Toast("Yes: it is done now." if decision == "yes" else "No: it is not done, and the employee is told.")
    try:
        await temporal.tell_decided(await used.temporal(), member.tenant_id, approval_id)
    except Unavailable:
        said = Toast(LATER, "info")
    return redirect(request, _back(member, approval_id, place), toast=said)


def _be_a_decision(decision: str, note: str) -> None:
    if decision not in ("yes", "no"):
        raise BadInput("Say yes or no.")
    if len(note) > LONGEST_NOTE:
        raise BadInput(f"The note is too long: it may have {LONGEST_NOTE:,} characters.")


async def _repeated(request: Request, member: Member, approval_id: UUID, decision: str, error: Exception) -> str | None:
    """What is to be said; None where it is the same decision of the same person once more."""
    if not isinstance(error, Conflict):
        return str(error)
    used = services(request)
    async with used.database.tenant_session(member.tenant_id) as session:
        asked = await approvals.read(session, used.vault, approval_id)
        names = await actors.names(session)
    if asked.state not in ("approved", "denied"):
        return str(error)
    if asked.decided_by == member.actor and (asked.state == "approved") == (decision == "yes"):
        return None
    said = "yes" if asked.state == "approved" else "no"
    return f"{names.of(asked.decided_by)} said {said} to it before you. That stands; your decision changed nothing."


def _back(member: Member, approval_id: UUID, place: str) -> str:
    here = f"/t/{member.tenant_slug}/approvals"
    return f"{here}/{approval_id}" if place == "one" else here


async def _is_waiting(request: Request, member: Member, approval_id: UUID) -> bool:
    used = services(request)
    async with used.database.tenant_session(member.tenant_id) as session:
        return _as_it_stands(await approvals.read(session, used.vault, approval_id)).state == "waiting"


async def _waiting(request: Request, member: Member, status: int = 200, wrong: Wrong | None = None) -> Response:
    used = services(request)
    async with used.database.tenant_session(member.tenant_id) as session:
        names = await actors.names(session)
        found = await approvals.waiting(session, used.vault, PAGE)
        can_decide = await approvals.may_decide(session, role=member.role, email=member.email)
        counts = await _counts(session)
        has_any = bool(found) or bool(await approvals.listing(session, used.vault, limit=1))
    return render(
        request,
        "pages/approvals/waiting.html",
        status,
        block="waiting",
        shown=[_shown(asked, names) for asked in found],
        can_decide=can_decide,
        has_any=has_any,
        wrong=wrong,
        place="",
        words=record_words,
        counts=counts,
        longest_note=LONGEST_NOTE,
    )


async def _one(
    request: Request, member: Member, approval_id: UUID, status: int = 200, wrong: Wrong | None = None
) -> Response:
    used = services(request)
    async with used.database.tenant_session(member.tenant_id) as session:
        names = await actors.names(session)
        asked = await approvals.read(session, used.vault, approval_id)
        can_decide = await approvals.may_decide(session, role=member.role, email=member.email)
    return render(
        request,
        "pages/approvals/approval.html",
        status,
        each=_shown(asked, names),
        can_decide=can_decide,
        wrong=wrong,
        place="one",
        words=record_words,
        longest_note=LONGEST_NOTE,
    )


async def _counts(session: AsyncSession) -> tuple[int, int]:
    """How many decisions and answers are waited for."""
    return await approvals.count_waiting(session), await consults.count_waiting(session)


def _as_it_stands(asked: Asked) -> Asked:
    """What nobody can decide any more has expired, though nobody may have taken note of it yet."""
    is_late = asked.state == "waiting" and asked.expires_at <= utc_now()
    return replace(asked, state="expired") if is_late else asked


def _shown(asked: Asked, names: Names) -> Shown:
    asked = _as_it_stands(asked)
    answer = json.loads(asked.arguments).get("text") if asked.tool == SEND_REPLY else None
    return Shown(
        asked,
        names.of(asked.decided_by) if asked.decided_by else "",
        visible(answer) if isinstance(answer, str) else None,
        visible(asked.arguments),
    )
