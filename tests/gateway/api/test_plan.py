"""What a plan does not include, over the API: 402 with a sentence, whatever is asked."""

from konstruct.db import Database
from konstruct.vault import Vault
from tests.gateway.programs import Program
from tests.support.billed import bill
from tests.support.members import enrolled
from tests.support.office import Office


async def test_nothing_is_answered_where_the_api_is_not_part_of_the_plan(
    office: Office, database: Database, program: Program
) -> None:
    await bill(database, office.tenant_id, "starter")
    answer = await program.get("/employees")
    assert answer.status == 402
    assert answer.body["error"] == "The API is not part of your plan. Choose a larger plan to use it."

    await bill(database, office.tenant_id, "pro")
    assert (await program.get("/employees")).status == 200


async def test_one_more_than_the_plan_includes_is_refused(
    office: Office, database: Database, vault: Vault, program: Program
) -> None:
    await enrolled(database, vault, tenant=office.tenant_id)
    await bill(database, office.tenant_id, "pro", limits={"employees": 1, "seats": 1})

    employee = await program.call("POST", "/employees", {"name": "Bo"}, headers={"Idempotency-Key": "1"})
    invited = await program.post("/team/invitations", {"email": "bo@example.com", "role": "viewer"})

    assert (employee.status, invited.status) == (402, 402)
    assert "includes 1 employee," in employee.body["error"]
    assert "includes 1 member of the team," in invited.body["error"]


async def test_the_trail_is_exported_where_the_plan_includes_it(
    office: Office, database: Database, program: Program
) -> None:
    await bill(database, office.tenant_id, features=["api"])
    assert (await program.get("/audit/events")).status == 200
    assert (await program.get("/audit/export")).status == 402
    assert await office.events("audit.exported") == []

    await bill(database, office.tenant_id, features=["api", "audit_export"])
    assert (await program.get("/audit/export")).status == 200


async def test_what_rests_is_told(office: Office, database: Database, program: Program) -> None:
    await bill(database, office.tenant_id, limits={"employees": 0, "connections": 0}, features=["api"])

    kinds = {each["kind"]: each["count"] for each in (await program.get("/attention")).body["matters"]}

    assert (kinds["resting_employees"], kinds["resting_connections"]) == (1, 1)
