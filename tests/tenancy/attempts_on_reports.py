"""What one tenant may try on another's usage, cost and outcomes; ``test_crossing`` runs it."""

from collections.abc import Awaitable, Callable
from typing import Final

from sqlalchemy.ext.asyncio import AsyncSession

from tests.support.office import Furnished

Attempt = Callable[[AsyncSession, Furnished, Furnished], Awaitable[object]]

ON_REPORTS: Final[dict[str, tuple[Attempt, object]]] = {}
