"""A gateway that acknowledges what it cannot read and keeps none of it for a person to look at."""

from konstruct import quarantine
from konstruct.cli import main
from konstruct.db import Database


async def drop(database: Database, *, channel: str, reason: str, body: bytes) -> None:
    """In place of keeping it aside."""


if __name__ == "__main__":
    quarantine.keep = drop
    main()
