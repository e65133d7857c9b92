"""Connecting a WhatsApp number whose values were found to be good, however they were given."""

from collections.abc import Sequence
from uuid import UUID

from pydantic import SecretStr
from sqlalchemy.ext.asyncio import AsyncSession

from konstruct import connections
from konstruct.connecting import serving, whatsapp_checks
from konstruct.connecting.whatsapp_checks import Findings, Values
from konstruct.connecting.whatsapp_ports import WhatsAppAccounts
from konstruct.db import Database
from konstruct.errors import BadInput, Mistakes
from konstruct.identity import ConnectionId, TenantId
from konstruct.tables import Employee
from konstruct.vault import Vault


async def findings(
    database: Database,
    accounts: WhatsAppAccounts,
    tenant_id: TenantId,
    values: Values,
    deployment_secrets: Sequence[SecretStr],
) -> Findings:
    """What is known of each value by now."""
    phone_number_id = values.phone_number_id
    holder = await connections.find(database, "whatsapp", phone_number_id) if phone_number_id else None
    is_held_elsewhere = holder is not None and holder.tenant_id != tenant_id
    return await whatsapp_checks.check(accounts, values, deployment_secrets, is_held_elsewhere=is_held_elsewhere)


def mistakes(found: Findings, lines: str) -> dict[str, str]:
    """By fields, why the number cannot be connected; empty where it can. ``lines``: what it is for, one a line."""
    wrong: dict[str, str] = {
        name: check.says
        for name, check in found.checks.items()
        if name != "subscription" and check.state in ("failed", "waiting")
    }
    try:
        if not serving.read_functions(lines):
            wrong["functions"] = "Say what this number is for, in a line or more."
    except BadInput as error:
        wrong["functions"] = str(error)
    return wrong


async def connect(
    session: AsyncSession,
    vault: Vault,
    tenant_id: TenantId,
    values: Values,
    found: Findings,
    *,
    functions: Sequence[str],
    employee_id: UUID | None,
    actor: str,
) -> ConnectionId:
    """Connects it, or its connection anew; ``found``: of just these values, and without mistakes.

    Raises:
        Mistakes: nobody is chosen who is to answer there, or somebody who is not there.
        Conflict: another tenant has the number, or the employee is archived.
    """
    employee = await session.get(Employee, (tenant_id, employee_id)) if employee_id is not None else None
    if employee is None:
        raise Mistakes({"employee": "Choose who is to answer there."})
    name, _, language = values.template.partition("/")
    given = {"access_token": values.access_token, "app_secret": values.app_secret}
    connection_id = await connections.install(
        session,
        vault,
        tenant_id,
        key=f"whatsapp-{values.phone_number_id}",
        kind="whatsapp",
        account=values.phone_number_id,
        external={
            "phone_number_id": values.phone_number_id,
            "waba_id": values.waba_id,
            "display_phone_number": found.number.display_phone_number if found.number else None,
            "reengage_template": name or None,
            "reengage_language": language or None,
        },
        secrets={name: secret for name, secret in given.items() if secret is not None},
        employee_key=employee.key,
        actor=actor,
        functions=functions,
    )
    await serving.serve(session, connection_id, employee.id, actor=actor)
    return connection_id
