"""A gateway that puts what it refuses on record, and tells nobody."""

from typing import Any

from konstruct import inbox
from konstruct.cli import main

refuse = inbox._refuse


def silently(*arguments: Any) -> None:
    refuse(*arguments)


if __name__ == "__main__":
    inbox._refuse = silently  # type: ignore[assignment]
    main()
