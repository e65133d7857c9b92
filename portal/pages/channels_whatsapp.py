"""Connecting a WhatsApp number: a form whose every value is asked of Meta while it is typed, and that is never lost."""

from dataclasses import dataclass
from typing import Annotated, Final
from uuid import UUID

from fastapi import APIRouter, Depends, Form, Request
from pydantic import SecretStr
from starlette.responses import Response

from konstruct import connections, onboarding
from konstruct.connecting import drafts, overview, serving, setup, whatsapp_numbers
from konstruct.connecting.drafts import Draft
from konstruct.connecting.whatsapp_checks import Findings, Values
from konstruct.errors import ChannelError, Conflict, KonstructError, Mistakes
from konstruct.identity import ConnectionId
from konstruct.pacing import WHATSAPP_CHECKS
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
    lines = draft.content.get("functions", "")
    errors = whatsapp_numbers.mistakes(findings, lines)
    if errors:
        return await _form(request, member, draft, findings, status=422, errors=errors)
    try:
        connection_id = await _connect(request, member, draft, findings, serving.read_functions(lines))
    except KonstructError as error:
        if error.status >= 500:
            raise
        wrong = error.fields if isinstance(error, Mistakes) else {_field_of(error): str(error)}
        return await _form(request, member, draft, findings, status=422, errors=wrong)
    number = findings.number.display_phone_number if findings.number else "The number"
    async with services(request).database.tenant_session(member.tenant_id) as session:
        setup_is_over = (await onboarding.progress(session)).is_over
    url = f"/t/{member.tenant_slug}/" + (f"channels/{connection_id}" if setup_is_over else "setup")
    return redirect(request, url, toast=Toast(f"{number} is connected."))


def _field_of(error: KonstructError) -> str:
    return "phone_number_id" if isinstance(error, Conflict) else "employee"


async def _connect(
    request: Request, member: Member, draft: Draft, findings: Findings, functions: list[str]
) -> ConnectionId:
    here = services(request)
    async with here.database.tenant_session(member.tenant_id) as session:
        connection_id = await whatsapp_numbers.connect(
            session,
            here.vault,
            member.tenant_id,
            _values(draft),
            findings,
            functions=functions,
            employee_id=_employee_id(draft),
            actor=member.actor,
        )
        await drafts.drop(session, member.user_id)
    return connection_id


def _employee_id(draft: Draft) -> UUID | None:
    try:
        return UUID(draft.content.get("employee", ""))
    except ValueError:
        return None


def _values(draft: Draft) -> Values:
    return Values(
        access_token=draft.secrets.get("access_token"),
        phone_number_id=draft.content.get("phone_number_id", ""),
        waba_id=draft.content.get("waba_id", ""),
        app_secret=draft.secrets.get("app_secret"),
        template=draft.content.get("template", ""),
    )


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
        return await drafts.read(session, here.vault, member.tenant_id, member.user_id)


async def _keep(request: Request, member: Member, typed: Typed) -> Draft:
    here = services(request)
    async with here.database.tenant_session(member.tenant_id) as session:
        draft = typed.over(await drafts.read(session, here.vault, member.tenant_id, member.user_id))
        await drafts.keep(session, here.vault, member.tenant_id, member.user_id, draft)
    return draft


async def _findings(request: Request, member: Member, draft: Draft) -> Findings:
    here = services(request)
    if "access_token" in draft.secrets:
        await pacing.keep(request, member, WHATSAPP_CHECKS)
    secrets = here.settings.whatsapp_app_secret
    return await whatsapp_numbers.findings(
        here.database, here.whatsapp_accounts, member.tenant_id, _values(draft), secrets
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
