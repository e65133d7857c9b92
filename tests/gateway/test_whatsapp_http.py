"""Who may post to WhatsApp's webhooks, and what Meta is answered."""

import pytest
from fastapi import FastAPI
from pydantic import SecretStr

from gateway import app as gateway_app
from gateway import whatsapp
from gateway.whatsapp_events import WhatsAppEvents
from konstruct.errors import Misconfigured
from konstruct.settings import Settings
from tests.gateway.conftest import OLD_APP_SECRET, NewNumber, Quarantine
from tests.support.whatsapp_posts import VERIFY_TOKEN, Number, call, post, posted, sign


def asked(mode: str = "subscribe", token: str = VERIFY_TOKEN, challenge: str = "1158201444") -> str:
    return f"hub.mode={mode}&hub.verify_token={token}&hub.challenge={challenge}"


async def test_the_challenge_is_reflected_as_plain_text(hears_whatsapp: FastAPI) -> None:
    answer = await call(hears_whatsapp, "GET", "/whatsapp", query=asked())

    assert (answer.status, answer.body) == (200, b"1158201444")
    assert answer.headers["content-type"].startswith("text/plain")


@pytest.mark.parametrize(
    "query",
    [
        asked(token="wrong"),
        asked(token="%C3%A9"),
        asked(token=""),
        asked(mode="unsubscribe"),
        asked(challenge=""),
        asked(challenge="%3Cscript%3E"),
        asked(challenge="a" * 129),
        "",
    ],
)
async def test_another_question_is_refused(hears_whatsapp: FastAPI, query: str) -> None:
    assert (await call(hears_whatsapp, "GET", "/whatsapp", query=query)).status == 403


@pytest.mark.parametrize("token", ["", "  "])
async def test_without_a_token_the_webhooks_are_never_opened(whatsapp_events: WhatsAppEvents, token: str) -> None:
    with pytest.raises(Misconfigured, match="KONSTRUCT_WHATSAPP_VERIFY_TOKEN"):
        whatsapp.router(whatsapp_events, [], SecretStr(token))


async def test_a_post_with_either_of_two_secrets_is_taken(hears_whatsapp: FastAPI, number: Number) -> None:
    for secret in ("app-secret", OLD_APP_SECRET):
        body = posted(number.messages(number.text(f"Signed with {secret}", wa_id="16505551234")))
        assert (await post(hears_whatsapp, body, secret=secret)).status == 200

    assert len(await number.office.messages("inbound")) == 2


@pytest.mark.parametrize(
    "signature", [b"", b"sha256=", b"sha256=" + b"0" * 64, b"sha1=abc", "sha256=é".encode(), b"\xff\xfe", b"x" * 5000]
)
async def test_a_signature_that_does_not_hold_is_refused(
    hears_whatsapp: FastAPI, number: Number, signature: bytes
) -> None:
    body = posted(number.messages(number.text("Forged", wa_id="16505551234")))

    assert (await post(hears_whatsapp, body, headers=[(b"x-hub-signature-256", signature)])).status == 401
    assert (await post(hears_whatsapp, body, headers=[])).status == 401
    assert (await post(hears_whatsapp, body, secret="")).status == 401
    assert (await post(hears_whatsapp, body + b" ", headers=[(b"x-hub-signature-256", sign(body))])).status == 401
    assert await number.office.messages() == []


async def test_the_signature_is_over_the_bytes_as_they_came(hears_whatsapp: FastAPI, number: Number) -> None:
    spaced = posted(number.messages(number.text("Grüße 👋", wa_id="16505551234"))).replace(b": ", b" :  ")

    assert (await post(hears_whatsapp, spaced)).status == 200
    [message] = await number.office.messages()
    assert message.body == "Grüße 👋"


async def test_a_post_over_the_limit_is_refused(hears_whatsapp: FastAPI) -> None:
    assert (await post(hears_whatsapp, b" " * (whatsapp.MAX_BYTES + 1))).status == 413
    assert (await post(hears_whatsapp, b"{" + b" " * (whatsapp.MAX_BYTES - 2) + b"}")).status == 200


async def test_a_tenant_with_a_meta_app_of_its_own_has_a_path_of_its_own(
    hears_whatsapp: FastAPI, new_number: NewNumber, number: Number
) -> None:
    own = await new_number(app_secret="their-own")
    body = posted(own.messages(own.text("Over our own app", wa_id="16505551234")))

    assert (await post(hears_whatsapp, body, path=f"/whatsapp/{own.phone_number_id}", secret="their-own")).status == 200
    assert len(await own.office.messages()) == 1
    for path, secret in (
        ("/whatsapp", "their-own"),
        (f"/whatsapp/{own.phone_number_id}", "app-secret"),
        (f"/whatsapp/{own.phone_number_id}", ""),
        (f"/whatsapp/{number.phone_number_id}", "their-own"),
        (f"/whatsapp/{number.phone_number_id}", ""),
        ("/whatsapp/nobody", "their-own"),
    ):
        assert (await post(hears_whatsapp, body, path=path, secret=secret)).status == 401, (path, secret)


async def test_whoever_holds_one_tenants_secret_cannot_speak_of_another_tenants_number(
    hears_whatsapp: FastAPI, new_number: NewNumber, number: Number, quarantine: Quarantine
) -> None:
    own = await new_number(app_secret="their-own")
    body = posted(number.messages(number.text("Not theirs to say", wa_id="16505551234")))

    assert (await post(hears_whatsapp, body, path=f"/whatsapp/{own.phone_number_id}", secret="their-own")).status == 200
    assert await number.office.messages() == []
    [kept] = await quarantine()
    assert "not connected" in kept.reason


async def test_a_whole_gateway_hears_whatsapp_where_it_is_set_up(settings: Settings, number: Number) -> None:
    chosen = {"whatsapp_app_secret": (SecretStr("app-secret"),), "whatsapp_verify_token": SecretStr(VERIFY_TOKEN)}
    app = gateway_app.build(settings.model_copy(update=chosen))
    async with app.router.lifespan_context(app):
        assert (await call(app, "GET", "/whatsapp", query=asked())).status == 200
        body = posted(number.messages(number.text("Hello", wa_id="16505551234")))
        assert (await post(app, body)).status == 200
        assert (await post(app, body, secret="another")).status == 401
    assert len(await number.office.messages()) == 1


async def test_a_gateway_without_whatsapp_has_no_such_webhooks(settings: Settings) -> None:
    app = gateway_app.build(settings)
    async with app.router.lifespan_context(app):
        assert (await call(app, "GET", "/whatsapp", query=asked())).status == 404
