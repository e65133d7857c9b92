"""WhatsApp's Cloud API: the Messenger port. What comes in from WhatsApp does not come in here."""

import io
import time
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, Final, NoReturn

import aiohttp
import structlog

from konstruct.adapters import whatsapp_messages, whatsapp_text
from konstruct.adapters.waits import LONGEST_WAIT
from konstruct.adapters.whatsapp_calls import GraphCalls
from konstruct.adapters.whatsapp_errors import PairLimited
from konstruct.channels import Media
from konstruct.errors import ChannelError, ChannelRateLimited, ChannelRefused, ChannelUnavailable, SendUncertain
from konstruct.identity import MessageId
from konstruct.ports import ApprovalCard, ChannelAccount, Outgoing, OutgoingFile, Thread

log = structlog.get_logger(__name__)

UPLOAD_TIME_LIMIT: Final = timedelta(minutes=2)
"""Nothing comes of an upload alone, so it may take longer than a send."""
SHOWS_WITHIN: Final = timedelta(seconds=1)
"""Well within ``outbox.SEND_BEGINS_WITHIN``."""
MOST_BEGUN: Final = 1_000


@dataclass(frozen=True)
class _Begun:
    """How far a message with a file got, as far as this process knows."""

    media_id: str
    is_shown: bool = False
    """The file is with the person; its text is yet to follow."""


class WhatsAppMessenger:
    """Shares one session among all numbers. How often a person got too much in a row is remembered until restart."""

    def __init__(
        self,
        session: aiohttp.ClientSession,
        api_url: str,
        *,
        time_limit: timedelta = timedelta(seconds=10),
        cosmetic_time_limit: timedelta = timedelta(seconds=2),
    ) -> None:
        self._calls = GraphCalls(session, api_url, time_limit)
        self._cosmetic_time_limit = cosmetic_time_limit
        self._too_much: dict[tuple[str, str], int] = {}
        self._begun: dict[MessageId, _Begun] = {}

    def split(self, text: str) -> list[str]:
        return whatsapp_text.split(text)

    async def send(self, account: ChannelAccount, thread: Thread, message: Outgoing) -> str:
        """One message; a file whose text does not fit below it is followed by the text, as a second.

        Our id goes with the last of them alone: what comes back with it is said of the whole.
        """
        if message.file is not None and message.template is None:
            return await self._send_file(account, thread, message, message.file)
        if message.template is not None:
            content = whatsapp_messages.template(message.template)
        else:
            content = whatsapp_messages.said(message.text, message.buttons)
        return await self._post(account, thread, content, opaque=message.message_id, reply_to=message.reply_to)

    async def _send_file(self, account: ChannelAccount, thread: Thread, message: Outgoing, file: OutgoingFile) -> str:
        """What has been done of it is remembered, so that the next attempt goes on from there."""
        began = time.monotonic()
        media = whatsapp_messages.media_of(file)
        is_one = not message.buttons and whatsapp_messages.takes_caption(media, message.text)
        done = self._begun.get(message.message_id)
        if done is None:
            done = _Begun(await self._upload(account, thread, file, media))
            self._remember(message.message_id, done)
        if not done.is_shown:
            _be_in_time(began)
            is_last = is_one or not (message.text or message.buttons)
            content = whatsapp_messages.file(file, media, done.media_id, message.text if is_one else "")
            opaque = message.message_id if is_last else None
            sent = await self._post(account, thread, content, opaque=opaque, reply_to=message.reply_to)
            if is_last:
                self._begun.pop(message.message_id, None)
                return sent
            self._remember(message.message_id, replace(done, is_shown=True))
        _be_in_time(began)
        content = whatsapp_messages.said(message.text, message.buttons)
        sent = await self._post(account, thread, content, opaque=message.message_id)
        self._begun.pop(message.message_id, None)
        return sent

    def _remember(self, message_id: MessageId, begun: _Begun) -> None:
        self._begun[message_id] = begun
        if len(self._begun) > MOST_BEGUN:
            self._begun.pop(next(iter(self._begun)))

    async def _post(
        self,
        account: ChannelAccount,
        thread: Thread,
        content: dict[str, Any],
        *,
        opaque: MessageId | None,
        reply_to: str | None = None,
    ) -> str:
        pair = (thread.channel, thread.contact_external_id)
        body = whatsapp_messages.envelope(thread, reply_to=reply_to, opaque=opaque) | content
        try:
            answer = await self._calls.post(account, f"{thread.channel}/messages", json=body)
        except PairLimited as limit:
            # As Meta wants it: four times as long after each refusal in a row.
            self._too_much[pair] = self._too_much.get(pair, 0) + 1
            wait = min(timedelta(seconds=4 ** min(self._too_much[pair], 6)), LONGEST_WAIT)
            raise ChannelRateLimited(str(limit), max(wait, limit.retry_after)) from limit
        self._too_much.pop(pair, None)
        match answer:
            case {"messages": [{"id": str(sent)}, *_]} if sent:
                return sent
        raise SendUncertain("The answer is not one of Meta's.")

    async def _upload(self, account: ChannelAccount, thread: Thread, file: OutgoingFile, media: Media) -> str:
        media_type = whatsapp_messages.media_type(file, media)
        form = aiohttp.FormData()
        form.add_field("messaging_product", "whatsapp")
        form.add_field("type", media_type)
        # As a stream: aiohttp warns of large bytes.
        form.add_field(
            "file", io.BytesIO(file.content), filename=whatsapp_messages.file_name(file), content_type=media_type
        )
        answer = await self._calls.post(
            account, f"{thread.channel}/media", form=form, time_limit=UPLOAD_TIME_LIMIT, is_send=False
        )
        match answer:
            case {"id": str(media_id)} if media_id:
                return media_id
        raise ChannelUnavailable("The answer is not one of Meta's.")

    async def find(self, account: ChannelAccount, thread: Thread, message: Outgoing) -> str | None:
        """None: WhatsApp lets nobody look up what was sent.

        The word that a message was sent carries our id and settles it; whoever asks here has waited for that word
        for as long as ``Channel.confirms_within`` says.
        """
        return None

    async def show_thinking(self, account: ChannelAccount, thread: Thread) -> None:
        """Marks the latest message as read and shows that somebody types, for 25 seconds at most; never fails."""
        if not thread.latest:
            return
        body = {
            "messaging_product": "whatsapp",
            "status": "read",
            "message_id": thread.latest,
            "typing_indicator": {"type": "text"},
        }
        try:
            await self._calls.post(
                account, f"{thread.channel}/messages", json=body, time_limit=self._cosmetic_time_limit, is_send=False
            )
        except ChannelError as failure:
            log.debug("whatsapp.decoration_failed", error=str(failure))

    async def show_idle(self, account: ChannelAccount, thread: Thread) -> None:
        """The reply, or time, ends it."""

    async def show_approval(self, account: ChannelAccount, channel: str, card: ApprovalCard) -> NoReturn:
        raise ChannelRefused(
            "WhatsApp shows no approvals: name a Slack channel for them, or decide over the REST API.", "not_supported"
        )

    async def renew_approval(
        self, account: ChannelAccount, channel: str, external_id: str, card: ApprovalCard
    ) -> NoReturn:
        await self.show_approval(account, channel, card)


def _be_in_time(began: float) -> None:
    """Whether it may still be sent is looked at when a send begins, and what was done before may have taken long."""
    if time.monotonic() - began > SHOWS_WITHIN.total_seconds():
        raise ChannelUnavailable("The file took its time; the next attempt goes on from there.")
