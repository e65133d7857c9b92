"""A collector of traces on loopback: it takes OTLP over HTTP as protobuf, and keeps each span as it was exported.

async with CollectorDouble().running() as collector:
    ...  # A process with OTEL_EXPORTER_OTLP_ENDPOINT=collector.url
    think = await collector.wait_for("think")
    collector.children(think)
"""

import asyncio
import gzip
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Self

from aiohttp import web
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.common.v1.common_pb2 import KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span as SpanMessage
from opentelemetry.proto.trace.v1.trace_pb2 import Status

from tests.support.http import serve

PROTOBUF = "application/x-protobuf"


@dataclass(frozen=True)
class Span:
    service: str
    name: str
    kind: str
    """SERVER, CLIENT, CONSUMER or INTERNAL."""
    trace_id: str
    span_id: str
    parent_id: str
    """Empty where it is the first of its trace."""
    attributes: dict[str, str]
    is_error: bool
    whole: str
    """All of it as text, to look for what must not be there."""


@dataclass
class CollectorDouble:
    spans: list[Span] = field(default_factory=list)
    is_broken: bool = False
    """Answers 503."""
    asked: int = 0
    url: str = ""
    _news: asyncio.Condition = field(default_factory=asyncio.Condition)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Self]:
        app = web.Application(client_max_size=64 * 2**20)
        app.router.add_post("/v1/traces", self._take)
        async with serve(app) as self.url:
            yield self

    async def wait_for(
        self, name: str, fits: Callable[[Span], bool] = lambda span: True, timeout: float = 60.0
    ) -> Span:
        """The first span that is called so and fits, as soon as it was exported."""

        def found() -> Span | None:
            return next((span for span in self.spans if span.name == name and fits(span)), None)

        async with asyncio.timeout(timeout), self._news:
            await self._news.wait_for(lambda: found() is not None)
        span = found()
        assert span is not None
        return span

    def children(self, parent: Span) -> list[Span]:
        return [span for span in self.spans if (span.trace_id, span.parent_id) == (parent.trace_id, parent.span_id)]

    async def _take(self, request: web.Request) -> web.Response:
        self.asked += 1
        if self.is_broken:
            return web.Response(status=503)
        if request.content_type != PROTOBUF:
            return web.Response(status=415)
        body = await request.read()
        if request.headers.get("Content-Encoding") == "gzip" and body[:2] == b"\x1f\x8b":
            body = gzip.decompress(body)
        exported = ExportTraceServiceRequest.FromString(body)
        async with self._news:
            for of_resource in exported.resource_spans:
                service = _attributes(of_resource.resource.attributes).get("service.name", "")
                for of_scope in of_resource.scope_spans:
                    self.spans += [_span(service, span) for span in of_scope.spans]
            self._news.notify_all()
        answer = ExportTraceServiceResponse().SerializeToString()
        return web.Response(body=answer, content_type=PROTOBUF)


def _span(service: str, span: SpanMessage) -> Span:
    return Span(
        service=service,
        name=span.name,
        kind=SpanMessage.SpanKind.Name(span.kind).removeprefix("SPAN_KIND_"),
        trace_id=span.trace_id.hex(),
        span_id=span.span_id.hex(),
        parent_id=span.parent_span_id.hex(),
        attributes=_attributes(span.attributes),
        is_error=span.status.code == Status.STATUS_CODE_ERROR,
        whole=str(span),
    )


def _attributes(pairs: Iterable[KeyValue]) -> dict[str, str]:
    found = {}
    for pair in pairs:
        kind = pair.value.WhichOneof("value")
        found[pair.key] = str(getattr(pair.value, kind)) if kind else ""
    return found
