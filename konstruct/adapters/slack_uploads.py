"""Files on their way to Slack: an address to upload to, the content, and the message that shares it in a thread."""

from datetime import timedelta
from typing import Any, Final
from urllib.parse import urlsplit

import aiohttp

from konstruct.adapters import slack_text
from konstruct.adapters.slack_calls import SlackCalls, answered, author, token_of
from konstruct.adapters.slack_files import is_slacks
from konstruct.errors import ChannelRefused, ChannelUnavailable
from konstruct.ports import ChannelAccount, Outgoing, OutgoingFile, Thread

TIME_LIMIT: Final = timedelta(seconds=60)


class SlackUploads:
    def __init__(self, session: aiohttp.ClientSession, calls: SlackCalls, api_url: str) -> None:
        self._session = session
        self._calls = calls
        self._own = urlsplit(api_url)

    async def send(self, account: ChannelAccount, thread: Thread, message: Outgoing, file: OutgoingFile) -> str:
        """Slack's id of the file. Nobody sees anything before the last of three calls."""
        async with self._calls.client(token_of(account), is_send=False) as slack:
            asked = {"filename": file.name, "length": len(file.content)}
            place = answered(await slack.api_call("files.getUploadURLExternal", data=asked))
            url, file_id = str(place["upload_url"]), str(place["file_id"])
        await self._upload(url, file)
        # Slack lets nobody share a file under another name than the app's.
        name = author(message)
        named = f"**{slack_text.harmless(name)}**\n\n{message.text}" if name else message.text
        comment = "\n\n".join(slack_text.sections(named))
        shared = {"files": [{"id": file_id, "title": file.name}], "channel_id": thread.channel}
        async with self._calls.client(token_of(account)) as slack:
            more = {"thread_ts": thread.root, "initial_comment": comment}
            await slack.api_call("files.completeUploadExternal", json=shared | more)
        return file_id

    async def find(self, account: ChannelAccount, thread: Thread, message: Outgoing, file: OutgoingFile) -> str | None:
        """A file carries no mark of ours, but its name in this thread, since it was to be sent."""
        found: list[str] = []

        def is_it(said: Any) -> bool:
            theirs = [each for each in said.get("files") or () if each.get("name") == file.name]
            found.extend(str(each["id"]) for each in theirs if said.get("user") == account.bot_user_id)
            return bool(found)

        await self._calls.first(account, thread.channel, thread.root, is_it, message.created_at)
        return found[0] if found else None

    async def _upload(self, url: str, file: OutgoingFile) -> None:
        if not is_slacks(url, self._own):
            raise ChannelRefused("Slack wants the file to be uploaded elsewhere.", "foreign_host")
        timeout = aiohttp.ClientTimeout(total=TIME_LIMIT.total_seconds(), sock_connect=4)
        headers = {"Content-Type": file.media_type}
        try:
            async with self._session.post(
                url, data=file.content, headers=headers, allow_redirects=False, timeout=timeout
            ) as answer:
                status = answer.status
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            raise ChannelUnavailable(f"The file could not be uploaded to Slack ({type(error).__name__}).") from error
        if status != 200:
            raise ChannelUnavailable(f"Slack did not take the file (HTTP {status}).")
