"""Making a tenant be what its manifest says, in one transaction. Reads no file and calls no vendor inside it."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal, TypeVar
from uuid import UUID

from pydantic import SecretStr
from sqlalchemy import func, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from konstruct import audit, connections, equipping, tenant_settings
from konstruct.billing import enforcing
from konstruct.changes import Change
from konstruct.connections import SECRETS, slack_account
from konstruct.db import Database
from konstruct.designs import archiving, publishing, versions
from konstruct.designs.content import Content, blank, changed, of_version
from konstruct.errors import ChannelRefused, Conflict
from konstruct.identity import new_id
from konstruct.manifest import Manifest
from konstruct.manifest.sections import SlackConnection, WhatsAppConnection
from konstruct.tables import Connection, Employee, EmployeeBinding, Tenant
from konstruct.tables.base import utc_now
from konstruct.vault import Vault

Identify = Callable[[SecretStr], Awaitable[Mapping[str, str | None]]]
"""Asks Slack whose a bot token is: enterprise_id, team_id, app_id, bot_user_id, bot_id."""

Row = TypeVar("Row", Employee, Connection)

_SLACK_IDS: Final = ("enterprise_id", "team_id", "app_id", "bot_user_id", "bot_id")
_WHATSAPP_IDS: Final = (
    *("phone_number_id", "waba_id", "display_phone_number"),
    *("reengage_template", "reengage_language"),
)


@dataclass(frozen=True)
class _Account:
    kind: str
    name: str
    external: dict[str, str | None] = field(default_factory=dict)
    secrets: dict[str, SecretStr] = field(default_factory=dict, repr=False)


async def find(database: Database, slug: str) -> UUID | None:
    """The id of the tenant that people call ``slug``."""
    async with database.system_session() as session:
        found: UUID | None = await session.scalar(select(func.find_tenant(slug)))
    return found


async def every(database: Database) -> dict[str, UUID]:
    """All tenants' ids by what people call them."""
    async with database.system_session() as session:
        found = await session.execute(text("select slug, tenant_id from all_tenants()"))
    return {row.slug: row.tenant_id for row in found}


async def apply(
    database: Database,
    vault: Vault,
    manifest: Manifest,
    actor: str = "operator",
    identify: Identify | None = None,
) -> list[Change]:
    """Returns what was changed; applied a second time, nothing is.

    Args:
        identify: Asked about Slack connections whose ids the manifest leaves out; without it they must be there.

    Raises:
        BadInput: the manifest does not fit to what Slack or the database knows.
        Conflict: a channel account belongs to another tenant.
        OverPlan: it is more than the tenant's plan includes.
    """
    accounts = await _accounts(manifest, identify)
    while True:
        existing = await find(database, manifest.tenant)
        tenant_id = existing or new_id()
        async with database.tenant_session(tenant_id) as session:
            run = _Run(session, vault, manifest, tenant_id, actor)
            if existing is not None:
                await run.update_tenant()
            elif not await run.create_tenant():
                # Somebody else created it since we looked.
                continue
            await enforcing.hold(session)
            employees = await run.publish_employees()
            run.changes += await equipping.equip(session, vault, manifest, tenant_id, actor)
            await run.connect(accounts, employees)
        return run.changes


async def _accounts(manifest: Manifest, identify: Identify | None) -> dict[str, _Account]:
    accounts: dict[str, _Account] = {}
    for key, connection in manifest.connections.items():
        if isinstance(connection, SlackConnection):
            account = await _slack_account(manifest, key, connection, identify)
        elif isinstance(connection, WhatsAppConnection):
            account = _whatsapp_account(connection)
        else:
            account = _Account("console", manifest.tenant)
        for other, known in accounts.items():
            if (known.kind, known.name) == (account.kind, account.name):
                raise manifest.error(("connections", key), f'is the same {account.kind} account as "{other}"')
        accounts[key] = account
    return accounts


def _whatsapp_account(connection: WhatsAppConnection) -> _Account:
    template = connection.reengage_template
    external = {
        "phone_number_id": connection.phone_number_id,
        "waba_id": connection.waba_id,
        "display_phone_number": connection.display_phone_number,
        "reengage_template": template.name if template else None,
        "reengage_language": template.language if template else None,
    }
    given = {"access_token": connection.access_token, "app_secret": connection.app_secret}
    secrets = {name: secret for name, secret in given.items() if secret is not None}
    return _Account("whatsapp", connection.phone_number_id, external, secrets)


async def _slack_account(
    manifest: Manifest, key: str, connection: SlackConnection, identify: Identify | None
) -> _Account:
    ids = {name: value for name in _SLACK_IDS if (value := getattr(connection, name))}
    missing = _missing(ids)
    if missing and identify:
        ids = await _look_up(manifest, key, connection.bot_token, ids, identify)
        missing = _missing(ids)
    if missing:
        raise manifest.error(("connections", key, missing), "is missing, and Slack could not be asked for it")
    account = slack_account(ids.get("enterprise_id"), ids.get("team_id"))
    return _Account("slack", account, {**ids}, {"bot_token": connection.bot_token})


def _missing(ids: Mapping[str, str]) -> str | None:
    if "team_id" not in ids and "enterprise_id" not in ids:
        return "team_id"
    return None if "bot_user_id" in ids else "bot_user_id"


async def _look_up(
    manifest: Manifest, key: str, bot_token: SecretStr, given: Mapping[str, str], identify: Identify
) -> dict[str, str]:
    try:
        found = {name: value for name, value in (await identify(bot_token)).items() if value}
    except ChannelRefused as error:
        raise manifest.error(("connections", key, "bot_token"), f"Slack does not take it: {error}") from None
    for name, value in given.items():
        if found.get(name, value) != value:
            raise manifest.error(("connections", key, name), "is not what Slack says of this bot_token")
    if "enterprise_id" in given and "team_id" not in given:
        # Who names an organization alone means all of it; Slack adds the workspace that it was installed from.
        found.pop("team_id", None)
    return found | dict(given)


@dataclass
class _Run:
    session: AsyncSession
    vault: Vault
    manifest: Manifest
    tenant_id: UUID
    actor: str
    changes: list[Change] = field(default_factory=list)

    async def create_tenant(self) -> bool:
        """False when the slug is taken."""
        created = await self.session.scalar(
            insert(Tenant)
            .values(id=self.tenant_id, slug=self.manifest.tenant, **self._settings())
            .on_conflict_do_nothing()
            .returning(col(Tenant.id))
        )
        if created is not None:
            self._record(Change("+", "tenant", self.manifest.tenant), "tenant.created")
        return created is not None

    async def update_tenant(self) -> None:
        # The lock lets one manifest of a tenant be applied at a time. It is the weaker kind, which does not hold up
        # the rows that are written of this tenant meanwhile.
        tenant = await self.session.get_one(Tenant, self.tenant_id, with_for_update={"key_share": True})
        wanted = self._settings()
        if "retention" not in self.manifest.model_fields_set:
            # A file that speaks of something else must not have for good what somebody promised to remove.
            del wanted["retention"]
        if fields := tenant_settings.put(self.session, tenant, wanted, actor=self.actor):
            self.changes.append(Change("~", "tenant", self.manifest.tenant, ", ".join(fields)))

    def _settings(self) -> dict[str, Any]:
        return {
            "name": self.manifest.name,
            "models": self.manifest.models,
            "limits": self.manifest.limits.model_dump(exclude_none=True),
            "time_zone": self.manifest.time_zone,
            "approvals": self.manifest.approvals.content(),
            "desk": self.manifest.desk.content(),
            "retention": self.manifest.retention.model_dump(exclude_none=True),
        }

    async def publish_employees(self) -> dict[str, UUID]:
        """The id of each employee in the manifest."""
        rows = await self._rows(Employee)
        for key, wanted in self.manifest.employees.items():
            if key not in rows:
                await enforcing.require_room(self.session, "employees")
                rows[key] = Employee(tenant_id=self.tenant_id, key=key)
                self.session.add(rows[key])
                await self.session.flush()
            await self._publish(rows[key], wanted.content())
        self._leave_others("employee", rows, self.manifest.employees)
        return {key: rows[key].id for key in self.manifest.employees}

    async def _publish(self, employee: Employee, wanted: Content) -> None:
        """What a file does not know stays as it is. One that is archived is wanted again."""
        published = await versions.find(self.session, employee.id, employee.published_version)
        content = {**(of_version(published) if published is not None else blank()), **wanted}
        if employee.archived_at is not None:
            await archiving.restore(self.session, employee.key, actor=self.actor)
            self.changes.append(Change("~", "employee", employee.key, "restored"))
        if published is not None and not changed(of_version(published), content):
            return
        done = await publishing.add_version(self.session, employee, content, actor=self.actor)
        told = f"version {done.number}" + (f" ({', '.join(done.fields)})" if published is not None else "")
        self.changes.append(Change("~" if published is not None else "+", "employee", employee.key, told))

    async def connect(self, accounts: Mapping[str, _Account], employees: Mapping[str, UUID]) -> None:
        rows = await self._rows(Connection)
        for key, wanted in self.manifest.connections.items():
            connection = await self._connect(rows, key, accounts[key], employees[wanted.employee], wanted.functions)
            if isinstance(wanted, SlackConnection):
                await self._bind(connection, wanted.channels, employees)
        self._leave_others("connection", rows, self.manifest.connections)

    async def _connect(
        self, rows: Mapping[str, Connection], key: str, account: _Account, employee_id: UUID, functions: list[str]
    ) -> Connection:
        connection = self._existing(rows, key, account)
        created = connection is None
        if connection is None or connection.status == "disconnected":
            await connections.require_room(self.session, account.kind)
        if connection is None:
            connection = Connection(
                tenant_id=self.tenant_id, key=key, kind=account.kind, account=account.name, employee_id=employee_id
            )
            self.session.add(connection)
        fields = self._assign(connection, account, employee_id)
        fields += _update(connection, {"functions": functions})
        await self._claim(connection)
        replaced = await self._seal(connection, account.secrets)
        if created:
            self._record(
                Change("+", "connection", key, account.kind), "connection.created", connection_id=str(connection.id)
            )
        elif fields or replaced:
            what = ", ".join([*fields, *(f"{name} replaced" for name in replaced)])
            if replaced and connection.status != "active":
                connection.status, connection.status_reason, connection.status_changed_at = "active", None, utc_now()
                what += ", active again"
            self._record(
                Change("~", "connection", key, what),
                "connection.changed",
                connection_id=str(connection.id),
                fields=[*fields, *replaced],
            )
        return connection

    def _existing(self, rows: Mapping[str, Connection], key: str, account: _Account) -> Connection | None:
        for row in rows.values():
            if row.key == key and row.kind != account.kind:
                raise self.manifest.error(
                    ("connections", key, "kind"), f"is {row.kind} so far; give the new connection a name of its own"
                )
            if row.key != key and (row.kind, row.account) == (account.kind, account.name):
                raise self.manifest.error(("connections", key), f'is already connected as "{row.key}"; keep that name')
        return rows.get(key)

    def _assign(self, connection: Connection, account: _Account, employee_id: UUID) -> list[str]:
        """The names of what was changed."""
        # Ids that were learnt in another way, as when the app was installed, hold as long as the account is the same.
        known = connection.external if connection.account == account.name else {}
        external = known | account.external
        ids = _WHATSAPP_IDS if account.kind == "whatsapp" else _SLACK_IDS
        fields = [name for name in ids if connection.external.get(name) != external.get(name)]
        if connection.employee_id != employee_id:
            fields.append("employee")
        _update(connection, {"account": account.name, "external": external, "employee_id": employee_id})
        return fields

    async def _claim(self, connection: Connection) -> None:
        is_taken = False
        try:
            await self.session.flush()
        except IntegrityError as error:
            is_taken = "connections_kind_account_key" in str(error.orig)
            if not is_taken:
                raise
        if is_taken:
            # Not raised from the database's error: that one lists all values of the row.
            raise Conflict(
                f'The {connection.kind} account of connection "{connection.key}" is already connected elsewhere; '
                "disconnect it there first."
            )

    async def _seal(self, connection: Connection, secrets: dict[str, SecretStr]) -> list[str]:
        """The names of the secrets that were other ones so far, or are none any more."""
        known: dict[str, SecretStr] = {}
        where = (self.session, self.tenant_id, SECRETS, connection.id)
        if connection.sealed_secrets is not None:
            known = await self.vault.open(*where, connection.sealed_secrets)
        # Slack's may have been learnt in another way, as when the app was installed.
        wanted = known | secrets if connection.kind == "slack" else secrets
        replaced = [name for name in {**known, **wanted} if known.get(name) != wanted.get(name)]
        if replaced:
            connection.sealed_secrets = await self.vault.seal(*where, wanted)
        return replaced

    async def _bind(self, connection: Connection, channels: Mapping[str, str], employees: Mapping[str, UUID]) -> None:
        query = select(EmployeeBinding).where(EmployeeBinding.connection_id == connection.id)
        rows = {row.channel: row for row in await self.session.scalars(query)}
        for channel in sorted({*rows, *channels}):
            row, employee = rows.get(channel), channels.get(channel)
            sign: Literal["+", "~", "-"]
            if employee is None:
                sign, action = "-", "binding.removed"
                await self.session.delete(row)
            elif row is None:
                sign, action = "+", "binding.created"
                self.session.add(
                    EmployeeBinding(
                        tenant_id=self.tenant_id,
                        connection_id=connection.id,
                        channel=channel,
                        employee_id=employees[employee],
                    )
                )
            elif row.employee_id != employees[employee]:
                sign, action = "~", "binding.changed"
                row.employee_id = employees[employee]
            else:
                continue
            self._record(
                Change(sign, "binding", f"{connection.key}/{channel}", employee or ""),
                action,
                connection_id=str(connection.id),
                channel=channel,
            )

    async def _rows(self, table: type[Row]) -> dict[str, Row]:
        # Locked: a connection may be marked as revoked at this very moment.
        rows = await self.session.scalars(select(table).with_for_update(key_share=True))
        # A rehearsal's connection is the product's own, and no file's.
        return {row.key: row for row in rows if getattr(row, "kind", "") != "rehearsal"}

    def _leave_others(
        self, kind: Literal["employee", "connection"], rows: Mapping[str, Row], wanted: Mapping[str, object]
    ) -> None:
        others = sorted(rows.keys() - wanted.keys())
        self.changes.extend(Change("=", kind, key, "not in the file, left as it is") for key in others)

    def _record(self, change: Change, action: str, **detail: Any) -> None:
        self.changes.append(change)
        audit.record(self.session, tenant_id=self.tenant_id, actor=self.actor, action=action, **detail)


def _update(row: Connection, values: Mapping[str, Any]) -> list[str]:
    """Sets what differs, so that nothing is written where nothing does; the names of what was set."""
    fields = [name for name, value in values.items() if getattr(row, name) != value]
    for name in fields:
        setattr(row, name, values[name])
    return fields
