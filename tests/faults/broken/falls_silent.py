"""A worker that says and does nothing more where no model answered."""

from typing import Any

from activities.thinking import Thinking
from konstruct.cli import main
from konstruct.contracts.conversation import ThinkRequest, Thought
from konstruct.errors import ModelsUnavailable

think = Thinking._think


async def falls_silent(self: Thinking, request: ThinkRequest, attempt: Any) -> Thought:
    try:
        return await think(self, request, attempt)
    except ModelsUnavailable:
        return Thought("nothing")


if __name__ == "__main__":
    Thinking._think = falls_silent  # type: ignore[method-assign]
    main()
