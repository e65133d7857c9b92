"""Everything that the portal does, the API does, or ``parity`` says why not: a new route belongs into its tables."""

import json

from fastapi import FastAPI

from gateway.api import described
from portal import access
from portal.pages import ROUTERS
from tests.architecture.parity import BY_THE_API, IN_THE_PORTAL_ALONE

_TENANT = "/t/{tenant}"


def portal_routes() -> set[str]:
    """Those of a tenant, as ``GET /employees``."""
    app = FastAPI()
    for router in ROUTERS:
        app.include_router(router)
    return {
        f"{method} {path.removeprefix(_TENANT)}"
        for path, methods, _ in access.declared(app.routes)
        for method in methods
        if path.startswith(f"{_TENANT}/")
    }


def api_routes() -> set[str]:
    paths = json.loads(described.described())["paths"]
    return {f"{method.upper()} {path}" for path, methods in paths.items() for method in methods} | {"GET /openapi.json"}


def test_every_route_of_the_portal_is_had_over_the_api_or_has_a_reason() -> None:
    missing = portal_routes() - set(BY_THE_API) - set(IN_THE_PORTAL_ALONE)
    assert not missing, f"Add a line to tests/architecture/parity.py for each of {sorted(missing)}."


def test_the_tables_hold_nothing_that_is_gone() -> None:
    assert set(BY_THE_API) - portal_routes() == set()
    assert set(IN_THE_PORTAL_ALONE) - portal_routes() == set()
    assert set(BY_THE_API) & set(IN_THE_PORTAL_ALONE) == set()


def test_what_stands_for_a_route_is_there() -> None:
    named = {route for routes in BY_THE_API.values() for route in routes}
    assert all(BY_THE_API.values())
    assert named - api_routes() == set()


def test_whatever_changes_something_is_had_by_what_changes_something() -> None:
    """A page that posts is not answered with a route that only shows."""
    for route, stands_for_it in BY_THE_API.items():
        if route.startswith("POST ") and not route.endswith("/export"):
            assert any(not other.startswith("GET ") for other in stands_for_it), route
