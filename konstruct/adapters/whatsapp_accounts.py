"""What the Graph API tells of a WhatsApp account to whoever is about to connect it."""

import hashlib
import hmac
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final, TypeVar

import aiohttp
from pydantic import SecretStr

from konstruct.adapters.whatsapp_calls import answered, translated
from konstruct.connecting.whatsapp_ports import NumberFacts, TemplateFacts, TokenFacts
from konstruct.errors import ChannelRefused, ConnectionDead

Read = TypeVar("Read")

TIME_LIMIT: Final = timedelta(seconds=8)
"""Somebody sits before the form."""
PAGE_SIZE: Final = "100"
MOST_PAGES: Final = 10


class GraphAccounts:
    """The port ``WhatsAppAccounts``."""

    def __init__(self, session: aiohttp.ClientSession, api_url: str) -> None:
        self._session = session
        self._api_url = api_url

    async def token(self, access_token: SecretStr) -> TokenFacts:
        # Meta has no other way: what is asked about is named in the query, over TLS.
        query = {"input_token": access_token.get_secret_value()}
        async with translated(TIME_LIMIT, is_send=False):
            data = (await self._call("GET", access_token, "debug_token", query))["data"]
            if data.get("is_valid") is False:
                raise ConnectionDead("Meta does not accept the access token.", "190")
            expires_at = data.get("expires_at") or 0
            return TokenFacts(
                app_id=str(data["app_id"]),
                app_name=str(data.get("application") or ""),
                scopes=frozenset(data.get("scopes") or ()),
                expires_at=datetime.fromtimestamp(expires_at, UTC) if expires_at else None,
            )

    async def number(self, access_token: SecretStr, phone_number_id: str) -> NumberFacts:
        query = {"fields": "id,display_phone_number,verified_name,quality_rating"}
        async with translated(TIME_LIMIT, is_send=False):
            found = await self._call("GET", access_token, phone_number_id, query)
            return NumberFacts(
                phone_number_id=str(found["id"]),
                display_phone_number=str(found["display_phone_number"]),
                verified_name=str(found.get("verified_name") or ""),
                quality=str(found.get("quality_rating") or ""),
            )

    async def numbers_of(self, access_token: SecretStr, waba_id: str) -> frozenset[str]:
        found = await self._pages(access_token, f"{waba_id}/phone_numbers", lambda number: str(number["id"]), "id")
        return frozenset(found)

    async def proves(self, access_token: SecretStr, app_secret: SecretStr) -> bool:
        secret, token = app_secret.get_secret_value().encode(), access_token.get_secret_value().encode()
        query = {"fields": "id", "appsecret_proof": hmac.new(secret, token, hashlib.sha256).hexdigest()}
        try:
            async with translated(TIME_LIMIT, is_send=False):
                await self._call("GET", access_token, "me", query)
        except ChannelRefused as refusal:
            # The token is good: it was asked about before. So it is the proof that Meta does not accept.
            if refusal.code == "100":
                return False
            raise
        return True

    async def subscribed_apps(self, access_token: SecretStr, waba_id: str) -> frozenset[str]:
        return frozenset(await self._pages(access_token, f"{waba_id}/subscribed_apps", _app_id))

    async def subscribe(self, access_token: SecretStr, waba_id: str) -> None:
        async with translated(TIME_LIMIT, is_send=False):
            await self._call("POST", access_token, f"{waba_id}/subscribed_apps", {})

    async def unsubscribe(self, access_token: SecretStr, waba_id: str) -> None:
        async with translated(TIME_LIMIT, is_send=False):
            await self._call("DELETE", access_token, f"{waba_id}/subscribed_apps", {})

    async def templates(self, access_token: SecretStr, waba_id: str) -> tuple[TemplateFacts, ...]:
        fields = "name,language,status,components"
        return tuple(await self._pages(access_token, f"{waba_id}/message_templates", _template, fields))

    async def _pages(
        self, access_token: SecretStr, path: str, read: Callable[[Mapping[str, Any]], Read], fields: str = ""
    ) -> list[Read]:
        found: list[Read] = []
        query = {"limit": PAGE_SIZE} | ({"fields": fields} if fields else {})
        async with translated(TIME_LIMIT, is_send=False):
            for _ in range(MOST_PAGES):
                page = await self._call("GET", access_token, path, query)
                found += map(read, page["data"])
                paging = page.get("paging") or {}
                if "next" not in paging:
                    break
                # The address of the next page carries the token; only its cursor is taken.
                query["after"] = paging["cursors"]["after"]
        return found

    async def _call(
        self, method: str, access_token: SecretStr, path: str, query: Mapping[str, str]
    ) -> Mapping[str, Any]:
        headers = {"Authorization": f"Bearer {access_token.get_secret_value()}"}
        request = self._session.request(
            method, f"{self._api_url}{path}", headers=headers, params=query, allow_redirects=False
        )
        async with request as answer:
            return await answered(answer)


def _app_id(subscribed: Mapping[str, Any]) -> str:
    return str(subscribed["whatsapp_business_api_data"]["id"])


def _template(template: Mapping[str, Any]) -> TemplateFacts:
    return TemplateFacts(
        name=str(template["name"]),
        language=str(template["language"]),
        is_approved=template.get("status") == "APPROVED",
        takes_values="{{" in str(template.get("components")),
    )
