"""A worker that goes on trying whatever fails, however often it did."""

from activities import failures
from konstruct import poison
from konstruct.cli import main

if __name__ == "__main__":
    poison.MOST_TRIES = 1_000_000  # type: ignore[misc]
    failures.ATTEMPTS_AT_THE_UNKNOWN = 1_000_000
    main()
