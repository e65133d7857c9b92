"""A tenant's WhatsApp number, what Meta posts of it, signed, and a way to post it into an app in process."""

import hashlib
import hmac
import json
import secrets
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from fastapi import FastAPI
from pydantic import SecretStr
from starlette.types import Message

from konstruct.db import Database
from konstruct.vault import Vault
from tests.support import office

APP_SECRET: Final = "app-secret"
VERIFY_TOKEN: Final = "verify-word"

Json = dict[str, Any]


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes


@dataclass(frozen=True)
class Number:
    """A connected number with the office whose it is."""

    office: office.Office
    phone_number_id: str
    waba_id: str

    def wamid(self) -> str:
        return f"wamid.{secrets.token_hex(12)}"

    def text(self, body: str, *, wa_id: str = "", user_id: str = "", **more: Any) -> Json:
        """One message; whose, by either name or both."""
        names = {"from": wa_id, "from_user_id": user_id}
        return {
            "id": self.wamid(),
            "timestamp": str(int(time.time())),
            "type": "text",
            "text": {"body": body},
            **{name: value for name, value in names.items() if value},
            **more,
        }

    def change(self, value: Json, field: str = "messages") -> Json:
        return {
            "field": field,
            "value": {"messaging_product": "whatsapp", "metadata": {"phone_number_id": self.phone_number_id}, **value},
        }

    def entry(self, *changes: Json) -> Json:
        return {"id": self.waba_id, "changes": list(changes)}

    def messages(self, *messages: Json) -> Json:
        return self.entry(self.change({"messages": list(messages)}))

    def status(self, wamid: str, status: str, **more: Any) -> Json:
        one = {"id": wamid, "status": status, "timestamp": str(int(time.time())), **more}
        return self.entry(self.change({"statuses": [one]}))


async def open_number(
    database: Database, vault: Vault, *, external: dict[str, str | None] | None = None, **kept: str
) -> Number:
    """``kept``: secrets besides the access token."""
    number, waba = (str(secrets.randbelow(10**15) + 10**15) for _ in range(2))
    opened = await office.open_office(
        database,
        vault,
        kind="whatsapp",
        account=number,
        external={"phone_number_id": number, "waba_id": waba, **(external or {})},
        secrets_kept={"access_token": SecretStr(f"EAAtoken{number}")}
        | {name: SecretStr(value) for name, value in kept.items()},
    )
    return Number(opened, number, waba)


def posted(*entries: Json) -> bytes:
    """As Meta writes it: ASCII alone."""
    return json.dumps({"object": "whatsapp_business_account", "entry": list(entries)}).encode()


def sign(body: bytes, secret: str = APP_SECRET) -> bytes:
    return b"sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest().encode()


async def post(
    app: FastAPI,
    body: bytes,
    *,
    path: str = "/whatsapp",
    secret: str = APP_SECRET,
    headers: Sequence[tuple[bytes, bytes]] | None = None,
) -> Answer:
    signed = [(b"x-hub-signature-256", sign(body, secret))] if headers is None else list(headers)
    return await call(app, "POST", path, body=body, headers=signed)


async def call(
    app: FastAPI,
    method: str,
    path: str,
    *,
    query: str = "",
    body: bytes = b"",
    headers: Sequence[tuple[bytes, bytes]] = (),
) -> Answer:
    """One request into the app itself, over no network. What the app does not handle is raised."""
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": query.encode(),
        "root_path": "",
        "headers": [(b"host", b"gateway"), (b"content-length", str(len(body)).encode()), *headers],
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 80),
        "state": {},
    }
    said: list[Message] = []

    async def receive() -> Message:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: Message) -> None:
        said.append(message)

    await app(scope, receive, send)
    start, *rest = said
    answered = {name.decode(): value.decode() for name, value in start["headers"]}
    return Answer(start["status"], answered, b"".join(part.get("body", b"") for part in rest))
