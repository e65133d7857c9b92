"""How long a channel asks not to be called, as it says in HTTP."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Final

DEFAULT_WAIT: Final = timedelta(seconds=30)
LONGEST_WAIT: Final = timedelta(hours=1)


def retry_after(headers: Mapping[str, str], default: timedelta = DEFAULT_WAIT) -> timedelta:
    """``default``: where it says nothing, or nothing that is a number of seconds."""
    value = headers.get("Retry-After", "")
    if not (value.isascii() and value.isdigit()):
        return default
    return min(timedelta(seconds=max(1, int(value[:9]))), LONGEST_WAIT)
