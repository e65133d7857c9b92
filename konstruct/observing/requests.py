"""What comes in over HTTP: a span and a count for each request, by the template of its route and never by its path."""

import time
from typing import Final

from fastapi.telemetry import TelemetryConfig
from opentelemetry.trace import Span, SpanKind, StatusCode
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from konstruct.observing import metrics, traces

OURS_ALONE: Final[TelemetryConfig] = {
    "tracing": False,
    "metrics": False,
    "logs": False,
    "operation_spans": False,
    "auto_configure": False,
}
"""For FastAPI, which would make spans of its own, with paths and queries in them."""

_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_UNSEEN: Final = ("/health/", "/metrics")


class Observed:
    """Around a whole app, so that what is refused before it counts, too.

    A trace begins here: what a stranger says of one in a header is not believed.
    """

    def __init__(self, app: ASGIApp, service: str) -> None:
        self.app = app
        self._service = service

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"].startswith(_UNSEEN):
            await self.app(scope, receive, send)
            return
        began, method, status = time.perf_counter(), _method(scope), 0
        with traces.span(method, SpanKind.SERVER, {"http.request.method": method}) as span:

            async def send_observed(message: Message) -> None:
                nonlocal status
                if message["type"] == "http.response.start":
                    status = message["status"]
                    self._answered(scope, span, method, status, time.perf_counter() - began)
                await send(message)

            try:
                await self.app(scope, receive, send_observed)
            finally:
                if not status:
                    # The server answers so when the app did not; or whoever asked is gone.
                    self._answered(scope, span, method, 500, time.perf_counter() - began)

    def end_streams(self) -> None:
        """For the server to call before it waits for answers to end."""
        if end_streams := getattr(self.app, "end_streams", None):
            end_streams()

    def _answered(self, scope: Scope, span: Span, method: str, status: int, seconds: float) -> None:
        route = _route(scope)
        span.update_name(f"{method} {route}")
        span.set_attributes({"http.route": route, "http.response.status_code": status})
        if status >= 500:
            span.set_attribute(traces.ERROR, str(status))
            span.set_status(StatusCode.ERROR)
        metrics.HTTP_REQUESTS.labels(self._service, route, method, str(status)).inc()
        metrics.HTTP_SECONDS.labels(self._service, route).observe(seconds)


def _method(scope: Scope) -> str:
    return scope["method"] if scope["method"] in _METHODS else metrics.OTHER


def _route(scope: Scope) -> str:
    """Its template, as it was declared; what is mounted stands below where it is."""
    mounted_at = scope.get("root_path", "")
    template = getattr(scope.get("route"), "path_format", None)
    if template is not None:
        return f"{mounted_at}{template}"
    return f"{mounted_at}/{{path}}" if mounted_at else metrics.OTHER
