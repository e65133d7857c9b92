"""A program that uses the REST API over HTTP, as a customer's would."""

import io
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, cast

import aiohttp

from gateway.api.outside import Outside
from konstruct import api_keys
from konstruct.api_keys import SCOPES
from tests.support.office import Office

NOTHING_OUTSIDE: Final = Outside(**dict.fromkeys(Outside.__dataclass_fields__, cast(Any, None)))
"""For a gateway whose tests ask for nothing that leads outside."""


@dataclass(frozen=True)
class Answer:
    status: int
    body: Any
    """Parsed, where it is JSON."""
    headers: Mapping[str, str]


@dataclass(frozen=True)
class Program:
    url: str
    """Of the gateway."""
    key: str | None
    office: Office | None = None

    async def call(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        raw: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        sent = {"Authorization": f"Bearer {self.key}"} if self.key is not None else {}
        content = json.dumps(body).encode() if raw is None and body is not None else raw
        data = io.BytesIO(content) if content is not None else None
        async with (
            aiohttp.ClientSession() as client,
            client.request(
                method,
                f"{self.url}/api/v1{path}",
                data=data,
                headers={**sent, **(headers or {})},
                allow_redirects=False,
            ) as answer,
        ):
            text = await answer.read()
            is_json = answer.content_type == "application/json"
            return Answer(answer.status, json.loads(text) if is_json and text else text, answer.headers)

    async def get(self, path: str) -> Answer:
        return await self.call("GET", path)

    async def post(self, path: str, body: Any = None) -> Answer:
        return await self.call("POST", path, body)


async def program_of(office: Office, url: str, *scopes: str, name: str = "back-office") -> Program:
    """With all scopes unless some are named."""
    async with office.session() as session:
        key = await api_keys.make(session, office.tenant_id, name, scopes or SCOPES, actor="test")
    return Program(url, key.get_secret_value(), office)
