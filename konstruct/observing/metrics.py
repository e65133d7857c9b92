"""The product's metrics, in one registry, which every process shows at /metrics.

No label names a tenant, and none takes values without bound: what strangers or tenants may name is ``OTHER`` here. What
is of one tenant is asked of the database (docs/observing.md).
"""

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector

from konstruct import __version__

OTHER: Final = "other"
"""Stands for all that a label has no value of its own for."""

_SHORT: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
_LONG: Final = (0.05, 0.1, 0.25, 0.5, 1, 2, 4, 8, 15, 30, 60, 120, 300, 900, 3_600)
"""Seconds, of what waits for models, for files or for people."""

REGISTRY: Final = CollectorRegistry()
ProcessCollector(registry=REGISTRY)


def _counter(name: str, says: str, *labels: str) -> Counter:
    return Counter(f"konstruct_{name}", says, labels, registry=REGISTRY)


def _seconds(name: str, says: str, *labels: str, buckets: tuple[float, ...]) -> Histogram:
    return Histogram(f"konstruct_{name}", says, labels, registry=REGISTRY, buckets=buckets)


def _gauge(name: str, says: str, *labels: str) -> Gauge:
    return Gauge(f"konstruct_{name}", says, labels, registry=REGISTRY)


HTTP_REQUESTS = _counter(
    "http_requests", "Requests that were answered, by template of the route.", "service", "route", "method", "status"
)
HTTP_SECONDS = _seconds(
    "http_request_seconds", "From a request to the head of its answer.", "service", "route", buckets=_SHORT
)
MESSAGES = _counter(
    "messages_received", "Messages of contacts that were made durable, repetitions left out.", "channel"
)
TURNS = _counter("turns", "Turns that are over: answered, handed_off, stopped or failed.", "outcome")
TURN_SECONDS = _seconds("turn_seconds", "From a message to when its whole answer was with the channel.", buckets=_LONG)
ACTIVITIES = _counter(
    "activities",
    "Attempts at activities: ok, failed or cancelled; a failed one is mostly tried again.",
    *("activity", "outcome"),
)
ACTIVITY_SECONDS = _seconds("activity_seconds", "How long an attempt at an activity took.", "activity", buckets=_LONG)
MODEL_CALLS = _counter(
    "model_calls",
    "Calls of models: ok, failed or cancelled; or skipped, while a model rests.",
    *("provider", "model", "outcome"),
)
MODEL_SECONDS = _seconds(
    "model_call_seconds",
    "How long a call of a model took, to the end of its answer.",
    "provider",
    "model",
    buckets=_LONG,
)
MODEL_TOKENS = _counter(
    "model_tokens", "Tokens that were read (input) and written (output).", "provider", "model", "kind"
)
SENDS = _counter("sends", "Attempts to hand a message to a channel: ok, failed or cancelled.", "channel", "outcome")
SEND_SECONDS = _seconds("send_seconds", "How long a channel took to take a message.", "channel", buckets=_SHORT)
TOOL_CALLS = _counter("tool_calls", "Calls of tools that are over: done, failed, unknown or cancelled.", "outcome")
HANDOFFS = _counter(
    "handoffs",
    "Conversations that people were given or told of: by a rule, the employee, an agent or from outside.",
    "reason",
)
WAITING = _gauge("waiting", "What waits for somebody, in all tenants together. The background worker knows.", "kind")
WAITING_OLDEST = _gauge("waiting_oldest_seconds", "For how long the oldest of it has been waiting.", "kind")
BUILD = _gauge("build_info", "Always 1; says which release this is.", "version")
BUILD.labels(__version__).set(1)


@contextmanager
def measured(calls: Counter, seconds: Histogram, **labels: str) -> Iterator[None]:
    """Counts what is done inside, and how long it took. ``calls`` has the same labels and ``outcome``."""
    began, outcome = time.perf_counter(), "failed"
    try:
        yield
        outcome = "ok"
    except asyncio.CancelledError:
        outcome = "cancelled"
        raise
    finally:
        calls.labels(**labels, outcome=outcome).inc()
        seconds.labels(**labels).observe(time.perf_counter() - began)
