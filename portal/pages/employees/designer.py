"""The designer of one employee: its draft as a form, saved whole or not, checked as one types."""

from dataclasses import dataclass, field
from typing import Annotated, Any, Final
from uuid import UUID
from zoneinfo import available_timezones

from fastapi import APIRouter, Depends, Request
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.datastructures import FormData
from starlette.responses import JSONResponse, Response

from konstruct.designs import checking, comparing, content, drafting, dry_run, serving, wording
from konstruct.designs.checking import Surroundings
from konstruct.designs.content import Content
from konstruct.designs.drafting import Draft, Overtaken
from konstruct.designs.serving import Served
from konstruct.errors import BadInput
from konstruct.escalation import rules
from konstruct.languages import LANGUAGES
from konstruct.model_keys import keeping
from konstruct.models import links, prices
from konstruct.models.context import count_tokens
from konstruct.pacing import DRY_RUNS
from portal import channel_words, pacing
from portal.access import Member, may
from portal.pages.employees import form as form_
from portal.pages.employees import people, pictures, rules_form
from portal.rendering import Toast, redirect, render
from portal.services import services

router = APIRouter()

_ZONES: Final = sorted(available_timezones())


@dataclass
class Opened:
    """All that the designer shows besides what is typed."""

    draft: Draft
    around: Surroundings
    served: list[Served]
    names: dict[str, str]
    providers: set[str]
    extra: dict[str, Any] = field(default_factory=dict)


async def opened(request: Request, session: AsyncSession, key: str) -> Opened:
    draft = await drafting.read(session, key)
    own = {shown.provider for shown in await keeping.shown(session)}
    return Opened(
        draft,
        await checking.surroundings(session),
        await serving.connections(session),
        await people.names(session),
        own | links.providers(services(request).settings),
    )


@router.get("/t/{tenant}/employees/{key}")
async def show(request: Request, key: str, member: Annotated[Member, Depends(may("employees.read"))]) -> Response:
    async with services(request).database.tenant_session(member.tenant_id) as session:
        found = await opened(request, session, key)
    return page(request, member, found, found.draft.content)


@router.post("/t/{tenant}/employees/{key}")
async def save(request: Request, key: str, member: Annotated[Member, Depends(may("employees.edit"))]) -> Response:
    """Keeps what is typed, whole or not; ``then`` says where to go on from there."""
    async with request.form(max_fields=3_000) as given:
        return await _save(request, key, member, given)


async def _save(request: Request, key: str, member: Member, given: FormData) -> Response:
    database = services(request).database
    async with database.tenant_session(member.tenant_id) as session:
        before = await drafting.read(session, key)
    typed = form_.read(given, before.content)
    try:
        typed["picture"] = await pictures.taken(request, member, given) or typed["picture"]
        async with database.tenant_session(member.tenant_id) as session:
            kept = await drafting.save(session, key, typed, revision=_revision(given), actor=member.actor)
    except BadInput as error:
        return await _again(request, key, member, typed, 422, form_errors={"": str(error)})
    if isinstance(kept, Overtaken):
        return await _again(request, key, member, typed, 409, overtaken=True)
    url = f"/t/{member.tenant_slug}/employees/{key}"
    if given.get("then") == "publish":
        return redirect(request, f"{url}/publish")
    return redirect(
        request,
        url,
        toast=Toast("The draft is saved." if kept.is_open else "Saved. It is the same as what is published."),
    )


def _revision(given: FormData) -> int:
    said = form_.text(given, "revision")
    # Python turns no text of more than some thousand digits into a number.
    return int(said) if said.isascii() and said.isdigit() and len(said) < 10 else -1


async def _again(
    request: Request, key: str, member: Member, typed: Content, status: int, *, overtaken: bool = False, **more: Any
) -> Response:
    """The form with what was typed in it, which is saved nowhere."""
    async with services(request).database.tenant_session(member.tenant_id) as session:
        found = await opened(request, session, key)
    if overtaken:
        more["overtaken"] = comparing.compare(found.draft.content, {**content.blank(), **typed})
    return page(request, member, found, typed, status, **more)


@router.post("/t/{tenant}/employees/{key}/edit")
async def edit(request: Request, key: str, member: Annotated[Member, Depends(may("employees.edit"))]) -> Response:
    """A row more, or less, or elsewhere in the form; or its rules tried out. Nothing is saved."""
    async with request.form(max_fields=3_000) as given:
        what = form_.text(given, "edit")
        async with services(request).database.tenant_session(member.tenant_id) as session:
            found = await opened(request, session, key)
        typed = form_.edited(form_.read(given, found.draft.content), what)
        if what == "try":
            found.extra |= await _try_out(request, member, found, typed, form_.text(given, "try-on"))
        found.extra["typed_revision"] = _revision(given)
    return page(request, member, found, typed, is_unsaved=True)


async def _try_out(request: Request, member: Member, found: Opened, typed: Content, on: str) -> dict[str, Any]:
    wrong = [each for each in checking.problems(typed, found.around) if each.field == "escalation"]
    if wrong or not typed["escalation"]:
        return {
            "tried": None,
            "try_on": on,
            "cannot_try": "Correct the rules first." if wrong else "There are no rules.",
        }
    await pacing.keep(request, member, DRY_RUNS)
    wanted = rules.read(typed["escalation"])
    employee_id: UUID | None = None if on == "all" else found.draft.employee_id
    where = services(request)
    ran = await dry_run.over_past(where.database, where.vault, member.tenant_id, wanted, employee_id)
    return {"tried": ran, "try_on": on, "cannot_try": None}


@router.post("/t/{tenant}/employees/{key}/check")
async def check(request: Request, key: str, member: Annotated[Member, Depends(may("employees.edit"))]) -> Response:
    """What is missing or wrong in what is typed, by fields; and how long its instructions are. Nothing is saved."""
    async with request.form(max_fields=3_000) as given:
        async with services(request).database.tenant_session(member.tenant_id) as session:
            draft = await drafting.read(session, key)
            around = await checking.surroundings(session)
        typed = form_.read(given, draft.content)
    problems = checking.problems(typed, around)
    return JSONResponse(
        {
            "errors": form_.errors(each for each in problems if not each.is_missing),
            "tokens": count_tokens(typed["system_prompt"]),
            "is_ready": not problems,
        }
    )


def page(
    request: Request,
    member: Member,
    found: Opened,
    typed: Content,
    status: int = 200,
    *,
    is_unsaved: bool = False,
    form_errors: dict[str, str] | None = None,
    overtaken: Any = None,
) -> Response:
    """``typed``: what the form holds, saved or not."""
    shown = {**content.blank(), **typed}
    problems = checking.problems(shown, found.around)
    draft = found.draft
    context: dict[str, Any] = {"tried": None, "try_on": "own", "cannot_try": None, "typed_revision": draft.revision}
    return render(
        request,
        "pages/employees/designer.html",
        status,
        draft=draft,
        content=shown,
        around=found.around,
        served=found.served,
        words=channel_words,
        saved_by=people.name_of(draft.saved_by, found.names),
        errors=form_errors or {},
        wrong=form_.errors(each for each in problems if not each.is_missing),
        missing=form_.errors(each for each in problems if each.is_missing),
        is_unsaved=is_unsaved or status != 200,
        overtaken=overtaken,
        tokens=count_tokens(shown["system_prompt"]),
        models=_models(found, shown),
        tools=_tools(found.around, shown),
        sources=_sources(found.around, shown),
        targets=[*(group.key for group in found.around.desk.groups), *(each.key for each in found.around.desk.people)],
        **(context | found.extra),
        **_FIXED,
    )


_FIXED: Final[dict[str, Any]] = {
    "languages": [("", "As the contact writes"), *sorted(LANGUAGES.items(), key=lambda each: each[1])],
    "zones": _ZONES,
    "days": wording.DAY_NAMES,
    "kinds": rules_form.KINDS,
    "list_kinds": rules_form.LISTS,
    "flag_kinds": rules_form.FLAGS,
    "as_group": rules_form.as_group,
    "shown_value": rules_form.shown_value,
    "most_prompts": form_.MOST_PROMPTS,
    "shortened": comparing.shortened,
}


def _models(found: Opened, shown: Content) -> dict[str, Any]:
    known = [f"{provider}/{name}" for provider, models in prices.MODELS.items() for name in models]
    return {
        "chosen": [(name, name.partition("/")[0] in found.providers or not name) for name in shown["models"]],
        "available": [name for name in known if name.partition("/")[0] in found.providers],
        "usual": list(found.around.models),
        "providers": sorted(found.providers),
    }


def _tools(around: Surroundings, shown: Content) -> list[dict[str, Any]]:
    """All that there are, and those that were chosen and are gone."""
    chosen = {str(each.get("name")): each.get("approval", "") for each in shown["tools"] if isinstance(each, dict)}
    rows: list[dict[str, Any]] = [
        {"tool": tool, "is_chosen": tool.name in chosen, "approval": chosen.get(tool.name, "")} for tool in around.tools
    ]
    known = {tool.name for tool in around.tools}
    gone = [name for name in chosen if name not in known]
    return rows + [{"tool": None, "name": name, "is_chosen": True, "approval": chosen[name]} for name in gone]


def _sources(around: Surroundings, shown: Content) -> list[dict[str, Any]]:
    rows = [
        {"key": source.key, "title": source.title, "about": f"{source.kind}, {source.status}"}
        for source in around.sources
    ]
    known = {source.key for source in around.sources}
    gone = [{"key": key, "title": key, "about": "no longer there"} for key in shown["knowledge"] if key not in known]
    return [{**row, "is_chosen": row["key"] in shown["knowledge"]} for row in [*rows, *gone]]
