"""What was published, what differs, and the two ways of publishing: a draft, or an earlier version again."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Form, Path, Request
from starlette.responses import Response

from konstruct.designs import checking, comparing, drafting, publishing, reviewing, versions
from konstruct.designs.content import blank, changed, of_version
from konstruct.designs.drafting import Overtaken
from konstruct.errors import BadInput, Conflict, KonstructError
from portal.access import Member, may
from portal.pages.employees import form, people
from portal.rendering import Toast, redirect, render
from portal.services import services

router = APIRouter()

Number = Annotated[int, Path(ge=1, le=1_000_000_000)]


@router.get("/t/{tenant}/employees/{key}/versions")
async def every(request: Request, key: str, member: Annotated[Member, Depends(may("employees.read"))]) -> Response:
    async with services(request).database.tenant_session(member.tenant_id) as session:
        draft = await drafting.read(session, key)
        found = await versions.every(session, draft.employee_id)
        names = await people.names(session)
    before = [of_version(version) for version in found[1:]]
    rows = [
        {
            "version": version,
            "by": people.name_of(version.published_by, names),
            "fields": [comparing.LABELS[name] for name in changed(older, of_version(version))],
        }
        for version, older in zip(found, [*before, blank()], strict=False)
    ]
    return render(request, "pages/employees/versions.html", draft=draft, rows=rows)


@router.get("/t/{tenant}/employees/{key}/versions/{number}")
async def one(
    request: Request,
    key: str,
    number: Number,
    member: Annotated[Member, Depends(may("employees.read"))],
    against: str = "before",
) -> Response:
    """``against``: ``before``, ``published``, ``draft``, or a version's number."""
    return await _version(request, key, number, member, against)


async def _version(
    request: Request, key: str, number: int, member: Member, against: str, error: str | None = None, status: int = 200
) -> Response:
    async with services(request).database.tenant_session(member.tenant_id) as session:
        draft = await drafting.read(session, key)
        found = await versions.called(session, draft.employee_id, number)
        names = await people.names(session)
        numbers = [version.number for version in await versions.every(session, draft.employee_id)]
        other = await reviewing.other(session, draft, number, against)
    return render(
        request,
        "pages/employees/version.html",
        status,
        draft=draft,
        version=found,
        by=people.name_of(found.published_by, names),
        numbers=numbers,
        against=str(other.number) if other.number else against,
        against_title=other.title,
        differences=comparing.compare(other.content, of_version(found)),
        shortened=comparing.shortened,
        error=error,
    )


@router.post("/t/{tenant}/employees/{key}/versions/{number}/restore")
async def roll_back(
    request: Request,
    key: str,
    number: Number,
    member: Annotated[Member, Depends(may("employees.edit"))],
    over: Annotated[int, Form()],
    note: Annotated[str, Form()] = "",
) -> Response:
    try:
        async with services(request).database.tenant_session(member.tenant_id) as session:
            done = await publishing.roll_back(session, key, number, over=over, note=note, actor=member.actor)
    except (BadInput, Conflict) as error:
        return await _version(request, key, number, member, "published", str(error), error.status)
    toast = Toast(f"Version {done.number} serves now: it is what version {number} was.")
    return redirect(request, f"/t/{member.tenant_slug}/employees/{key}/versions", toast=toast)


@router.get("/t/{tenant}/employees/{key}/publish")
async def review(request: Request, key: str, member: Annotated[Member, Depends(may("employees.edit"))]) -> Response:
    return await _review(request, key, member)


async def _review(
    request: Request, key: str, member: Member, note: str = "", error: KonstructError | None = None, **more: Any
) -> Response:
    async with services(request).database.tenant_session(member.tenant_id) as session:
        draft = await drafting.read(session, key)
        published = await versions.find(session, draft.employee_id, draft.published_version)
        before = await reviewing.published(session, draft)
        problems = checking.problems(draft.content, await checking.surroundings(session))
        names = await people.names(session)
    return render(
        request,
        "pages/employees/publish.html",
        error.status if error else more.get("status", 200),
        draft=draft,
        published=published,
        published_by=people.name_of(published.published_by, names) if published is not None else "",
        problems=list(form.errors(problems).values()),
        differences=comparing.compare(before.content, draft.content),
        shortened=comparing.shortened,
        note=note,
        error=str(error) if error else more.get("sentence"),
    )


@router.post("/t/{tenant}/employees/{key}/publish")
async def publish(
    request: Request,
    key: str,
    member: Annotated[Member, Depends(may("employees.edit"))],
    revision: Annotated[int, Form()],
    over: Annotated[int, Form()],
    note: Annotated[str, Form()] = "",
) -> Response:
    """What was seen and nothing else: a draft that was saved since, or a version that came since, is shown first."""
    try:
        async with services(request).database.tenant_session(member.tenant_id) as session:
            done = await publishing.publish(session, key, revision=revision, over=over, note=note, actor=member.actor)
    except (BadInput, Conflict) as error:
        return await _review(request, key, member, note, error)
    if isinstance(done, Overtaken):
        sentence = "The draft was saved by somebody since you looked. See below what would be published now."
        return await _review(request, key, member, note, status=409, sentence=sentence)
    toast = Toast(f"Version {done.number} is published, and answers from the next message on.")
    return redirect(request, f"/t/{member.tenant_slug}/employees/{key}", toast=toast)
