"""A worker that looks for nothing that was left lying: what came in while Temporal was away stays where it is."""

from typing import Any

from konstruct import unsettled
from konstruct.cli import main


async def nothing(*_: Any) -> list[unsettled.Unsettled]:
    return []


if __name__ == "__main__":
    vars(unsettled)["find"] = nothing
    main()
