"""Connecting a WhatsApp number: a form whose every value is asked of Meta while it is typed, and that is never lost."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated, Final
from uuid import UUID

from fastapi import APIRouter, Depends, Form, Request
from pydantic import SecretStr
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.responses import Response

from konstruct import connections, onboarding
from konstruct.connecting import drafts, overview, serving, setup, whatsapp_checks
from konstruct.connecting.drafts import Draft
from konstruct.connecting.whatsapp_checks import Findings, Values
from konstruct.errors import BadInput, ChannelError, Conflict, KonstructError
from konstruct.identity import ConnectionId
from konstruct.ports import Limit
from konstruct.tables import Employee
from portal import pacing
from portal.access import Member, may
from portal.pages.channels import choosable
from portal.rendering import Toast, redirect, render
from portal.services import services

router = APIRouter(prefix="/t/{tenant}/channels/whatsapp")

Editor = Annotated[Member, Depends(may("channels.edit"))]

SECRETS: Final[tuple[str, ...]] = ("access_token", "app_secret")
PLAIN: Final = ("phone_number_id", "waba_id", "template", "functions", "employee")
_LONGEST: Final = 2_000
_MOST_CHECKS: Final = Limit(150, timedelta(minutes=10))
"""Each asks Meta up to seven times."""


@dataclass(frozen=True)
class Typed:
    """What came with the form. An empty secret means the one that is kept."""

    phone_number_id: str = ""
    waba_id: str = ""
    template: str = ""
    functions: str = ""
    employee: str = ""
    access_token: str = ""
    app_secret: str = ""

    def over(self, draft: Draft) -> Draft:
        content = {name: getattr(self, name).strip()[:_LONGEST] for name in PLAIN}
        given = {name: getattr(self, name).strip()[:_LONGEST] for name in SECRETS}
        secrets = {**draft.secrets, **{name: SecretStr(value) for name, value in given.items() if value}}
        return Draft(content, secrets)


async def typed_form(
    phone_number_id: Annotated[str, Form()] = "",
    waba_id: Annotated[str, Form()] = "",
    template: Annotated[str, Form()] = "",
    functions: Annotated[str, Form()] = "",
    employee: Annotated[str, Form()] = "",
    access_token: Annotated[str, Form()] = "",
    app_secret: Annotated[str, Form()] = "",
) -> Typed:
    return Typed(phone_number_id, waba_id, template, functions, employee, access_token, app_secret)


TypedForm = Annotated[Typed, Depends(typed_form)]


@router.get("")
async def show(request: Request, member: Editor) -> Response:
    draft = await _draft(request, member)
    return await _form(request, member, draft, await _findings(request, member, draft))


@router.post("/check")
async def check(request: Request, member: Editor, typed: TypedForm) -> Response:
    """Asked by the page while somebody types: what is known of each value by now."""
    draft = await _keep(request, member, typed)
    findings = await _findings(request, member, draft)
    templates = _templates(draft, findings)
    return render(
        request,
        "pages/channels/whatsapp_checks.html",
        draft=draft,
        findings=findings,
        templates=templates,
        is_alone=True,
    )


@router.post("/subscribe")
async def subscribe(request: Request, member: Editor, typed: TypedForm) -> Response:
    """Has Meta tell the token's app of the account's messages."""
    draft = await _keep(request, member, typed)
    findings = await _findings(request, member, draft)
    checks = findings.checks
    if checks["waba_id"].state != "ok" or "access_token" not in draft.secrets:
        errors = {"waba_id": "First the account id has to be right."}
        return await _form(request, member, draft, findings, status=422, errors=errors)
    try:
        accounts = services(request).whatsapp_accounts
        await accounts.subscribe(draft.secrets["access_token"], draft.content["waba_id"])
    except ChannelError as error:
        return await _form(request, member, draft, findings, status=502, errors={"": str(error)})
    return redirect(request, _here(member), toast=Toast("Meta tells the app of the account's messages now."))


@router.post("/again")
async def begin_again(request: Request, member: Editor, connection: Annotated[UUID, Form()]) -> Response:
    await _begin_from(request, member, connection)
    return redirect(request, _here(member))


@router.post("/discard")
async def discard(request: Request, member: Editor) -> Response:
    async with services(request).database.tenant_session(member.tenant_id) as session:
        await drafts.drop(session, member.user_id)
    return redirect(request, _here(member), toast=Toast("The form is empty again."))


@router.post("")
async def connect(request: Request, member: Editor, typed: TypedForm) -> Response:
    draft = await _keep(request, member, typed)
    findings = await _findings(request, member, draft)
    errors: dict[str, str] = {
        name: check.says
        for name, check in findings.checks.items()
        if name != "subscription" and check.state in ("failed", "waiting")
    }
    functions = _read_functions(draft.content.get("functions", ""), errors)
    try:
        if errors:
            raise BadInput("")
        connection_id = await _connect(request, member, draft, findings, functions)
    except KonstructError as error:
        if error.status >= 500:
            raise
        if not errors:
            errors[_field_of(error)] = str(error)
        return await _form(request, member, draft, findings, status=422, errors=errors)
    number = findings.number.display_phone_number if findings.number else "The number"
    async with services(request).database.tenant_session(member.tenant_id) as session:
        setup_is_over = (await onboarding.progress(session)).is_over
    url = f"/t/{member.tenant_slug}/" + (f"channels/{connection_id}" if setup_is_over else "setup")
    return redirect(request, url, toast=Toast(f"{number} is connected."))


def _read_functions(lines: str, errors: dict[str, str]) -> list[str]:
    try:
        functions = serving.read_functions(lines)
        if not functions:
            errors["functions"] = "Say what this number is for, in a line or more."
        return functions
    except BadInput as error:
        errors["functions"] = str(error)
        return []


def _field_of(error: KonstructError) -> str:
    return "phone_number_id" if isinstance(error, Conflict) else "employee"


async def _connect(
    request: Request, member: Member, draft: Draft, findings: Findings, functions: list[str]
) -> ConnectionId:
    here = services(request)
    name, _, language = draft.content.get("template", "").partition("/")
    phone_number_id, number = draft.content["phone_number_id"], findings.number
    external = {
        "phone_number_id": phone_number_id,
        "waba_id": draft.content["waba_id"],
        "display_phone_number": number.display_phone_number if number else None,
        "reengage_template": name or None,
        "reengage_language": language or None,
    }
    async with here.database.tenant_session(member.tenant_id) as session:
        employee = await _employee(session, member, draft)
        connection_id = await connections.install(
            session,
            here.vault,
            member.tenant_id,
            key=f"whatsapp-{phone_number_id}",
            kind="whatsapp",
            account=phone_number_id,
            external=external,
            secrets=dict(draft.secrets),
            employee_key=employee.key,
            actor=member.actor,
            functions=functions,
        )
        await serving.serve(session, connection_id, employee.id, actor=member.actor)
        await drafts.drop(session, member.user_id)
    return connection_id


async def _employee(session: AsyncSession, member: Member, draft: Draft) -> Employee:
    """Raises BadInput where none is chosen."""
    try:
        found = await session.get(Employee, (member.tenant_id, UUID(draft.content.get("employee", ""))))
    except ValueError:
        found = None
    if not isinstance(found, Employee):
        raise BadInput("Choose who is to answer there.")
    return found


async def _begin_from(request: Request, member: Member, connection: UUID) -> None:
    """Connecting again begins with what is there, secrets included."""
    here = services(request)
    async with here.database.tenant_session(member.tenant_id) as session:
        seen = await overview.one(session, connection)
        account = await connections.open_account(session, here.vault, seen.connection_id)
        name, language = seen.external.get("reengage_template"), seen.external.get("reengage_language")
        content = {
            "phone_number_id": str(seen.external.get("phone_number_id") or ""),
            "waba_id": str(seen.external.get("waba_id") or ""),
            "template": f"{name}/{language}" if name else "",
            "functions": "\n".join(seen.functions),
            "employee": str(seen.employee.employee_id),
        }
        kept: dict[str, SecretStr] = {
            secret: account.secrets[secret] for secret in SECRETS if secret in account.secrets
        }
        await drafts.keep(session, here.vault, member.tenant_id, member.user_id, Draft(content, kept))


async def _draft(request: Request, member: Member) -> Draft:
    here = services(request)
    async with here.database.tenant_session(member.tenant_id) as session:
        return await drafts.find(session, here.vault, member.tenant_id, member.user_id)


async def _keep(request: Request, member: Member, typed: Typed) -> Draft:
    here = services(request)
    async with here.database.tenant_session(member.tenant_id) as session:
        draft = typed.over(await drafts.find(session, here.vault, member.tenant_id, member.user_id))
        await drafts.keep(session, here.vault, member.tenant_id, member.user_id, draft)
    return draft


async def _findings(request: Request, member: Member, draft: Draft) -> Findings:
    here = services(request)
    if "access_token" in draft.secrets:
        await pacing.count(request, member, "whatsapp-checks", _MOST_CHECKS, "Meta was asked very often just now.")
    phone_number_id = draft.content.get("phone_number_id", "")
    holder = await connections.find(here.database, "whatsapp", phone_number_id) if phone_number_id else None
    values = Values(
        access_token=draft.secrets.get("access_token"),
        phone_number_id=phone_number_id,
        waba_id=draft.content.get("waba_id", ""),
        app_secret=draft.secrets.get("app_secret"),
        template=draft.content.get("template", ""),
    )
    return await whatsapp_checks.check(
        here.whatsapp_accounts,
        values,
        here.settings.whatsapp_app_secret,
        is_held_elsewhere=holder is not None and holder.tenant_id != member.tenant_id,
    )


def _templates(draft: Draft, findings: Findings) -> list[tuple[str, str]]:
    """What can be chosen, and what was chosen although it cannot be (any more)."""
    usable = [(f"{each.name}/{each.language}", f"{each.name} ({each.language})") for each in findings.templates]
    chosen = draft.content.get("template", "")
    gone = [(chosen, chosen)] if chosen and chosen not in dict(usable) else []
    return [("", "Nobody is written to then"), *usable, *gone]


async def _form(
    request: Request,
    member: Member,
    draft: Draft,
    findings: Findings,
    *,
    status: int = 200,
    errors: dict[str, str] | None = None,
) -> Response:
    here = services(request)
    async with here.database.tenant_session(member.tenant_id) as session:
        employees = choosable(await overview.employees(session))
    verify_token, site = here.settings.whatsapp_verify_token, f"{here.settings.gateway_address}/whatsapp"
    has_own_app = "app_secret" in draft.secrets
    return render(
        request,
        "pages/channels/whatsapp.html",
        status,
        draft=draft,
        findings=findings,
        templates=_templates(draft, findings),
        employees=employees,
        lacks=setup.whatsapp(here.settings),
        webhook=f"{site}/{draft.content.get('phone_number_id') or '…'}" if has_own_app else site,
        verify_token=verify_token.get_secret_value() if verify_token else None,
        errors=errors or {},
        is_alone=False,
    )


def _here(member: Member) -> str:
    return f"/t/{member.tenant_slug}/channels/whatsapp"
