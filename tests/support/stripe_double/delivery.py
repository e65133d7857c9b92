"""Webhooks: each event posted, signed over its raw bytes; a test holds, reorders, repeats, forges or drops them.

https://docs.stripe.com/webhooks: the header `Stripe-Signature` has the second it was signed and an HMAC-SHA256 of that
and the body; any answer but 2xx is a failure; deliveries have no order, and one may come more than once.
"""

import asyncio
import hashlib
import hmac
import json
import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import aiohttp

from tests.support.stripe_double.wire import Json


@dataclass
class Attempt:
    event: str
    type: str
    url: str
    status: int | None = None
    """None while it is under way, or when no answer came."""
    failure: str | None = None


@dataclass
class Receiver:
    url: str
    secret: str
    kinds: frozenset[str] | None = None
    """None for all."""

    def wants(self, kind: str) -> bool:
        return self.kinds is None or "*" in self.kinds or kind in self.kinds


def body_of(event: Json) -> bytes:
    return json.dumps(event, indent=2).encode()


def sign(body: bytes, secret: str, at: int | None = None) -> str:
    moment = int(time.time()) if at is None else at
    digest = hmac.new(secret.encode(), f"{moment}.".encode() + body, hashlib.sha256).hexdigest()
    return f"t={moment},v1={digest}"


@dataclass
class Webhooks:
    attempts: list[Attempt] = field(default_factory=list)
    retries: int = 0
    """How often an event that was not taken comes again, at once."""
    held: list[Json] = field(default_factory=list)
    """What waits for `release`."""
    dropped: list[Json] = field(default_factory=list)
    copies: int = 1
    """How often each event comes."""
    seconds: float = 30
    """For an answer."""
    receivers: Callable[[], list[Receiver]] = list
    """Everywhere that events go to now."""
    _holds: Callable[[Json], bool] | None = None
    _drops: Counter[str] = field(default_factory=Counter)
    _queue: asyncio.Queue[Json] = field(default_factory=asyncio.Queue)
    _client: aiohttp.ClientSession | None = None
    _worker: asyncio.Task[None] | None = None

    async def start(self) -> None:
        self._client = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=self.seconds))
        self._worker = asyncio.create_task(self._work())

    async def stop(self) -> None:
        if self._worker is not None:
            self._worker.cancel()
            await asyncio.gather(self._worker, return_exceptions=True)
        if self._client is not None:
            await self._client.close()

    def take(self, event: Json) -> None:
        """One that just happened."""
        if self._drops[event["type"]]:
            self._drops[event["type"]] -= 1
            self.dropped.append(event)
        elif self._holds is not None and self._holds(event):
            self.held.append(event)
        else:
            for _ in range(self.copies):
                self._queue.put_nowait(event)

    def hold(self, *kinds: str) -> None:
        """From now on these wait, or all."""
        self._holds = (lambda event: event["type"] in kinds) if kinds else (lambda _: True)

    async def release(self, order: Callable[[list[Json]], Iterable[Json]] | None = None) -> None:
        """Sends what was held, in this order, and holds no more. Returns when all is answered."""
        waiting, self.held, self._holds = self.held, [], None
        for event in order(waiting) if order else waiting:
            self._queue.put_nowait(event)
        await self.settled()

    def drop(self, kind: str, times: int = 1) -> None:
        """The next of this type never come."""
        self._drops[kind] += times

    async def settled(self) -> None:
        """Returns when what is on its way was answered, or given up."""
        await self._queue.join()

    async def send(
        self,
        event: Json,
        *,
        secret: str | None = None,
        at: int | None = None,
        body: bytes | None = None,
        signed: bytes | None = None,
    ) -> list[int | None]:
        """Now, to each receiver, whatever is held: again, later, forged by another secret, body or time of signing."""
        content = body_of(event) if body is None else body
        return [
            await self._post(
                receiver, event, content, sign(content if signed is None else signed, secret or receiver.secret, at)
            )
            for receiver in self.receivers()
        ]

    async def _work(self) -> None:
        while True:
            event = await self._queue.get()
            try:
                for receiver in [each for each in self.receivers() if each.wants(event["type"])]:
                    for _ in range(1 + self.retries):
                        content = body_of(event)
                        status = await self._post(receiver, event, content, sign(content, receiver.secret))
                        if status is not None and 200 <= status < 300:
                            break
            finally:
                self._queue.task_done()

    async def _post(self, receiver: Receiver, event: Json, content: bytes, signature: str) -> int | None:
        attempt = Attempt(event.get("id", ""), event.get("type", ""), receiver.url)
        self.attempts.append(attempt)
        headers = {
            "Content-Type": "application/json; charset=utf-8",
            "Stripe-Signature": signature,
            "User-Agent": "Stripe/1.0 (+https://stripe.com/docs/webhooks)",
        }
        assert self._client is not None, "the double is not running"
        try:
            # Stripe follows no redirects: they count as failures.
            async with self._client.post(receiver.url, data=content, headers=headers, allow_redirects=False) as answer:
                await answer.read()
                attempt.status = answer.status
        except (aiohttp.ClientError, TimeoutError) as problem:
            attempt.failure = repr(problem)
        return attempt.status
