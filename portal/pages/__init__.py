"""The pages, one module a subject, each with a router; listed here, so that all of them can be walked by tests."""

from collections.abc import Sequence
from typing import Final

from fastapi import APIRouter

from portal.pages import api_keys, home, search, status

ROUTERS: Final[Sequence[APIRouter]] = (status.router, home.router, search.router, api_keys.router)
