"""Asks addresses that somebody gave, on the public internet alone: `source_ports.Web`, and a client of it.

A name is looked up and judged at the moment of connecting, and what was judged is what is connected to: a name that
changes its answer in between leads nowhere. Connections are kept by scheme, name and port, so that none that was
made and checked for one name serves another.
"""

import asyncio
import socket
import ssl
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Any, Final

import httpcore2
import httpx2

from konstruct.adapters.web_addresses import Allowed, Resolver, is_host, system_resolver
from konstruct.errors import WebError, WebRefused, WebUncertain, WebUnreachable
from konstruct.knowledge import robots
from konstruct.source_ports import WebAnswer, WebRequest

CONNECT_SECONDS: Final = 5.0
"""For the look-up, for each address that is tried, and for TLS."""
MOST_ADDRESSES: Final = 4

_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
_CODINGS: Final = frozenset({"", "identity", "gzip", "deflate"})


def open_client(
    allowed: Iterable[str] = (),
    *,
    resolve: Resolver = system_resolver,
    verify: ssl.SSLContext | None = None,
    https_port: int = 443,
) -> httpx2.AsyncClient:
    """A client that reaches what may be reached and raises WebRefused at anything else, redirects included.

    It keeps no cookies, takes nothing from the environment, and does not bound what it reads: that is its user's part.

    Args:
        allowed: entries of KONSTRUCT_WEB_ALLOWED.
        verify: whom to believe about certificates; the system's authorities if None.
        https_port: another one than 443 in tests alone, which may not listen there.

    Raises:
        Misconfigured: an entry of ``allowed`` is none.
    """
    transport = SafeTransport(Allowed.parse(allowed), resolve, verify or _authorities(), https_port)
    return httpx2.AsyncClient(
        transport=transport,
        trust_env=False,
        headers={"User-Agent": robots.NAME, "Accept-Encoding": "gzip, deflate"},
        cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),
        timeout=httpx2.Timeout(30.0, connect=CONNECT_SECONDS),
        follow_redirects=False,
    )


@cache
def _authorities() -> ssl.SSLContext:
    """Whom the system believes: read once, since that takes longer than a request."""
    return httpx2.create_ssl_context(trust_env=False)


class SafeTransport(httpx2.AsyncHTTPTransport):
    def __init__(self, allowed: Allowed, resolve: Resolver, verify: ssl.SSLContext, https_port: int) -> None:
        super().__init__(verify=verify, trust_env=False)
        self._allowed = allowed
        self._https_port = https_port
        # httpx2 has no parameter for what connects, httpcore2 has. No limit on connections: requests to a host that
        # hangs must not keep others waiting, and how many requests there are at once is for the worker to say.
        self._pool = httpcore2.AsyncConnectionPool(
            ssl_context=verify,
            max_connections=None,
            max_keepalive_connections=20,
            keepalive_expiry=5.0,
            network_backend=_JudgingNetwork(allowed, resolve),
        )

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        self._check(request.url)
        return await super().handle_async_request(request)

    def _check(self, url: httpx2.URL) -> None:
        if url.scheme not in ("http", "https") or not url.host:
            raise WebRefused("This is no web address; it should begin with https:// and a host.")
        if url.userinfo:
            raise WebRefused(f"{_place(url)} is written with a user or password in it; give them as a secret instead.")
        if not is_host(_host(url)):
            raise WebRefused("The address holds a host that is neither a name nor an IP address.")
        if (url.scheme, _port(url)) == ("https", self._https_port) or (_host(url), _port(url)) in self._allowed.places:
            return
        raise WebRefused(
            f"{_place(url)} is not asked, since only https on port {self._https_port} is; "
            "whoever runs this deployment can allow it in KONSTRUCT_WEB_ALLOWED."
        )


class _JudgingNetwork(httpcore2.AsyncNetworkBackend):
    """Connects to no address that it has not judged itself."""

    def __init__(self, allowed: Allowed, resolve: Resolver) -> None:
        self._allowed = allowed
        self._resolve = resolve
        self._network = httpcore2.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore2.AsyncNetworkStream:
        failure: Exception = httpcore2.ConnectError("no address")
        for address in await self._addresses(host, port, timeout):
            try:
                stream = await self._network.connect_tcp(address, port, timeout, local_address, socket_options)
                return _Stream(stream)
            except (httpcore2.ConnectError, httpcore2.ConnectTimeout) as error:
                failure = error
        raise failure

    async def _addresses(self, host: str, port: int, timeout: float | None) -> Sequence[str]:
        try:
            async with asyncio.timeout(timeout):
                addresses = await self._resolve(host, port)
        except TimeoutError as error:
            raise httpcore2.ConnectTimeout("look-up") from error
        except OSError as error:
            raise httpcore2.ConnectError("look-up") from error
        # All of them, for a name that leads both outside and inside is not to be trusted with either.
        if not all(self._allowed.may_reach(host, port, address) for address in addresses):
            raise WebRefused(
                f"{host} leads to an address that is not on the public internet, so it is not asked; "
                "whoever runs this deployment can allow it in KONSTRUCT_WEB_ALLOWED."
            )
        return addresses[:MOST_ADDRESSES]


class _Stream(httpcore2.AsyncNetworkStream):
    """Closes its connection when TLS is broken off, which httpcore2 forgets when that is by a cancellation."""

    def __init__(self, stream: httpcore2.AsyncNetworkStream) -> None:
        self._stream = stream

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return await self._stream.read(max_bytes, timeout)

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        await self._stream.write(buffer, timeout)

    async def aclose(self) -> None:
        await self._stream.aclose()

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)

    async def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore2.AsyncNetworkStream:
        try:
            return await self._stream.start_tls(ssl_context, server_hostname, timeout)
        except BaseException:
            await self._stream.aclose()
            raise


class SafeWeb:
    """`source_ports.Web` over a client of `open_client`, which stays its maker's to close."""

    def __init__(self, client: httpx2.AsyncClient) -> None:
        self._client = client

    async def request(
        self, request: WebRequest, *, time_limit: float, most_bytes: int, redirects: int = 0
    ) -> WebAnswer:
        journey = _Journey(place="The address")
        try:
            async with asyncio.timeout(time_limit):
                return await self._follow(request, journey, most_bytes, redirects)
        except WebRefused as error:
            error.may_have_acted = journey.is_sent
            raise
        except (httpx2.InvalidURL, httpx2.UnsupportedProtocol):
            raise WebRefused("This is no web address; it should begin with https:// and a host.") from None
        except (httpx2.LocalProtocolError, UnicodeError):
            raise WebRefused(f"The request to {journey.place} holds what HTTP cannot carry, in its headers.") from None
        except TimeoutError as error:
            raise journey.failure(f"gave no whole answer within {time_limit:g} seconds") from error
        except (httpx2.RequestError, OSError) as error:
            raise journey.failure(_reason(error)) from error

    async def _follow(self, request: WebRequest, journey: "_Journey", most_bytes: int, redirects: int) -> WebAnswer:
        url = httpx2.URL(request.url)
        for _ in range(redirects + 1):
            journey.place = _place(url)
            async with self._client.stream(
                request.method,
                url,
                headers=dict(request.headers),
                content=request.body,
                timeout=httpx2.Timeout(None, connect=CONNECT_SECONDS),  # The whole journey has its own limit.
                extensions={"trace": journey.note},
            ) as response:
                target = _target(url, response) if redirects else None
                if target is None:
                    return await _taken_in(response, most_bytes)
            request = _redirected(request, url, target, response.status_code)
            url = target
        raise WebRefused(f"{journey.place} redirects once more after {redirects} redirects; give the last address.")


@dataclass
class _Journey:
    """How far a request has come, which decides what a failure means."""

    place: str
    is_sent: bool = False

    async def note(self, event: str, _: object) -> None:
        # Stays true over redirects: what the first hop set off is not undone by the second one's failing.
        self.is_sent = self.is_sent or event == "http11.send_request_headers.started"

    def failure(self, reason: str) -> WebError:
        return (WebUncertain if self.is_sent else WebUnreachable)(f"{self.place} {reason}.")


def _target(url: httpx2.URL, response: httpx2.Response) -> httpx2.URL | None:
    """Where an answer redirects to, if it does."""
    location = response.headers.get("location")
    if response.status_code not in _REDIRECTS or location is None:
        return None
    try:
        target = url.join(location).copy_with(fragment=None)
    except httpx2.InvalidURL:
        raise WebRefused(f"{_place(url)} redirects to what is no web address.") from None
    if url.scheme == "https" and target.scheme == "http":
        raise WebRefused(f"{_place(url)} redirects from https to http, which anybody on the way could read.")
    return target


def _redirected(request: WebRequest, url: httpx2.URL, target: httpx2.URL, status: int) -> WebRequest:
    same_origin = (url.scheme, _host(url), _port(url)) == (target.scheme, _host(target), _port(target))
    becomes_get = (status == 303 and request.method != "HEAD") or (status in (301, 302) and request.method == "POST")
    if becomes_get:
        kept = {name: value for name, value in request.headers.items() if not name.lower().startswith("content-")}
        request = replace(request, method="GET", body=None, headers=kept)
    if same_origin:
        return request
    if request.method not in ("GET", "HEAD"):
        raise WebRefused(f"{_place(url)} redirects a {request.method} to another host, which is not told of it.")
    return replace(request, headers={}, body=None)


async def _taken_in(response: httpx2.Response, most_bytes: int) -> WebAnswer:
    place = _place(response.url)
    # One that is not known would be passed through as it is, and a pile of them multiplies what each may unfold to.
    if response.headers.get("content-encoding", "").strip().lower() not in _CODINGS:
        raise WebRefused(f"{place} answers in an encoding that it was not asked for.")
    content = bytearray()
    async for piece in response.aiter_bytes():
        content += piece
        if len(content) > most_bytes:
            raise WebRefused(f"{place} answers with more than {most_bytes} bytes, which is more than is taken in.")
    return WebAnswer(str(response.url), response.status_code, dict(response.headers), bytes(content))


def _reason(error: Exception) -> str:
    for cause in _causes(error):
        match cause:
            case ssl.SSLCertVerificationError():
                return f"shows a certificate that does not hold ({cause.verify_message.rstrip('.')})"
            case socket.gaierror():
                return "has a name that cannot be looked up"
            case httpx2.ConnectTimeout():
                return "does not answer the attempt to connect"
            case httpx2.ConnectError():
                return "cannot be connected to"
            case httpx2.DecodingError():
                return "sent a body that does not decompress"
    return "broke off before its answer was whole"


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """From the innermost one out."""
    if error is not None:
        yield from _causes(error.__cause__ or error.__context__)
        yield error


def _host(url: httpx2.URL) -> str:
    return url.raw_host.decode("ascii")


def _port(url: httpx2.URL) -> int:
    return url.port or (443 if url.scheme == "https" else 80)


def _place(url: httpx2.URL) -> str:
    """As much of an address as may be repeated: paths and queries hold tokens, and what people said."""
    return f"{url.scheme}://{url.netloc.decode('ascii')}"
