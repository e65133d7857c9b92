"""What is typed of a WhatsApp number is asked of Meta; each value that is wrong is told, and what to do about it."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import replace

import pytest
from pydantic import SecretStr

from konstruct.adapters.slack import open_session
from konstruct.adapters.whatsapp_accounts import GraphAccounts
from konstruct.connecting import whatsapp_checks
from konstruct.connecting.whatsapp_checks import Findings, Values
from tests.support.graph_double import App, GraphDouble, Number

OTHER_APP = App("99", "Shop's own", "0123456789abcdef")


@pytest.fixture
async def graph() -> AsyncIterator[GraphDouble]:
    async with GraphDouble().running() as graph:
        yield graph


@pytest.fixture
def number(graph: GraphDouble) -> Number:
    return graph.add_number("+1 555 078 3881")


@pytest.fixture
def right(number: Number) -> Values:
    return Values(SecretStr(number.token), number.phone_number_id, number.waba_id)


@pytest.fixture
async def accounts(graph: GraphDouble) -> AsyncIterator[GraphAccounts]:
    async with open_session() as session:
        yield GraphAccounts(session, graph.api_url)


@pytest.fixture
def deployment(graph: GraphDouble) -> Sequence[SecretStr]:
    return (SecretStr("of-before"), SecretStr(graph.app_secret))


async def test_values_that_are_right(
    accounts: GraphAccounts, graph: GraphDouble, number: Number, right: Values, deployment: Sequence[SecretStr]
) -> None:
    graph.approve_template(number, "come_back")
    graph.approve_template(number, "with_name", places=1)
    graph.approve_template(number, "not_yet").state = "pending"

    found = await whatsapp_checks.check(
        accounts, replace(right, template="come_back/en"), deployment, is_held_elsewhere=False
    )

    assert found.is_good
    assert said(found) == {
        "access_token": ("ok", "Good, without an end, of the Meta app “Acme Messaging”."),
        "phone_number_id": ("ok", "+1 555 078 3881 · Acme Bikes, quality high."),
        "waba_id": ("ok", "+1 555 078 3881 is a number of this account."),
        "app_secret": ("ok", "Not needed: the token is of this deployment's own Meta app."),
        "subscription": ("failed", "The app is not told of the account's messages yet: press “Subscribe”."),
        "template": ("ok", ""),
    }
    assert [template.name for template in found.templates] == ["come_back"]

    await accounts.subscribe(SecretStr(number.token), number.waba_id)
    found = await whatsapp_checks.check(accounts, right, deployment, is_held_elsewhere=False)
    assert found.checks["subscription"].state == "ok"
    await accounts.unsubscribe(SecretStr(number.token), number.waba_id)
    assert await accounts.subscribed_apps(SecretStr(number.token), number.waba_id) == frozenset()


@pytest.mark.parametrize(
    ("changed", "field", "says"),
    [
        ({"access_token": SecretStr("EAAGmadeupmadeupmadeup")}, "access_token", "Meta does not accept this token"),
        ({"access_token": SecretStr("my token")}, "access_token", "This is no access token"),
        ({"phone_number_id": "106540352242922"}, "phone_number_id", "Meta knows no phone number with this id"),
        ({"phone_number_id": "+1 555 078 3881"}, "phone_number_id", "This is a phone number"),
        ({"phone_number_id": "acme"}, "phone_number_id", "made of digits alone"),
        ({"waba_id": "102290129340398"}, "waba_id", "Meta knows no WhatsApp Business Account with this id"),
        ({"waba_id": "../me"}, "waba_id", "made of digits alone"),
        ({"app_secret": SecretStr("fedcba9876543210")}, "app_secret", "This is not the secret of the Meta app"),
        ({"app_secret": SecretStr("not a secret")}, "app_secret", "This is no app secret"),
        ({"template": "come_back/en"}, "template", "There is no such template"),
    ],
)
async def test_each_wrong_value_is_told(
    accounts: GraphAccounts,
    right: Values,
    deployment: Sequence[SecretStr],
    changed: dict[str, object],
    field: whatsapp_checks.Field,
    says: str,
) -> None:
    wrong = replace(right, **changed)  # type: ignore[arg-type]  # One of its fields.
    found = await whatsapp_checks.check(accounts, wrong, deployment, is_held_elsewhere=False)
    assert (found.checks[field].state, found.is_good) == ("failed", False)
    assert says in found.checks[field].says
    others = [check for name, check in found.checks.items() if name not in (field, "subscription")]
    assert all(check.state in ("ok", "waiting") for check in others)


async def test_a_number_of_another_account_of_the_same_token(
    accounts: GraphAccounts, graph: GraphDouble, number: Number, right: Values, deployment: Sequence[SecretStr]
) -> None:
    other = graph.add_number(token=number.token)
    found = await whatsapp_checks.check(
        accounts, replace(right, waba_id=other.waba_id), deployment, is_held_elsewhere=False
    )
    assert said(found)["waba_id"] == ("failed", "+1 555 078 3881 is a number of another business account.")
    swapped = replace(right, phone_number_id=right.waba_id)
    found = await whatsapp_checks.check(accounts, swapped, deployment, is_held_elsewhere=False)
    assert "the same as the account id" in found.checks["phone_number_id"].says


async def test_a_token_that_may_too_little_or_not_for_long(
    accounts: GraphAccounts, graph: GraphDouble, number: Number, right: Values, deployment: Sequence[SecretStr]
) -> None:
    number.token_expires_at = int(graph.world.now()) + 3_600
    found = await whatsapp_checks.check(accounts, right, deployment, is_held_elsewhere=False)
    assert found.checks["access_token"].state == "warning"
    assert "after that nobody is answered" in found.checks["access_token"].says
    assert found.is_good

    number.token_expires_at = 1
    found = await whatsapp_checks.check(accounts, right, deployment, is_held_elsewhere=False)
    assert "has expired, was revoked" in found.checks["access_token"].says

    number.token_expires_at, number.scopes = 0, frozenset({"whatsapp_business_management"})
    found = await whatsapp_checks.check(accounts, right, deployment, is_held_elsewhere=False)
    assert found.checks["access_token"].says.startswith("The token lacks whatsapp_business_messaging.")


async def test_a_token_of_another_app_needs_that_apps_secret(
    accounts: GraphAccounts, number: Number, right: Values, deployment: Sequence[SecretStr]
) -> None:
    number.app = OTHER_APP
    found = await whatsapp_checks.check(accounts, right, deployment, is_held_elsewhere=False)
    assert found.checks["app_secret"].says.startswith("Needed here: without the secret of the Meta app “Shop's own”")
    assert not found.is_good
    own = replace(right, app_secret=SecretStr(OTHER_APP.secret))
    found = await whatsapp_checks.check(accounts, own, deployment, is_held_elsewhere=False)
    assert said(found)["app_secret"] == ("ok", "The secret of the Meta app “Shop's own”.")
    found = await whatsapp_checks.check(accounts, right, (), is_held_elsewhere=False)
    assert found.checks["app_secret"].state == "failed"


async def test_what_is_not_filled_in_yet_is_waited_for(
    accounts: GraphAccounts, graph: GraphDouble, right: Values, deployment: Sequence[SecretStr]
) -> None:
    empty = await whatsapp_checks.check(accounts, Values(), deployment, is_held_elsewhere=False)
    assert {check.state for name, check in empty.checks.items() if name != "template"} == {"waiting"}
    assert not empty.is_good
    assert graph.calls == []
    found = await whatsapp_checks.check(accounts, replace(right, waba_id=""), deployment, is_held_elsewhere=False)
    assert (found.checks["waba_id"].state, found.checks["phone_number_id"].state) == ("waiting", "ok")


async def test_a_number_that_another_tenant_has(
    accounts: GraphAccounts, right: Values, deployment: Sequence[SecretStr]
) -> None:
    found = await whatsapp_checks.check(accounts, right, deployment, is_held_elsewhere=True)
    assert "connected elsewhere" in found.checks["phone_number_id"].says
    assert not found.is_good


async def test_while_meta_is_away_nothing_is_called_wrong(
    accounts: GraphAccounts, graph: GraphDouble, right: Values, deployment: Sequence[SecretStr]
) -> None:
    graph.fail_next("token", code=2)
    found = await whatsapp_checks.check(accounts, right, deployment, is_held_elsewhere=False)
    assert (found.checks["access_token"].state, found.is_good) == ("waiting", False)
    assert "Try again" in found.checks["access_token"].says


def said(found: Findings) -> dict[whatsapp_checks.Field, tuple[str, str]]:
    return {name: (check.state, check.says) for name, check in found.checks.items()}
