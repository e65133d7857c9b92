"""Who somebody is in Slack: asked once in a while, never for a message."""

from datetime import timedelta
from typing import Final

import aiohttp

from konstruct.adapters.slack_calls import SlackCalls, answered, token_of
from konstruct.ports import ChannelAccount

TIME_LIMIT: Final = timedelta(seconds=10)


class SlackPeople:
    def __init__(self, session: aiohttp.ClientSession, api_url: str) -> None:
        self._calls = SlackCalls(session, api_url, TIME_LIMIT)

    async def called(self, account: ChannelAccount, person: str) -> str:
        """Their name in full, else the one that they chose to be shown by. Raises ChannelError."""
        async with self._calls.client(token_of(account), is_send=False) as slack:
            about = answered(await slack.users_info(user=person))
        user = about.get("user") or {}
        profile = user.get("profile") or {}
        names = (profile.get("real_name"), user.get("real_name"), profile.get("display_name"), user.get("name"))
        return next((name for name in names if isinstance(name, str) and name.strip()), "")
