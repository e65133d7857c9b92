"""What one tenant may try on another's contacts and trail; ``test_crossing`` runs it."""

from collections.abc import Awaitable, Callable
from typing import Final

from sqlalchemy.ext.asyncio import AsyncSession

from tests.support.office import Furnished

Attempt = Callable[[AsyncSession, Furnished, Furnished], Awaitable[object]]

ON_TRAIL: Final[dict[str, tuple[Attempt, object]]] = {}
