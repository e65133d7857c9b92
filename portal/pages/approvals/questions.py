"""What employees ask colleagues at the desk; whoever was asked can answer here."""

from dataclasses import dataclass, field
from typing import Annotated, Final
from uuid import UUID

from fastapi import APIRouter, Depends, Form, Request
from starlette.responses import Response

from konstruct import approvals, consults, temporal
from konstruct.consults import LONGEST_ANSWER
from konstruct.desk import people
from konstruct.errors import BadInput, Conflict, NotAllowed, Unavailable
from konstruct.handoffs import owning
from portal.access import Member, may
from portal.rendering import Toast, redirect, render
from portal.services import services

router = APIRouter(prefix="/t/{tenant}/approvals/questions")

PAGE: Final = 30


@dataclass(frozen=True)
class Wrong:
    """An answer that was not taken."""

    consult_id: UUID
    sentence: str
    text: str = field(default="", repr=False)


@router.get("")
async def list_questions(
    request: Request, member: Annotated[Member, Depends(may("approvals.read"))], before: UUID | None = None
) -> Response:
    return await _page(request, member, before=before)


@router.post("/{consult_id}")
async def answer(
    request: Request,
    member: Annotated[Member, Depends(may("inbox.act"))],
    consult_id: UUID,
    text: Annotated[str, Form()] = "",
) -> Response:
    """Of whoever was asked alone. The first answer counts; the same again changes nothing."""
    used = services(request)
    try:
        async with used.database.tenant_session(member.tenant_id) as session:
            agent = await owning.agent(session, await people.agent_key(session, member.user_id, member.email))
            await consults.answer(session, used.vault, consult_id, agent, text)
    except (BadInput, Conflict, NotAllowed) as error:
        return await _page(request, member, error.status, Wrong(consult_id, str(error), text))
    said = Toast("Thank you: the employee goes on with it.")
    try:
        await temporal.mention_consult(await used.temporal(), member.tenant_id, consult_id)
    except Unavailable:
        said = Toast("It is kept, and passed on as soon as Temporal is there again.", "info")
    return redirect(request, f"/t/{member.tenant_slug}/approvals/questions", toast=said)


async def _page(
    request: Request, member: Member, status: int = 200, wrong: Wrong | None = None, before: UUID | None = None
) -> Response:
    used = services(request)
    async with used.database.tenant_session(member.tenant_id) as session:
        waiting = await consults.listing(session, used.vault, state="waiting") if before is None else []
        settled = await consults.listing(session, used.vault, is_settled=True, limit=PAGE + 1, before=before)
        mine = await people.agent_key(session, member.user_id, member.email)
        counts = await approvals.count_waiting(session), await consults.count_waiting(session)
    here = f"/t/{member.tenant_slug}/approvals/questions"
    return render(
        request,
        "pages/approvals/questions.html",
        status,
        block="questions",
        # Whoever is asked sees theirs first; of the rest, what has waited longest.
        waiting=sorted(waiting, key=lambda each: (each.colleague != mine, each.created_at)),
        settled=settled[:PAGE],
        mine=mine if member.may("inbox.act") else "",
        older=f"{here}?before={settled[PAGE - 1].consult_id}" if len(settled) > PAGE else None,
        newest=here if before else None,
        wrong=wrong,
        counts=counts,
        longest=LONGEST_ANSWER,
    )
