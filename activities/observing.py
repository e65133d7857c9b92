"""Around each attempt at an activity: its span, in the trace of what the workflow was last told, and its count."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from opentelemetry.trace import SpanKind
from temporalio import activity
from temporalio.exceptions import ApplicationError
from temporalio.worker import ActivityInboundInterceptor, ExecuteActivityInput, Interceptor

from konstruct.contracts.conversation import AbandonRequest, Thought
from konstruct.observing import carrying, metrics, traces

_IDS = {"tenant_id": traces.TENANT, "conversation_id": traces.CONVERSATION}


@contextmanager
def sending(channel: str) -> Iterator[None]:
    """Around handing one message to a channel of this kind."""
    with (
        traces.span(f"send {channel}", attributes={"konstruct.channel": channel}),
        metrics.measured(metrics.SENDS, metrics.SEND_SECONDS, channel=channel),
    ):
        yield


class ObservingInterceptor(Interceptor):
    """Goes outside the one that turns errors into Temporal's, so that it counts what Temporal is told."""

    def intercept_activity(self, next: ActivityInboundInterceptor) -> ActivityInboundInterceptor:
        return _Observing(next)


class _Observing(ActivityInboundInterceptor):
    async def execute_activity(self, input: ExecuteActivityInput) -> Any:
        info = activity.info()
        request = input.args[0] if input.args else None
        attributes: dict[str, str | int] = {
            name: str(getattr(request, field)) for field, name in _IDS.items() if hasattr(request, field)
        }
        with (
            traces.span(
                info.activity_type,
                SpanKind.CONSUMER,
                {**attributes, "konstruct.attempt": info.attempt},
                parent=carrying.from_headers(input.headers),
                error_type=_error_type,
            ),
            metrics.measured(metrics.ACTIVITIES, metrics.ACTIVITY_SECONDS, activity=info.activity_type),
        ):
            result = await super().execute_activity(input)
        if isinstance(result, Thought) and result.decision == "handed_off":
            metrics.TURNS.labels("handed_off").inc()
        elif isinstance(request, AbandonRequest):
            metrics.TURNS.labels(request.why).inc()
        return result


def _error_type(error: BaseException) -> str:
    """Of what Temporal is told, the name of the error that it was."""
    return (isinstance(error, ApplicationError) and error.type) or traces.name_of(error)
