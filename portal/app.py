"""The portal's composition root: its pages, and around them what holds for every answer."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import cache

from fastapi import APIRouter, FastAPI
from fastapi.routing import iter_route_contexts
from starlette.routing import BaseRoute
from starlette.staticfiles import StaticFiles

from konstruct.observing.requests import OURS_ALONE
from konstruct.settings import Settings
from portal import access, errors
from portal.guard import Guard
from portal.pages import ROUTERS
from portal.services import Services


def build(settings: Settings) -> Guard:
    """Raises Misconfigured when a route leaves open who may open it."""
    services = Services(settings)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        carrying = asyncio.create_task(services.carry_mails())
        try:
            yield
        finally:
            carrying.cancel()
            await asyncio.wait([carrying])
            await services.close()

    # No pages of documentation: they would load their scripts from elsewhere.
    app = FastAPI(
        title="Konstruct portal",
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        telemetry=OURS_ALONE,
        routes=[*routes()],
    )
    app.state.services = services
    errors.install(app)
    access.install(app)
    return Guard(app, services)


@cache
def routes() -> list[BaseRoute]:
    """Of every portal in this process: what they know of settings they ask the request's app for.

    FastAPI works out what each takes and answers wherever they are included, which takes longer than most requests.
    """
    pages = APIRouter()
    pages.mount("/static", StaticFiles(packages=[("portal", "static")]))
    for router in ROUTERS:
        pages.include_router(router)
    for route in iter_route_contexts(pages.routes):
        if route.methods and "GET" in route.methods:
            # As Starlette's own routes do; the server leaves the body out.
            route.methods.add("HEAD")
    # Walked to its end, so that a route that leaves it open who may come keeps the portal from starting.
    list(access.declared(pages.routes))
    return pages.routes
