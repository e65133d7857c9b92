"""One call to the Graph API, whose every failure comes out as a ChannelError. Shared by messages and files."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any, Final

import aiohttp

from konstruct.adapters.whatsapp_errors import channel_error
from konstruct.errors import ChannelError, ChannelUnavailable, ConnectionDead, SendUncertain
from konstruct.ports import ChannelAccount

ACCESS_TOKEN: Final = "access_token"  # noqa: S105 - The secret's name in ChannelAccount.secrets.
LONGEST_ANSWER: Final = 1024 * 1024


class GraphCalls:
    """Shares one session among all numbers; each call carries the token of its own."""

    def __init__(self, session: aiohttp.ClientSession, api_url: str, time_limit: timedelta) -> None:
        self._session = session
        self._api_url = api_url
        self._time_limit = time_limit

    async def post(
        self,
        account: ChannelAccount,
        path: str,
        *,
        json: Mapping[str, object] | None = None,
        form: aiohttp.FormData | None = None,
        time_limit: timedelta | None = None,
        is_send: bool = True,
    ) -> Mapping[str, Any]:
        """``is_send``: something may come of it though no answer does."""
        async with translated(time_limit or self._time_limit, is_send=is_send):
            request = self._session.post(
                f"{self._api_url}{path}", headers=bearer(account), json=json, data=form, allow_redirects=False
            )
            async with request as answer:
                return await answered(answer)

    async def get(self, account: ChannelAccount, path: str, query: Mapping[str, str]) -> Mapping[str, Any]:
        async with translated(self._time_limit, is_send=False):
            request = self._session.get(
                f"{self._api_url}{path}", headers=bearer(account), params=query, allow_redirects=False
            )
            async with request as answer:
                return await answered(answer)


def bearer(account: ChannelAccount) -> dict[str, str]:
    token = account.secrets.get(ACCESS_TOKEN)
    if token is None:
        raise ConnectionDead("The connection has no access token.", "no_token")
    return {"Authorization": f"Bearer {token.get_secret_value()}"}


async def answered(answer: aiohttp.ClientResponse) -> Mapping[str, Any]:
    content = bytearray()
    async for piece in answer.content.iter_chunked(65_536):
        content += piece
        if len(content) > LONGEST_ANSWER:
            raise ValueError("The answer has no end.")
    try:
        body = json.loads(content)
    except ValueError:
        body = None
    if answer.status != 200 or (isinstance(body, dict) and "error" in body):
        raise channel_error(answer.status, answer.headers, body)
    if not isinstance(body, dict):
        raise ValueError("The answer is no JSON object.")
    return body


@asynccontextmanager
async def translated(time_limit: timedelta, *, is_send: bool) -> AsyncIterator[None]:
    try:
        async with asyncio.timeout(time_limit.total_seconds()):
            yield
    except Exception as failure:
        error = _meaning(failure)
        if isinstance(error, SendUncertain) and not is_send:
            error = ChannelUnavailable(str(error))
        if error is failure:
            raise
        raise error from failure


def _meaning(failure: Exception) -> ChannelError:
    match failure:
        case aiohttp.ClientConnectorError() | aiohttp.ConnectionTimeoutError() | aiohttp.InvalidURL():
            return ChannelUnavailable("Meta cannot be reached.")
        case ChannelError():
            return failure
        case TimeoutError():
            return SendUncertain("Meta did not answer in time.")
        case aiohttp.ClientError() | OSError():
            return SendUncertain("The connection to Meta broke.")
        case ValueError() | LookupError() | TypeError():
            # Bodies that are none of Graph's, and readers of the rest.
            return SendUncertain("The answer is not one of Meta's.")
    raise failure
