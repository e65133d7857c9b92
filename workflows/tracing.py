"""Workflows carry traces on unread: each activity that one begins goes into the trace of what it was last told.

Nothing is measured in here and no span is made, so that a replay does nothing twice. A header is no part of a command
that a replay compares, so that histories from before it replay as well.
"""

from collections.abc import Mapping
from typing import Any, NoReturn

from temporalio import workflow
from temporalio.api.common.v1 import Payload
from temporalio.worker import (
    ContinueAsNewInput,
    ExecuteWorkflowInput,
    HandleSignalInput,
    HandleUpdateInput,
    Interceptor,
    SignalExternalWorkflowInput,
    StartActivityInput,
    StartChildWorkflowInput,
    WorkflowInboundInterceptor,
    WorkflowInterceptorClassInput,
    WorkflowOutboundInterceptor,
)

from konstruct.observing.carrying import TRACEPARENT


class CarryingInterceptor(Interceptor):
    def workflow_interceptor_class(self, input: WorkflowInterceptorClassInput) -> type[WorkflowInboundInterceptor]:
        return _Told


class _Told(WorkflowInboundInterceptor):
    """Keeps the trace of whatever came last; what comes without one is in none."""

    def init(self, outbound: WorkflowOutboundInterceptor) -> None:
        self.carried: Mapping[str, Payload] = {}
        super().init(_Telling(outbound, self))

    async def execute_workflow(self, input: ExecuteWorkflowInput) -> Any:
        # Signals that came along with the start were handled before, and are newer.
        self.carried = self.carried or _trace(input.headers)
        return await super().execute_workflow(input)

    async def handle_signal(self, input: HandleSignalInput) -> None:
        self.carried = _trace(input.headers)
        await super().handle_signal(input)

    async def handle_update_handler(self, input: HandleUpdateInput) -> Any:
        self.carried = _trace(input.headers)
        return await super().handle_update_handler(input)


class _Telling(WorkflowOutboundInterceptor):
    def __init__(self, next: WorkflowOutboundInterceptor, told: _Told) -> None:
        super().__init__(next)
        self._told = told

    def start_activity(self, input: StartActivityInput) -> workflow.ActivityHandle[Any]:
        input.headers = {**input.headers, **self._told.carried}
        return super().start_activity(input)

    async def start_child_workflow(self, input: StartChildWorkflowInput) -> workflow.ChildWorkflowHandle[Any, Any]:
        input.headers = {**input.headers, **self._told.carried}
        return await super().start_child_workflow(input)

    async def signal_external_workflow(self, input: SignalExternalWorkflowInput) -> None:
        input.headers = {**input.headers, **self._told.carried}
        await super().signal_external_workflow(input)

    def continue_as_new(self, input: ContinueAsNewInput) -> NoReturn:
        input.headers = {**input.headers, **self._told.carried}
        super().continue_as_new(input)


def _trace(headers: Mapping[str, Payload]) -> Mapping[str, Payload]:
    return {TRACEPARENT: headers[TRACEPARENT]} if TRACEPARENT in headers else {}
