"""A server outside and one inside, on the same port, with certificates for their names, and a client between them."""

import ssl
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from konstruct.adapters.web import SafeWeb, open_client
from konstruct.source_ports import WebAnswer, WebRequest
from tests.support.streets import INSIDE, OUTSIDE, Authority, Names, Server, Speak, answer, saying, server


@dataclass(frozen=True)
class City:
    outside: Server
    inside: Server
    names: Names
    trusting: ssl.SSLContext

    def url(self, name: str, path: str = "/") -> str:
        return f"https://{name}:{self.outside.port}{path}"

    async def ask(
        self,
        request: WebRequest,
        *,
        redirects: int = 3,
        time_limit: float = 20,
        most_bytes: int = 1000,
        allowed: Sequence[str] = (f"{OUTSIDE}/32",),
        trusting: ssl.SSLContext | None = None,
    ) -> WebAnswer:
        """By a client that has met nobody yet."""
        async with open_client(
            allowed, resolve=self.names, verify=trusting or self.trusting, https_port=self.outside.port
        ) as client:
            return await SafeWeb(client).request(
                request, time_limit=time_limit, most_bytes=most_bytes, redirects=redirects
            )

    async def get(self, name: str, path: str = "/", **headers: str) -> WebAnswer:
        return await self.ask(WebRequest("GET", self.url(name, path), headers))


@asynccontextmanager
async def city(
    folder: Path, speak: Speak | None = None, *, certified: Sequence[str] = ("one.example", "two.example")
) -> AsyncIterator[City]:
    """``speak`` is what the server outside says; both names lead to it."""
    authority, names = Authority(folder), Names()
    names.lead("one.example", [OUTSIDE])
    names.lead("two.example", [OUTSIDE])
    async with AsyncExitStack() as stack:
        inside = await stack.enter_async_context(
            server(saying(answer()), host=INSIDE, tls=authority.server_context("inside.example", INSIDE, *certified))
        )
        outside = await stack.enter_async_context(
            server(speak or saying(answer()), port=inside.port, tls=authority.server_context(*certified))
        )
        yield City(outside, inside, names, authority.trusting)
