"""How one call of Slack's Web API is made: its client, its time limit, and what its failures mean."""

import asyncio
import logging
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any, Final

import aiohttp
from pydantic import SecretStr
from slack_sdk.errors import SlackApiError, SlackClientError
from slack_sdk.web.async_client import AsyncWebClient
from slack_sdk.web.async_slack_response import AsyncSlackResponse

from konstruct.adapters.slack_errors import channel_error
from konstruct.errors import ChannelError, ChannelUnavailable, ConnectionDead, SendUncertain
from konstruct.identity import MessageId
from konstruct.ports import ChannelAccount, Outgoing

BOT_TOKEN: Final = "bot_token"  # noqa: S105 - The secret's name in ChannelAccount.secrets.
MESSAGE_EVENT: Final = "konstruct_message"
BLOCKS_REFUSED: Final = frozenset({"invalid_blocks", "invalid_blocks_format"})
USERNAME_SIZE: Final = 80


class SlackCalls:
    def __init__(self, session: aiohttp.ClientSession, api_url: str, time_limit: timedelta) -> None:
        self._session = session
        self._api_url = api_url
        self._time_limit = time_limit
        # At debug level the SDK logs whole messages.
        self._sdk_log = logging.getLogger(f"{__name__}.sdk")
        self._sdk_log.setLevel(logging.INFO)

    @asynccontextmanager
    async def client(
        self, token: SecretStr, *, time_limit: timedelta | None = None, is_send: bool = True
    ) -> AsyncIterator[AsyncWebClient]:
        """A client for one call, whose every failure comes out as a ChannelError."""
        try:
            # The SDK ignores its own timeout when it is given a session.
            async with asyncio.timeout((time_limit or self._time_limit).total_seconds()):
                yield AsyncWebClient(
                    token=token.get_secret_value() or None,
                    base_url=self._api_url,
                    session=self._session,
                    retry_handlers=[],
                    logger=self._sdk_log,
                )
        except Exception as failure:
            error = _translated(failure)
            if isinstance(error, SendUncertain) and not is_send:
                error = ChannelUnavailable(str(error))
            if error is failure:
                raise
            raise error from failure


def _translated(failure: Exception) -> ChannelError:
    match failure:
        case aiohttp.ClientConnectorError() | aiohttp.ConnectionTimeoutError() | aiohttp.InvalidURL():
            return ChannelUnavailable("Slack cannot be reached.")
        case ChannelError():
            return failure
        case SlackApiError(response=AsyncSlackResponse() as answer):
            return channel_error(answer.status_code, answer.headers, answer.data)
        case TimeoutError():
            return SendUncertain("Slack did not answer in time.")
        case aiohttp.ClientError() | OSError():
            return SendUncertain("The connection to Slack broke.")
        case SlackClientError() | ValueError() | AttributeError() | LookupError():
            # The SDK trips over bodies that are no JSON object, each in its own way, and so do readers of the rest.
            return SendUncertain("The answer is not one of Slack's.")
    raise failure


def token_of(account: ChannelAccount) -> SecretStr:
    if BOT_TOKEN not in account.secrets:
        raise ConnectionDead("The connection has no token.", "not_authed")
    return account.secrets[BOT_TOKEN]


def answered(answer: AsyncSlackResponse) -> Mapping[str, Any]:
    """The answer's JSON; unlike the SDK's view of it, it says so when a field is missing."""
    return answer.data if isinstance(answer.data, dict) else {}


def author(message: Outgoing) -> str:
    """Who speaks, as people are shown it; empty when the employee has neither name nor role."""
    return " · ".join(filter(None, (message.author_name.strip(), message.author_role.strip())))


def metadata(message_id: MessageId) -> dict[str, Any]:
    """What travels with a message so that it can be found again."""
    return {"event_type": MESSAGE_EVENT, "event_payload": {"id": str(message_id)}}
