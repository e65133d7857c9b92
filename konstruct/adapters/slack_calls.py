"""How one call of Slack's Web API is made: its client, its time limit, and what its failures mean.

And the two things that whoever posts has to do: to find what may have been posted, and to take back what went astray.
"""

import asyncio
import html
import logging
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, Final, NoReturn
from uuid import UUID

import aiohttp
import structlog
from pydantic import SecretStr
from slack_sdk.errors import SlackApiError, SlackClientError
from slack_sdk.web.async_client import AsyncWebClient
from slack_sdk.web.async_slack_response import AsyncSlackResponse

from konstruct.adapters.slack_errors import channel_error
from konstruct.errors import ChannelError, ChannelRefused, ChannelUnavailable, ConnectionDead, SendUncertain
from konstruct.identity import MessageId, id_in
from konstruct.ports import ChannelAccount, Outgoing
from konstruct.recovery_ports import Answered

log = structlog.get_logger(__name__)

BOT_TOKEN: Final = "bot_token"  # noqa: S105 - The secret's name in ChannelAccount.secrets.
MESSAGE_EVENT: Final = "konstruct_message"
BLOCKS_REFUSED: Final = frozenset({"invalid_blocks", "invalid_blocks_format"})
TOO_MUCH: Final = BLOCKS_REFUSED | {"msg_blocks_too_long", "msg_too_long"}
"""What Slack may say of a message that is within its limits as we count them; less of it may be taken."""
USERNAME_SIZE: Final = 80

CLOCK_SKEW: Final = timedelta(minutes=1)
PAGE_SIZE: Final = 15
"""Apps outside Slack's marketplace get no more than this at once, and one page a minute."""
MOST_PAGES: Final = 20


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

    async def find(
        self, account: ChannelAccount, channel: str, thread: str | None, metadata: Mapping[str, Any], since: datetime
    ) -> str | None:
        """The ts of the message in a thread, or at the top of the channel, that was posted with this metadata."""
        return await self.first(account, channel, thread, lambda message: _carries(message, metadata), since)

    async def first(
        self,
        account: ChannelAccount,
        channel: str,
        thread: str | None,
        is_wanted: Callable[[Mapping[str, Any]], bool],
        since: datetime,
    ) -> str | None:
        """The same of one that is to be known by something else."""
        method = "conversations.replies" if thread else "conversations.history"
        query: dict[str, Any] = {
            "channel": channel,
            "oldest": f"{(since - CLOCK_SKEW).timestamp():.6f}",
            "limit": PAGE_SIZE,
            "include_all_metadata": True,
        } | ({"ts": thread} if thread else {})
        for _ in range(MOST_PAGES):
            async with self.client(token_of(account), is_send=False) as slack:
                page = answered(await slack.api_call(method, http_verb="GET", params=query))
                for message in page["messages"]:
                    if is_wanted(message):
                        return str(message["ts"])
            query["cursor"] = (page.get("response_metadata") or {}).get("next_cursor")
            if not query["cursor"]:
                return None
        raise SendUncertain(f"The {'thread' if thread else 'channel'} is too long to be searched for the message.")

    async def take_back(self, account: ChannelAccount, channel: str, ts: str) -> NoReturn:
        """Slack posts a reply whose thread is gone at the top of the channel, where it was never meant to be.

        Raises:
            ChannelRefused: always, once it has been tried.
        """
        try:
            async with self.client(token_of(account)) as slack:
                await slack.chat_delete(channel=channel, ts=ts)
        except ChannelError as failure:
            log.warning("slack.stray_reply_stays", channel=channel, ts=ts, error=str(failure))
        raise ChannelRefused("The message that started the thread is gone.", "thread_not_found")


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


def metadata(message_id: MessageId, *, is_notice: bool = False) -> dict[str, Any]:
    """What travels with a message so that it can be found again, and is known for what it is."""
    carried = carrying(MESSAGE_EVENT, message_id)
    return carried | {"event_payload": carried["event_payload"] | {"notice": True}} if is_notice else carried


def answer_in(message: Mapping[str, Any]) -> Answered | None:
    """An answer of ours that stands in the channel; None of anything else."""
    metadata = message.get("metadata") or {}
    payload = metadata.get("event_payload") or {}
    message_id = id_in(str(payload.get("id", "")))
    if metadata.get("event_type") != MESSAGE_EVENT or payload.get("notice") or message_id is None:
        return None
    whole = [str(block.get("text", "")) for block in message.get("blocks") or () if block.get("type") == "markdown"]
    text = "\n\n".join(whole) or html.unescape(str(message.get("text", "")))
    ts = str(message["ts"])
    return Answered(message_id, ts, text, datetime.fromtimestamp(float(ts), UTC))


def carrying(event: str, carried: UUID) -> dict[str, Any]:
    """The same for what is no message of a conversation."""
    return {"event_type": event, "event_payload": {"id": str(carried)}}


def _carries(message: Mapping[str, Any], wanted: Mapping[str, Any]) -> bool:
    metadata = message.get("metadata") or {}
    payload = metadata.get("event_payload") or {}
    found = {"event_type": metadata.get("event_type"), "event_payload": {"id": payload.get("id")}}
    return found == wanted


def scopes_of(comma_separated: str) -> frozenset[str]:
    return frozenset(filter(None, (scope.strip() for scope in comma_separated.split(","))))
