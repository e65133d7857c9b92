"""A trace carried from one process into another: as W3C's traceparent, in a dict or in the headers of Temporal.

Workflows carry it on unread (``workflows/tracing.py``).
"""

from collections.abc import Mapping
from typing import Any, Final

from opentelemetry.context import Context
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from temporalio.api.common.v1 import Payload
from temporalio.client import (
    Interceptor,
    OutboundInterceptor,
    SignalWorkflowInput,
    StartWorkflowInput,
    StartWorkflowUpdateInput,
    StartWorkflowUpdateWithStartInput,
    WorkflowHandle,
    WorkflowUpdateHandle,
)
from temporalio.converter import PayloadConverter

TRACEPARENT: Final = "traceparent"

_W3C: Final = TraceContextTextMapPropagator()
_PAYLOADS: Final = PayloadConverter.default


def carried() -> dict[str, str]:
    """What tells another process of the current span; empty where there is none."""
    carrier: dict[str, str] = {}
    _W3C.inject(carrier)
    return {name: value for name, value in carrier.items() if name == TRACEPARENT}


def received(carrier: Mapping[str, str]) -> Context:
    """What a span of this process is to be begun in. What is no traceparent begins a trace of its own."""
    return _W3C.extract(carrier, context=Context())


def in_headers(headers: Mapping[str, Payload]) -> Mapping[str, Payload]:
    """Headers of Temporal, with the current span in them."""
    return {**headers, **{name: _PAYLOADS.to_payload(value) for name, value in carried().items()}}


def from_headers(headers: Mapping[str, Payload]) -> Context:
    payload = headers.get(TRACEPARENT)
    value: Any = None if payload is None else _PAYLOADS.from_payload(payload)
    return received({TRACEPARENT: value} if isinstance(value, str) else {})


class TraceInterceptor(Interceptor):
    """Has whatever a client tells a workflow carry the current span."""

    def intercept_client(self, next: OutboundInterceptor) -> OutboundInterceptor:
        return _Carrying(next)


class _Carrying(OutboundInterceptor):
    async def start_workflow(self, input: StartWorkflowInput) -> WorkflowHandle[Any, Any]:
        input.headers = in_headers(input.headers)
        return await super().start_workflow(input)

    async def signal_workflow(self, input: SignalWorkflowInput) -> None:
        input.headers = in_headers(input.headers)
        await super().signal_workflow(input)

    async def start_workflow_update(self, input: StartWorkflowUpdateInput) -> WorkflowUpdateHandle[Any]:
        input.headers = in_headers(input.headers)
        return await super().start_workflow_update(input)

    async def start_update_with_start_workflow(
        self, input: StartWorkflowUpdateWithStartInput
    ) -> WorkflowUpdateHandle[Any]:
        for told in (input.start_workflow_input, input.update_workflow_input):
            told.headers = in_headers(told.headers)
        return await super().start_update_with_start_workflow(input)
