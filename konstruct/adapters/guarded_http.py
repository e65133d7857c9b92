"""Lends the guarded client of `web` to libraries that bring their own HTTP client, httpx: whatever they ask goes where
`web` lets requests go, and nowhere else.
"""

from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Final

import httpx
import httpx2

from konstruct.errors import WebRefused

_FAILURES: Final[tuple[tuple[type[Exception], type[httpx.TransportError]], ...]] = (
    (httpx2.ConnectTimeout, httpx.ConnectTimeout),
    (httpx2.TimeoutException, httpx.ReadTimeout),
    (httpx2.ConnectError, httpx.ConnectError),
    (WebRefused, httpx.ConnectError),
    (httpx2.TransportError, httpx.ReadError),
)


def lent(guarded: httpx2.AsyncClient) -> httpx.AsyncClient:
    """A client for somebody else's library, which follows no redirect and keeps no cookie. ``guarded`` stays its
    maker's to close."""
    return httpx.AsyncClient(
        transport=_Lent(guarded),
        trust_env=False,
        follow_redirects=False,
        cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),
    )


class _Lent(httpx.AsyncBaseTransport):
    def __init__(self, guarded: httpx2.AsyncClient) -> None:
        self._guarded = guarded

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        asked = self._guarded.build_request(
            request.method,
            str(request.url),
            headers=request.headers.multi_items(),
            content=await request.aread(),
            timeout=httpx2.Timeout(**request.extensions["timeout"]) if "timeout" in request.extensions else None,
        )
        with _told_as_httpx():
            answer = await self._guarded.send(asked, stream=True, follow_redirects=False)
        return httpx.Response(answer.status_code, headers=answer.headers.multi_items(), stream=_Body(answer))


class _Body(httpx.AsyncByteStream):
    def __init__(self, answer: httpx2.Response) -> None:
        self._answer = answer

    async def __aiter__(self) -> AsyncIterator[bytes]:
        with _told_as_httpx():
            # As it came: whoever reads it finds its encoding in the headers.
            async for piece in self._answer.aiter_raw():
                yield piece

    async def aclose(self) -> None:
        await self._answer.aclose()


@contextmanager
def _told_as_httpx() -> Iterator[None]:
    try:
        yield
    except (httpx2.TransportError, WebRefused) as error:
        raise next(told for kind, told in _FAILURES if isinstance(error, kind))(type(error).__name__) from error
