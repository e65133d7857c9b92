import asyncio
from uuid import UUID, uuid4

import pytest
from pydantic import SecretStr
from sqlalchemy import func
from sqlmodel import col, select

from konstruct import connections, manifest, tenants
from konstruct.db import Database
from konstruct.errors import BadInput, ChannelUnavailable, Conflict, ConnectionDead
from konstruct.identity import ConnectionId
from konstruct.tables import AuditEvent, Connection, Employee, EmployeeBinding, EmployeeVersion, Tenant
from konstruct.vault import Vault


class Acme:
    """A tenant of its own for each test, and its manifest, which tests change as an operator would."""

    def __init__(self, database: Database, vault: Vault) -> None:
        self.database = database
        self.vault = vault
        mark = uuid4().hex[:12]
        self.slug = f"acme-{mark}"
        self.team = f"T{mark.upper()}"
        self.text = f"""\
tenant: {self.slug}
name: Acme Bikes
limits: {{contact: 20/minute}}
employees:
  ada:
    name: Ada
    role: Front desk
    system_prompt: Be brief.
  bert:
    name: Bert
    role: Workshop
    system_prompt: Ask which bike it is.
connections:
  main-slack:
    kind: slack
    bot_token: ${{TOKEN}}
    team_id: {self.team}
    bot_user_id: U012AB3CD
    employee: ada
    channels: {{C1: bert}}
  test:
    kind: console
    employee: ada
"""

    def change(self, old: str, new: str) -> None:
        assert self.text.count(old) == 1
        self.text = self.text.replace(old, new)

    async def apply(self, token: str = "xoxb-first-canary", identify: tenants.Identify | None = None) -> list[str]:
        read = manifest.parse(self.text, "tenant.yaml", {"TOKEN": token})
        return [str(change) for change in await tenants.apply(self.database, self.vault, read, "tester", identify)]

    async def id(self) -> UUID:
        async with self.database.system_session() as session:
            found = await session.scalar(select(func.find_tenant(self.slug)))
        assert isinstance(found, UUID)
        return found

    async def connection(self, key: str = "main-slack") -> Connection:
        async with self.database.tenant_session(await self.id()) as session:
            return (await session.scalars(select(Connection).where(Connection.key == key))).one()

    async def versions(self, key: str = "ada") -> list[EmployeeVersion]:
        query = (
            select(EmployeeVersion)
            .join(Employee, col(Employee.id) == col(EmployeeVersion.employee_id))
            .where(Employee.key == key)
            .order_by(col(EmployeeVersion.number))
        )
        async with self.database.tenant_session(await self.id()) as session:
            return list(await session.scalars(query))

    async def audit(self) -> list[AuditEvent]:
        async with self.database.tenant_session(await self.id()) as session:
            return list(await session.scalars(select(AuditEvent).order_by(col(AuditEvent.created_at))))


@pytest.fixture
def acme(database: Database, vault: Vault) -> Acme:
    return Acme(database, vault)


async def test_a_new_tenant_is_made_with_all_that_its_manifest_names(acme: Acme) -> None:
    assert await acme.apply() == [
        f"+ tenant {acme.slug}",
        "+ employee ada: version 1",
        "+ employee bert: version 1",
        "+ connection main-slack: slack",
        "+ binding main-slack/C1: bert",
        "+ connection test: console",
    ]

    async with acme.database.tenant_session(await acme.id()) as session:
        tenant = (await session.scalars(select(Tenant))).one()
        employees = {row.key: row for row in await session.scalars(select(Employee))}
        slack = (await session.scalars(select(Connection).where(Connection.kind == "slack"))).one()
        console = (await session.scalars(select(Connection).where(Connection.kind == "console"))).one()
        binding = (await session.scalars(select(EmployeeBinding))).one()
        account = await connections.open_account(session, acme.vault, ConnectionId(slack.id))
    assert (tenant.name, tenant.models, tenant.limits) == ("Acme Bikes", [], {"contact": "20/minute"})
    assert (slack.account, slack.employee_id) == (f"-/{acme.team}", employees["ada"].id)
    assert slack.external == {"team_id": acme.team, "bot_user_id": "U012AB3CD"}
    assert (console.account, console.sealed_secrets) == (acme.slug, None)
    assert (binding.connection_id, binding.channel, binding.employee_id) == (slack.id, "C1", employees["bert"].id)
    assert account.secrets == {"bot_token": SecretStr("xoxb-first-canary")}
    [version] = await acme.versions()
    assert (version.number, version.name, version.system_prompt) == (1, "Ada", "Be brief.")
    found = await connections.find(acme.database, "slack", f"-/{acme.team}")
    assert found is not None
    assert found.connection_id == slack.id


async def test_applied_again_nothing_is_written(acme: Acme) -> None:
    await acme.apply()
    before = (await acme.connection(), await acme.versions(), await acme.audit())

    assert await acme.apply() == []

    assert (await acme.connection(), await acme.versions(), await acme.audit()) == before


async def test_a_changed_employee_is_published_as_a_new_version(acme: Acme) -> None:
    await acme.apply()
    acme.change("role: Front desk", "role: Sales\n    persona: Warm.")

    assert await acme.apply() == ["~ employee ada: version 2 (role, persona)"]

    assert [(version.number, version.role) for version in await acme.versions()] == [(1, "Front desk"), (2, "Sales")]
    assert len(await acme.versions("bert")) == 1
    async with acme.database.tenant_session(await acme.id()) as session:
        published = await session.scalar(select(Employee.published_version).where(Employee.key == "ada"))
    assert published == 2


async def test_what_is_taken_out_goes_back_to_its_default(acme: Acme) -> None:
    acme.change("role: Front desk", "role: Front desk\n    models: [local/smollm2]")
    await acme.apply()
    acme.change("\n    models: [local/smollm2]", "")
    acme.change("limits: {contact: 20/minute}\n", "models: [local/smollm2]\n")

    assert await acme.apply() == [
        f"~ tenant {acme.slug}: models, limits",
        "~ employee ada: version 2 (models)",
    ]

    assert [version.models for version in await acme.versions()] == [["local/smollm2"], []]


async def test_bindings_follow_the_file(acme: Acme) -> None:
    acme.change("{C1: bert}", "{C1: bert, C2: bert, C3: bert}")
    await acme.apply()
    acme.change("{C1: bert, C2: bert, C3: bert}", "{C1: bert, C2: ada, C4: bert}")

    assert await acme.apply() == [
        "~ binding main-slack/C2: ada",
        "- binding main-slack/C3",
        "+ binding main-slack/C4: bert",
    ]

    assert await acme.apply() == []


async def test_employees_and_connections_that_the_file_leaves_out_are_left_and_named(acme: Acme) -> None:
    await acme.apply()
    acme.change("  test:\n    kind: console\n    employee: ada\n", "")
    acme.change("  bert:\n    name: Bert\n    role: Workshop\n    system_prompt: Ask which bike it is.\n", "")
    acme.change("{C1: bert}", "{C1: ada}")

    left = [
        "= employee bert: not in the file, left as it is",
        "= connection test: not in the file, left as it is",
    ]
    assert sorted(await acme.apply()) == sorted([*left, "~ binding main-slack/C1: ada"])
    assert await acme.apply() == left
    assert (await acme.connection("test")).status == "active"


async def test_a_new_token_replaces_the_old_one_and_revives_the_connection(acme: Acme) -> None:
    await acme.apply()
    connection = await acme.connection()
    async with acme.database.tenant_session(await acme.id()) as session:
        await connections.mark(
            session, ConnectionId(connection.id), status="revoked", reason="token_revoked", actor="slack"
        )
    assert await acme.apply() == []
    assert (await acme.connection()).status == "revoked"

    assert await acme.apply("xoxb-second-canary") == ["~ connection main-slack: bot_token replaced, active again"]

    connection = await acme.connection()
    assert (connection.status, connection.status_reason) == ("active", None)
    async with acme.database.tenant_session(await acme.id()) as session:
        account = await connections.open_account(session, acme.vault, ConnectionId(connection.id))
    assert account.secrets == {"bot_token": SecretStr("xoxb-second-canary")}


async def test_a_connection_can_move_to_another_employee_and_into_an_organization(acme: Acme) -> None:
    await acme.apply()
    acme.change("employee: ada\n    channels", "employee: bert\n    enterprise_id: E1\n    channels")

    assert await acme.apply() == ["~ connection main-slack: enterprise_id, employee"]

    connection = await acme.connection()
    assert connection.account == f"E1/{acme.team}"
    assert connection.external == {"team_id": acme.team, "enterprise_id": "E1", "bot_user_id": "U012AB3CD"}


async def test_ids_that_were_learnt_otherwise_are_kept_as_long_as_the_account_is_the_same(acme: Acme) -> None:
    await acme.apply()
    async with acme.database.tenant_session(await acme.id()) as session:
        row = (await session.scalars(select(Connection).where(Connection.kind == "slack"))).one()
        row.external = row.external | {"bot_id": "B1"}

    assert await acme.apply() == []
    assert (await acme.connection()).external["bot_id"] == "B1"

    acme.change(acme.team, f"{acme.team}X")
    assert await acme.apply() == ["~ connection main-slack: team_id, bot_id"]
    assert (await acme.connection()).external == {"team_id": f"{acme.team}X", "bot_user_id": "U012AB3CD"}


async def test_what_was_changed_is_audited_without_secrets(acme: Acme) -> None:
    await acme.apply()
    acme.change("role: Front desk", "role: Sales")
    await acme.apply("xoxb-second-canary")

    events = await acme.audit()
    assert sorted(event.action for event in events) == [
        "binding.created",
        "connection.changed",
        "connection.created",
        "connection.created",
        "employee.published",
        "employee.published",
        "employee.published",
        "tenant.created",
    ]
    assert {event.actor for event in events} == {"tester"}
    ada = (await acme.versions())[-1]
    [published] = [event for event in events if event.detail.get("version") == 2]
    assert published.detail == {
        "employee_id": str(ada.employee_id),
        "version": 2,
        "version_before": 1,
        "fields": ["role"],
        "changes": {"role": {"before": "Front desk", "after": "Sales"}},
    }
    [changed] = [event for event in events if event.action == "connection.changed"]
    assert changed.detail == {"connection_id": str((await acme.connection()).id), "fields": ["bot_token"]}
    assert "canary" not in str([event.detail for event in events])


async def test_an_account_of_another_tenant_is_refused_without_telling_whose_it_is(
    acme: Acme, database: Database, vault: Vault
) -> None:
    await acme.apply()
    other = Acme(database, vault)
    other.change(other.team, acme.team)

    with pytest.raises(Conflict, match="is already connected elsewhere") as caught:
        await other.apply()

    assert acme.slug not in str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None
    async with database.system_session() as session:
        assert await session.scalar(select(func.find_tenant(other.slug))) is None


async def test_one_account_cannot_have_two_names(acme: Acme) -> None:
    again = f"  again:\n    kind: slack\n    bot_token: ${{TOKEN}}\n    team_id: {acme.team}\n"
    again += "    bot_user_id: U1\n    employee: ada\n"
    text = acme.text
    acme.text += again
    with pytest.raises(
        BadInput, match=r'^tenant\.yaml:24: connections\.again: is the same slack account as "main-slack"'
    ):
        await acme.apply()

    acme.text = text
    await acme.apply()
    acme.change("  main-slack:", "  renamed:")
    with pytest.raises(BadInput, match=r'tenant\.yaml:14: connections\.renamed: is already connected as "main-slack"'):
        await acme.apply()


async def test_a_connection_does_not_become_one_of_another_kind(acme: Acme) -> None:
    await acme.apply()
    acme.change(
        "  test:\n    kind: console",
        f"  test:\n    kind: slack\n    bot_token: xoxb-1\n    team_id: {acme.team}X\n    bot_user_id: U1",
    )

    with pytest.raises(BadInput, match=r"tenant\.yaml:22: connections\.test\.kind: is console so far"):
        await acme.apply()


async def test_ids_that_the_file_leaves_out_are_asked_from_slack(acme: Acme) -> None:
    async def identify(token: SecretStr) -> dict[str, str | None]:
        assert token == SecretStr("xoxb-first-canary")
        return {"enterprise_id": None, "team_id": acme.team, "app_id": "A1", "bot_user_id": "U9", "bot_id": "B1"}

    acme.change(f"    team_id: {acme.team}\n    bot_user_id: U012AB3CD\n", "")

    await acme.apply(identify=identify)

    connection = await acme.connection()
    assert connection.account == f"-/{acme.team}"
    assert connection.external == {"team_id": acme.team, "app_id": "A1", "bot_user_id": "U9", "bot_id": "B1"}
    assert await acme.apply(identify=identify) == []


async def test_an_organization_that_is_named_alone_is_connected_as_a_whole(acme: Acme) -> None:
    organization = f"E{acme.team}"

    async def identify(token: SecretStr) -> dict[str, str | None]:
        return {"enterprise_id": organization, "team_id": acme.team, "bot_user_id": "U9"}

    acme.change(f"    team_id: {acme.team}\n    bot_user_id: U012AB3CD\n", f"    enterprise_id: {organization}\n")

    await acme.apply(identify=identify)

    assert (await acme.connection()).account == f"{organization}/-"


async def test_a_token_of_another_workspace_is_noticed(acme: Acme) -> None:
    async def identify(token: SecretStr) -> dict[str, str | None]:
        return {"team_id": "T0THER", "bot_user_id": "U9"}

    acme.change("    bot_user_id: U012AB3CD\n", "")

    with pytest.raises(BadInput, match=r"^tenant\.yaml:17: connections\.main-slack\.team_id: is not what Slack says"):
        await acme.apply(identify=identify)


async def test_a_token_that_slack_refuses_is_told_with_its_line_and_an_outage_as_an_outage(acme: Acme) -> None:
    async def refuse(token: SecretStr) -> dict[str, str | None]:
        raise ConnectionDead("invalid_auth", "invalid_auth")

    async def be_away(token: SecretStr) -> dict[str, str | None]:
        raise ChannelUnavailable("Slack does not answer.")

    acme.change("    bot_user_id: U012AB3CD\n", "")

    with pytest.raises(BadInput, match=r"^tenant\.yaml:16: connections\.main-slack\.bot_token: .*invalid_auth"):
        await acme.apply(identify=refuse)
    with pytest.raises(ChannelUnavailable):
        await acme.apply(identify=be_away)


@pytest.mark.parametrize("left_out", ["team_id", "bot_user_id"])
async def test_ids_are_needed_when_slack_cannot_be_asked(acme: Acme, left_out: str) -> None:
    acme.text = "\n".join(line for line in acme.text.splitlines() if not line.startswith(f"    {left_out}:"))

    with pytest.raises(BadInput, match=rf"^tenant\.yaml:14: connections\.main-slack\.{left_out}: is missing"):
        await acme.apply()


async def test_a_tenant_that_several_create_at_once_is_made_once(acme: Acme) -> None:
    changes = await asyncio.gather(*(acme.apply() for _ in range(5)))

    assert sorted(len(each) for each in changes) == [0, 0, 0, 0, 6]


async def test_a_change_that_several_apply_at_once_is_published_once(acme: Acme) -> None:
    await acme.apply()
    carl = "  carl:\n    name: Carl\n    role: Rental\n    system_prompt: Be brief.\n"
    acme.change("role: Front desk", "role: Sales")
    acme.change("connections:\n", f"{carl}connections:\n")

    changes = await asyncio.gather(*(acme.apply() for _ in range(5)))

    assert sorted(len(each) for each in changes) == [0, 0, 0, 0, 2]
    assert [version.number for version in await acme.versions("ada")] == [1, 2]
    assert [version.number for version in await acme.versions("carl")] == [1]


async def test_the_same_keys_of_two_tenants_do_not_meet(acme: Acme, database: Database, vault: Vault) -> None:
    other = Acme(database, vault)
    await acme.apply()
    await other.apply()
    other.change("role: Front desk", "role: Sales")
    await other.apply()

    assert await acme.apply() == []
    assert [version.role for version in await acme.versions()] == ["Front desk"]
    assert (await acme.connection()).id != (await other.connection()).id
