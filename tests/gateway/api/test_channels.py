"""Channels over the API: who serves them, what a WhatsApp number lacks, connecting one, and taking one out of use."""

from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import pytest
from pydantic import SecretStr

from gateway import app as gateway_app
from konstruct import connections
from konstruct.connections import ConnectionRef
from konstruct.db import Database
from konstruct.identity import ConnectionId
from konstruct.settings import Settings
from konstruct.vault import Vault
from tests.gateway.office import Office, add_workspace, open_office
from tests.gateway.programs import Program, program_of
from tests.support.graph_double import GraphDouble, Number
from tests.support.http import serve
from tests.support.office import hire
from tests.support.slack_double import SlackDouble


@pytest.fixture
async def graph() -> AsyncIterator[GraphDouble]:
    async with GraphDouble().running() as graph:
        yield graph


@pytest.fixture
def number(graph: GraphDouble) -> Number:
    return graph.add_number("+1 555 078 3881")


@pytest.fixture
async def deployed(settings: Settings, slack: SlackDouble, graph: GraphDouble) -> AsyncIterator[str]:
    """A gateway that asks a Slack and a Meta of the test's own."""
    here = {
        "slack_api_url": slack.api_url,
        "slack_client_id": slack.client_id,
        "slack_client_secret": SecretStr(slack.client_secret),
        "graph_api_url": graph.api_url,
        "whatsapp_app_secret": (SecretStr(graph.app_secret),),
        "whatsapp_verify_token": SecretStr("our-word"),
        "gateway_public_url": "https://hooks.example",
    }
    async with serve(gateway_app.build(settings.model_copy(update=here))) as url:
        yield url


@pytest.fixture
async def office(slack: SlackDouble, database: Database, vault: Vault) -> Office:
    return await open_office(database, vault, add_workspace(slack))


@pytest.fixture
async def program(deployed: str, office: Office) -> Program:
    return await program_of(office, deployed)


@pytest.fixture
async def bo(office: Office) -> str:
    async with office.session() as session:
        return (await hire(session, office.tenant_id, "bo", "Bo")).key


def values(number: Number, **changed: Any) -> dict[str, Any]:
    right = {"access_token": number.token, "phone_number_id": number.phone_number_id, "waba_id": number.waba_id}
    return right | changed


def wanted(number: Number, **changed: Any) -> dict[str, Any]:
    return values(number, employee="ada", functions=["Repairs", "Opening hours"], **changed)


async def test_who_serves_is_changed(program: Program, office: Office, bo: str) -> None:
    at = f"/channels/{office.connection_id}"
    served = await program.call("PUT", f"{at}/employee", {"employee": bo})
    bound = await program.call("PUT", f"{at}/bindings/C0123ABCD", {"employee": "ada"})
    described = await program.call("PUT", f"{at}/functions", {"functions": ["Repairs", " Repairs "]})
    nobody = await program.call("PUT", f"{at}/employee", {"employee": "nobody"})
    no_room = await program.call("PUT", f"{at}/bindings/general", {"employee": "ada"})
    too_long = await program.call("PUT", f"{at}/functions", {"functions": ["x" * 121]})

    assert (served.status, served.body["employee"]["key"]) == (200, "bo")
    assert bound.body["bindings"] == [
        {"channel": "C0123ABCD", "employee": {"key": "ada", "name": "Ada", "is_archived": False}}
    ]
    assert described.body["functions"] == ["Repairs"]
    assert (nobody.status, "employee" in nobody.body["fields"]) == (422, True)
    assert (no_room.status, too_long.status) == (422, 422)
    unbound = await program.call("DELETE", f"{at}/bindings/C0123ABCD")
    assert (unbound.status, unbound.body["bindings"]) == (200, [])
    [listed] = (await program.get("/channels")).body["channels"]
    assert listed == unbound.body == (await program.get(at)).body
    assert (listed["kind"], listed["status"]) == ("slack", "active")
    assert office.bot_token not in str(listed)
    for action in ("connection.served", "connection.bound", "connection.described", "connection.unbound"):
        assert [event.actor for event in await office.events(action)] == ["api:back-office"]


async def test_a_workspace_is_left_and_disconnected(program: Program, office: Office, slack: SlackDouble) -> None:
    gone = await program.call("DELETE", f"/channels/{office.connection_id}")
    again = await program.call("DELETE", f"/channels/{office.connection_id}")

    assert (gone.status, gone.body["channel"]["status"], gone.body["left_to_do"]) == (200, "disconnected", None)
    assert "apps.uninstall" in [call.method for call in slack.calls]
    assert again.status == 200
    assert len(await office.events("connection.disconnected")) == 1


async def test_the_console_stays(program: Program, office: Office, vault: Vault) -> None:
    async with office.session() as session:
        console = await connections.install(
            *(session, vault, office.tenant_id),
            key="console",
            kind="console",
            account=f"console/{office.tenant_id}",
            external={},
            secrets={},
            employee_key="ada",
            actor="test",
        )
    assert (await program.call("DELETE", f"/channels/{console}")).status == 409


async def test_a_number_is_checked_subscribed_and_connected(
    program: Program, office: Office, graph: GraphDouble, number: Number, vault: Vault
) -> None:
    graph.approve_template(number, "come_back")
    found = (await program.post("/channels/whatsapp/check", values(number, template="come_back/en"))).body
    told = await program.post("/channels/whatsapp/subscribe", {"access_token": number.token, "waba_id": number.waba_id})
    made = await program.post("/channels/whatsapp", wanted(number, template="come_back/en"))
    again = await program.post("/channels/whatsapp", wanted(number))

    assert found["is_good"]
    assert {name: check["state"] for name, check in found["checks"].items()} == {
        "access_token": "ok",
        "phone_number_id": "ok",
        "waba_id": "ok",
        "app_secret": "ok",
        "subscription": "failed",
        "template": "ok",
    }
    assert (found["webhook"], found["verify_token"]) == ("https://hooks.example/whatsapp", "our-word")
    assert found["templates"] == [{"name": "come_back", "language": "en"}]
    assert told.status == 204
    assert graph.world.subscribed == {(graph.app.id, number.waba_id)}
    assert (made.status, made.body["kind"], made.body["employee"]["key"]) == (201, "whatsapp", "ada")
    assert made.body["functions"] == ["Repairs", "Opening hours"]
    assert again.body["id"] == made.body["id"]
    async with office.session() as session:
        account = await connections.open_account(session, vault, ConnectionId(made.body["id"]))
    assert account.secrets == {"access_token": SecretStr(number.token)}
    for answer in (found, made.body, (await program.get("/channels")).body):
        assert number.token not in str(answer)


@pytest.mark.parametrize(
    ("field", "wrong", "says"),
    [
        ("access_token", "EAAGmadeupmadeupmadeup", "Meta does not accept this token"),
        ("phone_number_id", "106540352242922", "Meta knows no phone number with this id"),
        ("waba_id", "102290129340398", "Meta knows no WhatsApp Business Account with this id"),
        ("app_secret", "fedcba9876543210", "This is not the secret of the Meta app"),
        ("template", "come_back/en", "There is no such template"),
        ("functions", [" "], "Say what this number is for"),
        ("employee", "nobody", "There is no such employee."),
    ],
)
async def test_each_wrong_value_is_told_by_its_field_and_nothing_is_connected(
    program: Program, number: Number, field: str, wrong: object, says: str
) -> None:
    answer = await program.post("/channels/whatsapp", wanted(number) | {field: wrong})
    assert answer.status == 422
    assert says in answer.body["fields"][field]
    assert number.token not in str(answer.body)
    assert [each["kind"] for each in (await program.get("/channels")).body["channels"]] == ["slack"]


async def test_a_number_of_somebody_else_is_not_taken(
    program: Program, deployed: str, slack: SlackDouble, database: Database, vault: Vault, number: Number
) -> None:
    theirs = await program_of(await open_office(database, vault, add_workspace(slack)), deployed)
    assert (await theirs.post("/channels/whatsapp", wanted(number))).status == 201

    answer = await program.post("/channels/whatsapp", wanted(number))

    assert (answer.status, "connected elsewhere" in answer.body["fields"]["phone_number_id"]) == (422, True)


async def test_what_meta_refuses_is_told(program: Program, number: Number) -> None:
    given = {"access_token": "EAAGmadeupmadeupmadeup", "waba_id": number.waba_id}
    answer = await program.post("/channels/whatsapp/subscribe", given)
    assert (answer.status, answer.body["error"] != "") == (502, True)


async def test_what_a_deployment_lacks_is_told(program: Program, api: str, office: Office) -> None:
    there = (await program.get("/channels/setup")).body
    bare = (await (await program_of(office, api, name="bare")).get("/channels/setup")).body

    assert (there["whatsapp"], [lack["setting"] for lack in there["slack"]]) == ([], ["KONSTRUCT_SLACK_SIGNING_SECRET"])
    assert "KONSTRUCT_SLACK_CLIENT_ID" in [lack["setting"] for lack in bare["slack"]]


async def test_another_tenants_channels_are_not_there(
    program: Program, deployed: str, slack: SlackDouble, database: Database, vault: Vault
) -> None:
    theirs = await open_office(database, vault, add_workspace(slack))
    at = f"/channels/{theirs.connection_id}"
    for method, path, body in (
        ("GET", at, None),
        ("DELETE", at, None),
        ("PUT", f"{at}/employee", {"employee": "ada"}),
        ("PUT", f"{at}/bindings/C1", {"employee": "ada"}),
        ("DELETE", f"{at}/bindings/C1", None),
        ("PUT", f"{at}/functions", {"functions": ["Theft"]}),
        ("GET", f"/channels/{uuid4()}", None),
    ):
        assert (await program.call(method, path, body)).status == 404, (method, path)
    connection = await connections.find(database, "slack", theirs.account)
    assert connection == ConnectionRef(theirs.tenant_id, theirs.connection_id)


async def test_what_needs_somebody_is_told(program: Program, office: Office) -> None:
    nothing = (await program.get("/attention")).body["matters"]
    async with office.session() as session:
        await connections.mark(session, office.connection_id, status="revoked", reason="token_expired", actor="test")

    [matter] = (await program.get("/attention")).body["matters"]

    assert nothing == []
    assert (matter["kind"], matter["channel"]["status"]) == ("connection", "revoked")
