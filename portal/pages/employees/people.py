"""Who did something, by the names that members of the tenant know."""

from sqlalchemy.ext.asyncio import AsyncSession

from konstruct.accounts import team


async def names(session: AsyncSession) -> dict[str, str]:
    """Of the session's tenant, by actors."""
    return {f"user:{member.user_id}": member.name or member.email for member in await team.members(session)}


def name_of(actor: str, known: dict[str, str]) -> str:
    if actor in known:
        return known[actor]
    if actor.startswith("user:"):
        return "somebody who has left"
    if actor.startswith("api:"):
        return f"the API key {actor.removeprefix('api:')}"
    return "the command line" if actor else "somebody unknown"
