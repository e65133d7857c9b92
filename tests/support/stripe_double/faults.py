"""What goes wrong on request, and what an idempotency key keeps.

https://docs.stripe.com/api/idempotent_requests: the first answer to a POST is kept with its status, a 500 too, and
given again for the same key and parameters with the header `Idempotent-Replayed`; other parameters are refused; what
was refused before anything was done (a parameter, a limit, another request with the key under way) is not kept. Keys
are at most 255 characters long and forgotten after 24 hours.
"""

import asyncio
import json
import re
from dataclasses import dataclass, field
from typing import Literal

from tests.support.stripe_double.wire import Json, Refusal

_KEPT_SECONDS = 24 * 3_600
_LONGEST_KEY = 255


@dataclass
class Fault:
    path: str
    """A regular expression of the whole path."""
    method: str
    status: int | None = None
    """None cuts the connection, or hangs."""
    when: Literal["before", "after"] = "before"
    """Whether what was asked for is done all the same."""
    body: bytes | None = None
    headers: dict[str, str] = field(default_factory=dict)
    hangs: bool = False
    released: asyncio.Event = field(default_factory=asyncio.Event)
    """Ends the hanging."""
    reached: asyncio.Event = field(default_factory=asyncio.Event)
    """A request has come to it."""

    def refusal(self) -> Refusal:
        if self.status == 429:
            return Refusal(
                "Request rate limit exceeded. Learn more about rate limits here https://stripe.com/docs/rate-limits.",
                status=429,
                code="rate_limit",
                is_before_execution=True,
            )
        return Refusal("An unknown error occurred", status=self.status or 500, type="api_error")


@dataclass
class Faults:
    waiting: list[Fault] = field(default_factory=list)

    def add(self, fault: Fault, times: int = 1) -> Fault:
        self.waiting += [fault] * times
        return fault

    def next(self, method: str, path: str) -> Fault | None:
        for fault in self.waiting:
            if fault.method in (method, "*") and re.fullmatch(fault.path, path):
                self.waiting.remove(fault)
                fault.reached.set()
                return fault
        return None


@dataclass
class Kept:
    asked: str
    since: int
    status: int | None = None
    body: Json = field(default_factory=dict)
    request_id: str = ""


@dataclass
class Keys:
    kept: dict[str, Kept] = field(default_factory=dict)

    def begin(self, key: str, method: str, path: str, params: Json, now: int) -> Kept:
        """What is kept for the key, or a new place without an answer.

        Raises:
            Refusal: the key is another request's, or that is under way.
        """
        if len(key) > _LONGEST_KEY:
            raise Refusal("Idempotency keys are at most 255 characters long.", is_before_execution=True)
        asked = json.dumps([method, path, params], sort_keys=True, default=str)
        held = self.kept.get(key)
        if held is None or held.since <= now - _KEPT_SECONDS:
            self.kept[key] = Kept(asked, now)
            return self.kept[key]
        if held.asked != asked:
            raise Refusal(
                "Keys for idempotent requests can only be used with the same parameters they were first used with. Try"
                f" using a key other than '{key}' if you meant to execute a different request.",
                type="idempotency_error",
                is_before_execution=True,
            )
        if held.status is None:
            raise Refusal(
                f"There is currently another in-progress request using this Idempotent Key ('{key}').",
                status=409,
                type="idempotency_error",
                code="idempotency_key_in_use",
                is_before_execution=True,
            )
        return held
