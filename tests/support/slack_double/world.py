"""What exists in the pretended Slack: workspaces, channels, people, messages. Checks nothing."""

import time
from dataclasses import dataclass, field
from typing import Any, Literal

Json = dict[str, Any]
TokenState = Literal["active", "token_revoked", "account_inactive"]
ChannelKind = Literal["channel", "group", "im"]

_SCOPES = (
    "app_mentions:read,assistant:write,channels:history,channels:read,chat:write,chat:write.customize,files:read,"
    "files:write,groups:history,groups:read,im:history,im:read,im:write,reactions:write,users:read"
)
BOT_SCOPES = frozenset(_SCOPES.split(","))


@dataclass
class Channel:
    id: str
    name: str
    kind: ChannelKind = "channel"
    members: set[str] = field(default_factory=set)
    is_archived: bool = False
    shared_with: str | None = None
    """Team id of the other workspace of a Slack Connect channel."""
    messages: dict[str, Json] = field(default_factory=dict)
    """By ts, oldest first, each as Slack's own JSON."""

    def thread(self, root: str) -> list[Json]:
        return [m for ts, m in self.messages.items() if ts == root or m.get("thread_ts") == root]


@dataclass
class HostedFile:
    """What Slack keeps of a file, and what it says of it."""

    id: str
    name: str
    mimetype: str
    content: bytes = field(repr=False)
    title: str = ""
    is_elsewhere: bool = False
    """Of another workspace: an event names its id alone, and files.info says the rest."""
    awaited_length: int = 0
    """Of what an app is to upload."""


@dataclass
class Workspace:
    team_id: str
    bot_token: str
    bot_user_id: str
    bot_id: str
    name: str = "Acme"
    enterprise_id: str | None = None
    is_enterprise_install: bool = False
    """An org-wide install: one token for several workspaces; events carry no team in ``authorizations``."""
    scopes: frozenset[str] = BOT_SCOPES
    withheld: frozenset[str] = frozenset()
    """What an administrator of the workspace lets no app have."""
    token_state: TokenState = "active"
    refresh_token: str = ""
    """Where tokens expire: good once."""
    older_tokens: list[str] = field(default_factory=list)
    """Renewed since, and not expired yet."""
    expired_tokens: set[str] = field(default_factory=set)
    channels: dict[str, Channel] = field(default_factory=dict)
    files: dict[str, HostedFile] = field(default_factory=dict)
    users: dict[str, str] = field(default_factory=dict)
    """User id to real name."""
    refuses_streams: str | None = None
    """The error with which a workspace that has no streamed messages answers, if it has none."""

    def add_channel(self, channel_id: str, *, with_bot: bool = True, **fields: Any) -> Channel:
        channel = Channel(id=channel_id, **{"name": channel_id.lower(), **fields})
        if with_bot:
            channel.members.add(self.bot_user_id)
        self.channels[channel_id] = channel
        return channel

    def expire_token(self) -> None:
        self.expired_tokens |= {self.bot_token, *self.older_tokens}

    def dm_with(self, user: str) -> Channel:
        """The one DM of the bot and this person, made on first use."""
        for channel in self.channels.values():
            if channel.kind == "im" and user in channel.members:
                return channel
        return self.add_channel(f"D{self.team_id[1:]}{user[1:]}", kind="im", members={user})


@dataclass
class Stream:
    """A streamed message: what it was made of, in order, and in which of Slack's two modes."""

    mode: Literal["text", "chunks"]
    chunks: list[tuple[float, Json]] = field(default_factory=list)
    """Each with its monotonic time; text that came alone as the chunk that it amounts to."""
    is_open: bool = True
    stopped_by_user: bool = False

    @property
    def text(self) -> str:
        return "".join(self.pieces)

    @property
    def pieces(self) -> list[str]:
        """Of text alone, as they were appended."""
        return [chunk["text"] for _, chunk in self.chunks if chunk["type"] == "markdown_text"]

    @property
    def tasks(self) -> dict[str, Json]:
        """Cards by task, in their order, as last updated."""
        return {chunk["id"]: chunk for _, chunk in self.chunks if chunk["type"] == "task_update"}


@dataclass
class World:
    """Everything that the double remembers; one clock for all its timestamps."""

    app_id: str = "A0KONSTRUCT"
    url: str = ""
    """Where it runs."""
    workspaces: dict[str, Workspace] = field(default_factory=dict)
    sessions: dict[tuple[str, str], Json] = field(default_factory=dict)
    """Agent sessions by (channel, root ts)."""
    statuses: dict[tuple[str, str], str] = field(default_factory=dict)
    """What people see the assistant doing, by (channel, root ts)."""
    prompts: dict[str, list[Json]] = field(default_factory=dict)
    """Suggested prompts by channel."""
    whispers: list[tuple[str, str, str]] = field(default_factory=list)
    """What one person alone was shown, as (channel, user, text)."""
    streams: dict[str, Stream] = field(default_factory=dict)
    """Streamed messages by ts, open ones and ended ones."""
    _last_ts: int = 0

    def add_workspace(self, **fields: Any) -> Workspace:
        """A workspace whose ids are numbered unless given."""
        n = len(self.workspaces) + 1
        numbered = {
            "team_id": f"T{n:08}",
            "bot_token": f"xoxb-{n:08}-double",
            "bot_user_id": f"U{n:04}BOT",
            "bot_id": f"B{n:08}",
            "name": f"Workspace {n}",
        }
        workspace = Workspace(**{**numbered, **fields})
        self.workspaces[workspace.team_id] = workspace
        return workspace

    def next_ts(self) -> str:
        self._last_ts = max(self._last_ts + 1, time.time_ns() // 1000)
        return f"{self._last_ts // 1_000_000}.{self._last_ts % 1_000_000:06}"

    def store(self, channel: Channel, message: Json) -> Json:
        channel.messages[message["ts"]] = message
        return message

    def end_stream(self, channel: Channel, ts: str, *, by_user: bool = False) -> None:
        """As Slack does about five minutes after the beginning, whatever is appended, or as a person's button does."""
        self.streams[ts].is_open = False
        self.streams[ts].stopped_by_user = by_user
        channel.messages[ts]["streaming_state"] = "completed"

    def delete(self, channel: Channel, ts: str) -> Json:
        """Returns the deleted message. A root that has replies leaves a tombstone, and its thread lives on."""
        deleted = channel.messages.pop(ts)
        if channel.thread(ts):
            tombstone = {"type": "message", "subtype": "tombstone", "text": "This message was deleted.", "ts": ts}
            kept = {**tombstone, "user": "USLACKBOT", "hidden": True, "thread_ts": ts}
            channel.messages = {ts: kept, **channel.messages}
        return deleted
