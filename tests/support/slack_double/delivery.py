"""How Slack sends events to an app: signed, over HTTP or a socket, with retries; and people who cause them.

What the events look like is in ``events``; the Web API is not here.
"""

import asyncio
import hashlib
import hmac
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Literal
from urllib.parse import urlencode

import aiohttp

from tests.support.slack_double import events
from tests.support.slack_double.hosting import FileHost
from tests.support.slack_double.socket_mode import SocketMode
from tests.support.slack_double.world import Channel, HostedFile, Json, Workspace, World

SLACK_PATIENCE = 3.0
RETRY_DELAYS = (0.0, 60.0, 300.0)
EventKind = Literal["message", "app_mention"]


@dataclass(frozen=True)
class Delivery:
    """One attempt and what came of it."""

    envelope: Json
    status: int | None
    """None when no HTTP answer came."""
    elapsed: float
    body: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    failure: str | None = None
    """Slack's retry reason, if this attempt counts as failed."""


@dataclass(frozen=True)
class Said:
    ts: str
    deliveries: list[Delivery]


def sign(secret: str, timestamp: str, body: bytes) -> str:
    return "v0=" + hmac.new(secret.encode(), b"v0:%s:%s" % (timestamp.encode(), body), hashlib.sha256).hexdigest()


class EventSource:
    """The sending half of Slack. Without an events URL everything goes over Socket Mode."""

    def __init__(self, world: World, *, signing_secret: str, events_url: str | None) -> None:
        self.world = world
        self.signing_secret = signing_secret
        self.events_url = events_url
        self.sockets = SocketMode()
        self.files = FileHost(world)
        self.clock_ahead = timedelta(0)
        """Of what Slack signs with, against this machine's."""
        self._http: aiohttp.ClientSession | None = None

    async def post(
        self,
        url: str,
        body: bytes,
        *,
        content_type: str = "application/json",
        headers: Mapping[str, str] | None = None,
        secret: str | None = None,
        timestamp: int | None = None,
        about: Json | None = None,
    ) -> Delivery:
        """Raw bytes, signed; a wrong ``secret`` or an old ``timestamp`` makes a forgery."""
        assert self._http is not None, "the double is not running"
        stamp = str(timestamp or int(time.time() + self.clock_ahead.total_seconds()))
        signed = {
            "Content-Type": content_type,
            "User-Agent": "Slackbot 1.0 (+https://api.slack.com/robots)",
            "X-Slack-Request-Timestamp": stamp,
            "X-Slack-Signature": sign(secret or self.signing_secret, stamp, body),
            **(headers or {}),
        }
        started = time.monotonic()
        try:
            async with self._http.post(url, data=body, headers=signed, allow_redirects=False) as answer:
                text = await answer.text()
                failure = None if answer.status < 300 else "http_error"
                elapsed = time.monotonic() - started
                return Delivery(about or {}, answer.status, elapsed, text, dict(answer.headers), failure)
        except TimeoutError:
            return Delivery(about or {}, None, time.monotonic() - started, failure="http_timeout")
        except aiohttp.ClientError:
            return Delivery(about or {}, None, time.monotonic() - started, failure="connection_failed")

    async def send(self, envelope: Json, *, url: str | None = None, retry: tuple[int, str] | None = None) -> Delivery:
        """One attempt to deliver an envelope, or any other JSON body such as a url_verification."""
        target = url or self.events_url
        if target is None:
            started = time.monotonic()
            await self.sockets.send("events_api", envelope)
            return Delivery(envelope, 200, time.monotonic() - started)
        headers = {"X-Slack-Retry-Num": str(retry[0]), "X-Slack-Retry-Reason": retry[1]} if retry else {}
        return await self.post(target, json.dumps(envelope).encode(), headers=headers, about=envelope)

    def envelope(self, event: Json, *, team: str | None = None, sent_from: str | None = None) -> Json:
        workspace = self.world.workspaces[team] if team else next(iter(self.world.workspaces.values()))
        return events.envelope(self.world, workspace, event, sent_from=sent_from)

    async def deliver(
        self, event: Json, *, team: str | None = None, url: str | None = None, sent_from: str | None = None
    ) -> Delivery:
        """Once, whatever comes back. ``team`` may be left out where there is one workspace."""
        return await self.send(self.envelope(event, team=team, sent_from=sent_from), url=url)

    async def deliver_with_retries(
        self,
        event: Json,
        *,
        team: str | None = None,
        url: str | None = None,
        delays: Sequence[float] = RETRY_DELAYS,
        pace: float = 1.0,
    ) -> list[Delivery]:
        """All attempts, the last one first to succeed if any did; ``pace`` 0 retries at once."""
        envelope = self.envelope(event, team=team)
        attempts = [await self.send(envelope, url=url)]
        for number, delay in enumerate(delays, start=1):
            last = attempts[-1]
            if last.failure is None or last.headers.get("X-Slack-No-Retry") == "1":
                break
            await asyncio.sleep(delay * pace)
            attempts.append(await self.send(envelope, url=url, retry=(number, last.failure)))
        return attempts

    async def person_says(
        self,
        channel_id: str,
        user: str,
        text: str,
        *,
        thread_ts: str | None = None,
        team: str | None = None,
        order: Sequence[EventKind] = ("message", "app_mention"),
        user_team: str | None = None,
    ) -> Said:
        """Stores the message and delivers what Slack would: a mention in a channel comes as two events.

        ``user_team``: the person writes from the other workspace of a Slack Connect channel.
        """
        workspace, channel = self.find_channel(channel_id, team)
        channel.members.add(user)
        workspace.users.setdefault(user, user.title())
        said = events.person_message(user, text, self.world.next_ts(), user_team or workspace.team_id)
        if user_team:
            said |= {"user_team": user_team, "source_team": user_team}
        if thread_ts:
            said |= {"thread_ts": thread_ts, "parent_user_id": channel.messages[thread_ts].get("user")}
            channel.messages[thread_ts]["thread_ts"] = thread_ts
        self.world.store(channel, said)
        if workspace.bot_user_id not in channel.members:
            return Said(said["ts"], [])
        is_mention = channel.kind != "im" and f"<@{workspace.bot_user_id}>" in text
        builders = {"message": events.message, "app_mention": events.app_mention}
        kinds = [kind for kind in order if kind == "message" or is_mention]
        outgoing = [builders[kind](channel, said) for kind in kinds]
        deliveries = [await self.deliver(event, team=workspace.team_id, sent_from=user_team) for event in outgoing]
        return Said(said["ts"], deliveries)

    async def person_sends(
        self,
        channel_id: str,
        user: str,
        text: str,
        *files: HostedFile,
        thread_ts: str | None = None,
        team: str | None = None,
    ) -> Said:
        """A message with files, which Slack keeps from then on."""
        workspace, channel = self.find_channel(channel_id, team)
        channel.members.add(user)
        workspace.users.setdefault(user, user.title())
        stored = events.person_message(user, text, self.world.next_ts(), workspace.team_id)
        stored |= {"thread_ts": thread_ts} if thread_ts else {}
        workspace.files |= {file.id: file for file in files}
        shared = [events.shared_file(file, user, f"{self.world.url}/files/{file.id}") for file in files]
        stored |= {"subtype": "file_share", "upload": False, "files": shared}
        self.world.store(channel, stored)
        delivery = await self.deliver(events.message(channel, stored), team=workspace.team_id)
        return Said(stored["ts"], [delivery])

    async def person_edits(self, channel_id: str, ts: str, text: str, *, team: str | None = None) -> Delivery:
        workspace, channel = self.find_channel(channel_id, team)
        before = channel.messages[ts]
        edited_at = self.world.next_ts()
        now = before | {
            "text": text,
            "blocks": events.rich_text(text),
            "edited": {"user": before["user"], "ts": edited_at},
        }
        self.world.store(channel, now)
        return await self.deliver(events.message_changed(channel, now, before, edited_at), team=workspace.team_id)

    async def person_deletes(self, channel_id: str, ts: str, *, team: str | None = None) -> Delivery:
        workspace, channel = self.find_channel(channel_id, team)
        deleted = self.world.delete(channel, ts)
        at = self.world.next_ts()
        if tombstone := channel.messages.get(ts):
            event = events.message_changed(channel, tombstone, deleted, at)
        else:
            event = events.message_deleted(channel, deleted, at)
        return await self.deliver(event, team=workspace.team_id)

    async def person_clicks(
        self,
        channel_id: str,
        ts: str,
        user: str,
        *,
        action_id: str,
        value: str,
        url: str | None,
        team: str | None = None,
    ) -> Delivery:
        """Presses a button of a stored message; interactivity is form-encoded and never retried. Without a ``url`` it
        goes over Socket Mode."""
        workspace, channel = self.find_channel(channel_id, team)
        action = {"action_id": action_id, "value": value}
        channel.members.add(user)
        payload = events.block_actions(self.world, workspace, channel, channel.messages[ts], user, action)
        if url is None:
            started = time.monotonic()
            await self.sockets.send("interactive", payload, attempts=1)
            return Delivery(payload, 200, time.monotonic() - started)
        body = urlencode({"payload": json.dumps(payload)}).encode()
        return await self.post(url, body, content_type="application/x-www-form-urlencoded", about=payload)

    def find_channel(self, channel_id: str, team: str | None = None) -> tuple[Workspace, Channel]:
        for workspace in self.world.workspaces.values():
            if channel_id in workspace.channels and team in (None, workspace.team_id):
                return workspace, workspace.channels[channel_id]
        raise KeyError(f"no channel {channel_id} in {team or 'any workspace'}")
