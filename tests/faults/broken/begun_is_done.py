"""A worker that takes what was begun for done: what its predecessor was at when it was killed is not answered."""

from typing import Any

from temporalio import activity

from activities.thinking import Thinking
from konstruct.cli import main
from konstruct.contracts.conversation import ThinkRequest, Thought

think = Thinking._think


async def begun_is_done(self: Thinking, request: ThinkRequest, attempt: Any) -> Thought:
    if activity.info().attempt > 1:
        return Thought("nothing")
    return await think(self, request, attempt)


if __name__ == "__main__":
    Thinking._think = begun_is_done  # type: ignore[method-assign]
    main()
