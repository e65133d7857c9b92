"""The audit trail as its operator meets it: shown, exported, proven by a command, and red when somebody touched it."""

import json

import pytest
from temporalio.client import Client

from tests.acceptance.town import Office, Town
from tests.support.commands import konstruct
from tests.support.processes import until

pytestmark = pytest.mark.stack


async def seal(town: Town) -> None:
    """At once, and not only when the minute is over: waits until no trail waits for its seal or anchor."""
    client = await Client.connect(town.addresses["temporal_address"])
    handle = client.get_schedule_handle("seal")

    async def is_sealed() -> bool:
        await handle.trigger()
        return not await town.rows(
            "select to_jsonb(tenant_id) from audit_heads where is_moved"
            " union all select to_jsonb(tenant_id) from audit_seals where anchored_at is null"
        )

    await until(is_sealed)


async def change(town: Town, office: Office, assignment: str, where: str) -> None:
    """As an administrator of the database can, once the triggers are out of the way."""
    await town.change(
        "alter table audit_events disable trigger append_only;"
        f"update audit_events e set {assignment} from tenants t"
        f" where t.id = e.tenant_id and t.slug = '{office.slug}' and {where};"
        "alter table audit_events enable always trigger append_only"
    )


async def test_a_conversation_is_audited_and_proven_and_a_change_is_named(town: Town) -> None:
    office = await town.new_office()
    talk = office.talk()
    await talk.mention("When are you open?")
    await talk.heard()
    await until(lambda: _has_ended(office))
    [conversation] = await office.rows("conversations")
    of_conversation = ("--tenant", office.slug, "--conversation", conversation["id"])
    await seal(town)

    shown = await konstruct("audit", "list", *of_conversation, env=town.env)
    assert shown.status == 0, shown
    assert [line.split("  ")[2] for line in shown.said.splitlines()] == [
        "message.sent",
        "turn.answered",
        "model.called",
    ]
    assert "When are you open?" not in shown.said
    exported = await konstruct("audit", "export", "--tenant", office.slug, env=town.env)
    file = town.folder / "export.ndjson"
    file.write_text(exported.said)
    assert {json.loads(line).get("action") for line in exported.said.splitlines()} >= {"tenant.created", "model.called"}
    checked = await konstruct("audit", "verify", str(file), env=town.env)
    assert (checked.status, "all that there were" in checked.said) == (0, True), checked
    whole = await konstruct("audit", "verify", env=town.env)
    assert whole.status == 0, whole
    assert whole.said.startswith("Whole: ")
    assert " 0 events came after the last anchor" in whole.said

    await change(town, office, "actor = 'contact'", "e.action = 'turn.answered'")
    red = await konstruct("audit", "verify", env=town.env)
    assert red.status == 1, red
    [answered] = [row for row in await office.rows("audit_events") if row["action"] == "turn.answered"]
    where = f"chain {conversation['id']}, seq {answered['seq']}, event {answered['id']}"
    assert f"BROKEN  {office.slug}: {where}: its hash is not that of what it says" in red.said
    assert "Not whole: 1 breaks" in red.said

    await change(town, office, "actor = 'employee'", "e.action = 'turn.answered'")
    assert (await konstruct("audit", "verify", env=town.env)).status == 0
    edited = town.folder / "edited.ndjson"
    edited.write_text((town.data_dir / "anchors" / "audit.ndjson").read_text().replace('"leaves":1,', '"leaves":2,', 1))
    forged = await konstruct("audit", "verify", "--anchors", str(edited), env=town.env)
    assert (forged.status, "was edited or forged" in forged.said) == (1, True), forged

    [tenant] = await town.rows("select to_jsonb(t) from tenants t where slug = $1", office.slug)
    past_keys = "set session_replication_role = replica;"
    await town.change(f"{past_keys} delete from tenants where slug = '{office.slug}'")
    gone = await konstruct("audit", "verify", env=town.env)
    values = json.dumps(tenant).replace("'", "''")
    await town.change(
        f"{past_keys} insert into tenants select (jsonb_populate_record(null::tenants, '{values}'::jsonb)).*"
    )
    assert gone.status == 1, gone
    assert f"BROKEN  tenant {tenant['id']}: it is anchored, but the database has no such tenant any more" in gone.said


async def _has_ended(office: Office) -> bool:
    return any(row["action"] == "message.sent" for row in await office.rows("audit_events"))
