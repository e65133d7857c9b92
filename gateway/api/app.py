"""The API as an app of its own below the gateway's: its routes, and one answer for each thing that goes wrong."""

import math
from collections.abc import Mapping
from typing import Final

import structlog
from fastapi import Depends, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from fastapi.routing import iter_route_contexts
from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.routing import Match
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from temporalio.client import Client

from gateway.api import (
    approvals,
    attention,
    audit,
    billing,
    channels,
    channels_whatsapp,
    consults,
    contact_acts,
    contacts,
    conversations,
    documents,
    employee_drafts,
    employee_parts,
    employee_publishing,
    employee_versions,
    employees,
    escalation,
    files,
    handoff_acts,
    handoff_words,
    handoffs,
    inbox,
    rehearsals,
    reports,
    saved_replies,
    settings,
    settings_desk,
    settings_models,
    settings_retention,
    settings_satisfaction,
    shapes,
    sources,
    team,
    tool_acts,
    tools,
)
from gateway.api.access import LIMIT, Access
from gateway.api.outside import Outside
from konstruct.adapters.reading.pictures import SubprocessPictures
from konstruct.db import Database
from konstruct.errors import ChannelError, KeyMissing, KonstructError, Mistakes, TooMany, Unauthentic, Unavailable
from konstruct.file_ports import FileStore
from konstruct.handoffs.enclosing import Enclosing
from konstruct.identity import new_id
from konstruct.observing.requests import OURS_ALONE
from konstruct.ports import Limit, Limiter, Messenger
from konstruct.vault import Vault

log = structlog.get_logger(__name__)

BROKEN: Final = "Something went wrong on our side. Name the request's id when you ask for help."


def build(
    database: Database,
    vault: Vault,
    limiter: Limiter,
    client: Client,
    messengers: Mapping[str, Messenger],
    store: FileStore,
    outside: Outside,
    *,
    limit: Limit = LIMIT,
) -> FastAPI:
    """``limit``: of the requests of one key."""
    access = Access(database, limiter, limit)
    enclosing = Enclosing(database, vault, store, SubprocessPictures(at_once=1))
    app = FastAPI(
        title="Konstruct",
        version="1",
        # Before anything that a route may forget: without a valid key none of them is run.
        dependencies=[Depends(access.authenticate)],
        responses=shapes.PROBLEMS,
        # No pages of documentation: they would load their scripts from elsewhere.
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        telemetry=OURS_ALONE,
    )
    app.include_router(approvals.router(access, database, vault, client))
    app.include_router(handoffs.router(access, database, vault))
    app.include_router(handoff_acts.router(access, database, vault, client))
    app.include_router(handoff_words.router(access, database, vault, client, messengers, enclosing))
    app.include_router(escalation.router(access, database, vault))
    app.include_router(consults.router(access, database, vault, client))
    app.include_router(conversations.router(access, database, vault, client))
    app.include_router(inbox.router(access, database, vault))
    app.include_router(sources.router(access, database, client, outside))
    app.include_router(documents.router(access, database, vault, client))
    app.include_router(tools.router(access, database, vault))
    app.include_router(tool_acts.router(access, database, vault, client, outside, limiter))
    app.include_router(files.router(access, database, vault, store))
    app.include_router(saved_replies.router(access, database))
    app.include_router(employees.router(access, database))
    app.include_router(employee_drafts.router(access, database, limiter, outside))
    app.include_router(employee_publishing.router(access, database, vault, limiter))
    app.include_router(employee_parts.router(access, database))
    app.include_router(employee_versions.router(access, database))
    app.include_router(rehearsals.router(access, database, vault, limiter, client))
    # Before what takes any id: these have addresses of their own below /channels.
    app.include_router(channels_whatsapp.router(access, database, vault, limiter, outside))
    app.include_router(channels.router(access, database, vault, outside))
    app.include_router(settings.router(access, database))
    app.include_router(settings_models.router(access, database, vault, limiter, outside))
    app.include_router(settings_retention.router(access, database))
    app.include_router(settings_satisfaction.router(access, database))
    app.include_router(settings_desk.router(access, database))
    app.include_router(team.router(access, database, vault, limiter, outside))
    app.include_router(attention.router(access, database))
    app.include_router(reports.router(access, database))
    app.include_router(billing.router(access, database, limiter, outside))
    app.include_router(contacts.router(access, database, vault))
    app.include_router(contact_acts.router(access, database, vault, client))
    app.include_router(audit.router(access, database, client, outside))
    app.add_exception_handler(KonstructError, _answer)
    app.add_exception_handler(RequestValidationError, _answer_invalid)
    app.add_exception_handler(HTTPException, _answer_http)
    app.add_middleware(_Wrapped)
    return app


class _Wrapped:
    """Gives each request an id, and each answer the headers that all have. What nobody foresaw ends here."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request = Request(scope)
        request.state.request_id = str(new_id())
        has_begun = False

        async def send_on(message: Message) -> None:
            nonlocal has_begun
            if message["type"] == "http.response.start":
                has_begun = True
                headers = MutableHeaders(scope=message)
                headers["X-Request-Id"] = request.state.request_id
                headers["Cache-Control"] = "no-store"
                headers["X-Content-Type-Options"] = "nosniff"
            await send(message)

        try:
            await self._app(scope, receive, send_on)
        except ClientDisconnect:
            return
        except Exception:
            if has_begun:
                raise
            log.exception("api_request_broke", request_id=request.state.request_id, path=scope["path"])
            await _problem(request, 500, BROKEN)(scope, receive, send_on)


async def _answer(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, KonstructError)  # noqa: S101  # Registered for no other.
    if error.status < 500:
        fields = error.fields if isinstance(error, Mistakes) else None
        return _problem(request, error.status, str(error), _headers(error), fields)
    log.warning("api_request_failed", request_id=request.state.request_id, path=request.url.path, error=str(error))
    if isinstance(error, KeyMissing):
        # It passes once the operator, who reads the log, has set the key.
        return _problem(request, error.status, BROKEN, {"Retry-After": "60"})
    if isinstance(error, Unavailable):
        return _problem(request, error.status, str(error), {"Retry-After": "5"})
    if isinstance(error, ChannelError):
        return _problem(request, error.status, str(error))
    # What else is amiss on our side is told to the operator, in the log.
    return _problem(request, 500, BROKEN)


def _headers(error: KonstructError) -> dict[str, str]:
    if isinstance(error, Unauthentic):
        return {"WWW-Authenticate": "Bearer"}
    if isinstance(error, TooMany):
        return {"Retry-After": str(max(1, math.ceil(error.retry_after.total_seconds())))}
    return {}


async def _answer_invalid(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)  # noqa: S101  # Registered for no other.
    return _problem(request, 422, shapes.sentence(error.errors()))


async def _answer_http(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)  # noqa: S101  # Registered for no other.
    says = {404: "There is nothing at this address.", 405: "This address does not take this method."}
    headers = _allowed(request) if error.status_code == 405 else dict(error.headers or {})
    return _problem(request, error.status_code, says.get(error.status_code, error.detail), headers)


def _allowed(request: Request) -> dict[str, str]:
    """All methods that the address takes; the router names those of its first route alone."""
    routes = list(iter_route_contexts(request.app.routes))
    path = next(route.path for route in routes if route.matches(request.scope)[0] is not Match.NONE)
    methods = {method for route in routes if route.path == path for method in route.methods or ()}
    return {"Allow": ", ".join(sorted(methods))}


def _problem(
    request: Request,
    status: int,
    sentence: str,
    headers: dict[str, str] | None = None,
    fields: Mapping[str, str] | None = None,
) -> JSONResponse:
    told = {"error": sentence, "request_id": request.state.request_id}
    return JSONResponse(told | ({"fields": dict(fields)} if fields else {}), status, headers)
