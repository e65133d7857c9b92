"""FileSource over Slack: files lie at addresses of Slack's that want the bot's token, and are asked of nobody else."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Final
from urllib.parse import SplitResult, urljoin, urlsplit

import aiohttp
from pydantic import SecretStr

from konstruct.adapters.slack_calls import SlackCalls, answered, token_of
from konstruct.adapters.waits import retry_after
from konstruct.errors import ChannelRateLimited, ChannelRefused, ChannelUnavailable
from konstruct.ports import ChannelAccount

MOST_REDIRECTS: Final = 5
PIECE: Final = 65_536
PATIENCE: Final = timedelta(seconds=15)
"""For the next piece of a file."""

_HOSTS: Final = ("slack.com", "slack-edge.com", "slack-files.com")


class SlackFiles:
    def __init__(
        self, session: aiohttp.ClientSession, api_url: str, *, time_limit: timedelta = timedelta(seconds=10)
    ) -> None:
        self._session = session
        self._calls = SlackCalls(session, api_url, time_limit)
        self._own = urlsplit(api_url)

    async def fetch(self, account: ChannelAccount, reference: str, *, most_bytes: int) -> AsyncIterator[bytes]:
        told = json.loads(reference)
        url = told.get("url") or await self._address(account, str(told.get("id")))
        try:
            async with self._asked(url, token_of(account)) as answer:
                _check(answer, most_bytes)
                length = 0
                async for piece in answer.content.iter_chunked(PIECE):
                    length += len(piece)
                    if length > most_bytes:
                        raise _too_big(most_bytes)
                    yield piece
        except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as error:
            raise ChannelUnavailable(f"The file could not be fetched from Slack ({type(error).__name__}).") from error

    async def _address(self, account: ChannelAccount, file_id: str) -> str:
        async with self._calls.client(token_of(account), is_send=False) as slack:
            file = answered(await slack.files_info(file=file_id)).get("file") or {}
        url = file.get("url_private_download") or file.get("url_private")
        if not isinstance(url, str) or not url:
            raise ChannelRefused("Slack keeps no content of this file.", "no_content")
        return url

    @asynccontextmanager
    async def _asked(self, url: str, token: SecretStr) -> AsyncIterator[aiohttp.ClientResponse]:
        """Redirects are followed here: on its way to another host of Slack's a request would lose its token, and it
        must not take it anywhere else."""
        headers = {"Authorization": f"Bearer {token.get_secret_value()}"}
        for _ in range(MOST_REDIRECTS):
            if not is_slacks(url, self._own):
                raise ChannelRefused("The file lies outside of Slack.", "foreign_host")
            timeout = aiohttp.ClientTimeout(total=None, sock_connect=4, sock_read=PATIENCE.total_seconds())
            async with self._session.get(url, headers=headers, allow_redirects=False, timeout=timeout) as answer:
                if answer.status not in (301, 302, 303, 307, 308):
                    yield answer
                    return
                url = urljoin(url, answer.headers.get("Location", ""))
        raise ChannelRefused("Slack sends from one address to the next.", "too_many_redirects")


def is_slacks(url: str, api: SplitResult) -> bool:
    """``api``: where the Web API is, which is Slack's whatever it is called."""
    parts = urlsplit(url)
    if (parts.scheme, parts.netloc) == (api.scheme, api.netloc):
        return True
    host = (parts.hostname or "").lower()
    is_known = any(host == known or host.endswith(f".{known}") for known in _HOSTS)
    return parts.scheme == "https" and is_known and parts.port in (None, 443) and "@" not in parts.netloc


def _check(answer: aiohttp.ClientResponse, most_bytes: int) -> None:
    if answer.status == 429:
        raise ChannelRateLimited("Slack asks to be called less often.", retry_after(answer.headers))
    if answer.status >= 500 or answer.status == 408:
        raise ChannelUnavailable(f"Slack failed to answer (HTTP {answer.status}).")
    if answer.status != 200:
        raise ChannelRefused(f"The file is gone, or may not be fetched (HTTP {answer.status}).", "gone")
    # Whoever may not have a file gets a page to sign in at, as if that were it. What is handed out is an attachment.
    is_attached = answer.headers.get("Content-Disposition", "").lower().startswith("attachment")
    if answer.content_type == "text/html" and not is_attached:
        raise ChannelRefused("The app may not read files: it lacks files:read, or its token is dead.", "no_access")
    if (answer.content_length or 0) > most_bytes:
        raise _too_big(most_bytes)


def _too_big(most_bytes: int) -> ChannelRefused:
    return ChannelRefused(f"it is larger than {most_bytes // 1_000_000} MB", "too_big")
