"""The files that people send over WhatsApp: the FileSource port. An id leads to an address that lives for minutes."""

import base64
import binascii
import hashlib
import re
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from datetime import timedelta
from typing import Any, Final

import aiohttp
from yarl import URL

from konstruct.adapters.waits import retry_after
from konstruct.adapters.whatsapp_calls import GraphCalls, bearer
from konstruct.errors import ChannelError, ChannelRateLimited, ChannelRefused, ChannelUnavailable, ConnectionDead
from konstruct.ports import ChannelAccount

HOSTS: Final = frozenset({"lookaside.fbsbx.com", "graph.facebook.com"})
HOSTS_BELOW: Final = ".fbcdn.net"
_PIECE: Final = 65_536

_ID = re.compile(r"[0-9A-Za-z_-]{1,128}")


class WhatsAppFiles:
    """Shares one session among all numbers."""

    def __init__(
        self,
        session: aiohttp.ClientSession,
        api_url: str,
        *,
        time_limit: timedelta = timedelta(seconds=10),
        silence_limit: timedelta = timedelta(seconds=20),
    ) -> None:
        """``silence_limit``: how long a download may stand still."""
        self._session = session
        self._api = URL(api_url)
        self._calls = GraphCalls(session, api_url, time_limit)
        self._timeout = aiohttp.ClientTimeout(
            total=None, sock_connect=time_limit.total_seconds(), sock_read=silence_limit.total_seconds()
        )

    async def fetch(self, account: ChannelAccount, reference: str, *, most_bytes: int) -> AsyncGenerator[bytes, None]:
        """What was given of a file that turns out to be another than was announced is worth nothing."""
        if not _ID.fullmatch(reference):
            raise ChannelRefused("This is no id of a file.", "media_id")
        about = await self._about(account, reference, most_bytes)
        try:
            answer = await self._open(account, about)
        except _Expired:
            about = await self._about(account, reference, most_bytes)
            try:
                answer = await self._open(account, about)
            except _Expired as gone:
                raise ChannelRefused("The file is gone.", "media_gone") from gone
        digest, size = hashlib.sha256(), 0
        async with answer:
            async for piece in _pieces(answer):
                size += len(piece)
                if size > most_bytes:
                    raise _too_large(most_bytes)
                digest.update(piece)
                yield piece
        if not _is_digest(about.get("sha256"), digest.digest()):
            raise ChannelUnavailable("The file did not arrive as it was announced.")

    async def _about(self, account: ChannelAccount, media_id: str, most_bytes: int) -> Mapping[str, Any]:
        number = account.external.get("phone_number_id")
        try:
            about = await self._calls.get(account, media_id, {"phone_number_id": number} if number else {})
        except ConnectionDead as death:
            if death.code == "33":
                # Of an object that is not there, which here is the file.
                raise ChannelRefused("The file is gone.", "media_gone") from death
            raise
        size = str(about.get("file_size") or "")
        if size.isascii() and size.isdigit() and int(size[:18]) > most_bytes:
            raise _too_large(most_bytes)
        return about

    async def _open(self, account: ChannelAccount, about: Mapping[str, Any]) -> aiohttp.ClientResponse:
        address = metas_own(about.get("url"), self._api)
        try:
            answer = await self._session.get(
                address, headers=bearer(account), allow_redirects=False, timeout=self._timeout
            )
        except (aiohttp.ClientError, OSError) as failure:
            raise ChannelUnavailable("Meta's files cannot be reached.") from failure
        if answer.status == 200:
            return answer
        answer.close()
        raise _not_given(answer.status, answer.headers)


class _Expired(Exception):
    """The address is no longer good; another can be asked for."""


def metas_own(address: object, api: URL) -> URL:
    """The token goes nowhere but to Meta, or to where the Graph API is configured to be.

    Raises:
        ChannelRefused: the address is another.
    """
    try:
        url = URL(address if isinstance(address, str) else "")
        is_metas = url.scheme == "https" and url.port == 443 and _is_metas(url.host or "")
        if is_metas or url.origin() == api.origin():
            return url
    except ValueError:
        pass
    raise ChannelRefused("The file's address is none of Meta's.", "media_address")


def _is_metas(host: str) -> bool:
    return host in HOSTS or host.endswith(HOSTS_BELOW)


def _not_given(status: int, headers: Mapping[str, str]) -> ChannelError | _Expired:
    if status in {404, 410}:
        return _Expired()
    if status == 401:
        return ConnectionDead("Meta does not accept the access token for its files.", "190")
    if status == 429:
        return ChannelRateLimited("Meta asks to be called less often.", retry_after(headers))
    if status >= 500 or status == 408:
        return ChannelUnavailable(f"Meta failed to give the file (HTTP {status}).")
    return ChannelRefused(f"Meta does not give the file (HTTP {status}).", f"media_{status}")


async def _pieces(answer: aiohttp.ClientResponse) -> AsyncIterator[bytes]:
    try:
        async for piece in answer.content.iter_chunked(_PIECE):
            yield piece
    except (aiohttp.ClientError, OSError) as failure:
        raise ChannelUnavailable("The connection to Meta's files broke.") from failure


def _too_large(most_bytes: int) -> ChannelRefused:
    return ChannelRefused(f"it is larger than {most_bytes / 1_000_000:.3g} MB", "too_big")


def _is_digest(announced: object, found: bytes) -> bool:
    """Meta writes it in base64, and in some of its examples in hex; where it says none, there is none to hold to."""
    if not isinstance(announced, str) or not announced:
        return True
    if len(announced) == 64:
        return announced.lower() == found.hex()
    try:
        return base64.b64decode(announced, validate=True) == found
    except (binascii.Error, ValueError):
        return False
