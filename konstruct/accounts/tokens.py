"""What browsers hold and what links carry: 256 random bits, of which only the SHA-256 is kept."""

import hashlib
import re
import secrets
from typing import Final

_SHAPE: Final = re.compile(r"[A-Za-z0-9_-]{43}")


def new_token() -> str:
    return secrets.token_urlsafe(32)


def digest(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()


def is_token(said: str) -> bool:
    """Whether it is of the right shape to be worth looking up."""
    return _SHAPE.fullmatch(said) is not None
