"""The Web API methods: what each needs, refuses, does and answers. Knows no HTTP."""

import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from tests.support.slack_double import rules
from tests.support.slack_double.rules import SlackError, check_content, check_ts
from tests.support.slack_double.world import Channel, HostedFile, Json, Workspace, World

UNREPLIABLE = frozenset({"channel_join", "channel_leave", "channel_topic", "channel_purpose", "channel_name"})
SESSION_STATUSES = frozenset({"processing", "active", "suspended", "closed"})


@dataclass
class Caller:
    """Who calls: the workspaces that a token is good for (several with an org-wide install)."""

    world: World
    workspaces: list[Workspace]

    @property
    def home(self) -> Workspace:
        return self.workspaces[0]

    def need(self, *any_of: str) -> None:
        if any_of and not self.home.scopes.intersection(any_of):
            provided = ",".join(sorted(self.home.scopes))
            raise SlackError("missing_scope", needed=any_of[0], provided=provided)

    def channel(self, channel_id: object) -> tuple[Workspace, Channel]:
        for workspace in self.workspaces:
            channel = workspace.channels.get(str(channel_id))
            if channel and (channel.kind == "channel" or workspace.bot_user_id in channel.members):
                return workspace, channel
        raise SlackError("channel_not_found")

    def joined(self, channel_id: object) -> tuple[Workspace, Channel]:
        workspace, channel = self.channel(channel_id)
        if workspace.bot_user_id not in channel.members:
            raise SlackError("not_in_channel")
        return workspace, channel


def auth_test(caller: Caller, args: Json) -> Json:
    home = caller.home
    answer = {
        "url": f"https://{home.team_id.lower()}.slack.com/",
        "team": home.name,
        "user": "konstruct",
        "team_id": home.team_id,
        "user_id": home.bot_user_id,
        "bot_id": home.bot_id,
        "is_enterprise_install": home.is_enterprise_install,
    }
    return answer | ({"enterprise_id": home.enterprise_id} if home.enterprise_id else {})


def post_message(caller: Caller, args: Json) -> Json:
    workspace, channel = writable(caller, args.get("channel"))
    check_author(caller, args)
    check_content(args)
    message = bot_message(caller.world, workspace, args)
    if args.get("thread_ts"):
        join_thread(channel, message, check_ts(args["thread_ts"], "invalid_thread_ts"))
    caller.world.store(channel, message)
    caller.world.statuses.pop((channel.id, str(message.get("thread_ts"))), None)
    return {"channel": channel.id, "ts": message["ts"], "message": message}


def writable(caller: Caller, channel_id: object) -> tuple[Workspace, Channel]:
    workspace, channel = caller.channel(channel_id)
    if channel.is_archived:
        raise SlackError("is_archived")
    if workspace.bot_user_id not in channel.members and "chat:write.public" not in workspace.scopes:
        raise SlackError("not_in_channel")
    return workspace, channel


def check_author(caller: Caller, args: Json) -> None:
    if any(args.get(name) for name in rules.CUSTOM_AUTHOR):
        caller.need("chat:write.customize")


def bot_message(world: World, workspace: Workspace, args: Json) -> Json:
    message: Json = {
        "type": "message",
        "user": workspace.bot_user_id,
        "bot_id": workspace.bot_id,
        "app_id": world.app_id,
        "team": workspace.team_id,
        "text": (args.get("text") or args.get("markdown_text") or "")[: rules.TEXT_LIMIT],
        "ts": world.next_ts(),
    }
    message |= {name: args[name] for name in ("blocks", "attachments", "metadata") if args.get(name)}
    if args.get("username"):
        # A bot that writes under another name has no user, as far as readers of the message can see.
        del message["user"]
        message |= {"subtype": "bot_message", "username": args["username"]}
    if args.get("icon_url") or args.get("icon_emoji"):
        message["icons"] = {name: args[f"icon_{name}"] for name in ("url", "emoji") if args.get(f"icon_{name}")}
    return message


def join_thread(channel: Channel, message: Json, root: str) -> None:
    parent = channel.messages.get(root)
    if parent is None:
        # Slack does not refuse: the reply silently lands at the top of the channel, and only the missing
        # thread_ts in the answer tells (slack-go#1571).
        return
    if parent.get("subtype") in UNREPLIABLE:
        raise SlackError("cannot_reply_to_message")
    message["thread_ts"] = root
    message["parent_user_id"] = parent.get("user")
    parent["thread_ts"] = root
    parent["reply_count"] = parent.get("reply_count", 0) + 1
    parent["latest_reply"] = message["ts"]


def update_message(caller: Caller, args: Json) -> Json:
    workspace, channel = writable(caller, args.get("channel"))
    check_content(args)
    if len((args.get("text") or "").encode()) > rules.UPDATE_TEXT_BYTES:
        raise SlackError("msg_too_long")
    message = channel.messages.get(str(args.get("ts")))
    if message is None:
        raise SlackError("message_not_found")
    if message.get("bot_id") != workspace.bot_id:
        raise SlackError("cant_update_message")
    if message.get("streaming_state") == "in_progress":
        raise SlackError("streaming_state_conflict")
    edited = {"user": workspace.bot_user_id, "ts": caller.world.next_ts()}
    message |= {name: args[name] for name in (*rules.CONTENT, "metadata") if args.get(name)} | {"edited": edited}
    if args.get("markdown_text"):
        message["text"] = message.pop("markdown_text")
    return {"channel": channel.id, "ts": message["ts"], "text": message["text"], "message": message}


def delete_message(caller: Caller, args: Json) -> Json:
    workspace, channel = caller.channel(args.get("channel"))
    message = channel.messages.get(str(args.get("ts")))
    if message is None:
        raise SlackError("message_not_found")
    if message.get("bot_id") != workspace.bot_id:
        raise SlackError("cant_delete_message")
    caller.world.delete(channel, message["ts"])
    return {"channel": channel.id, "ts": message["ts"]}


def post_ephemeral(caller: Caller, args: Json) -> Json:
    """Only one person sees it, and it is kept nowhere."""
    _, channel = writable(caller, args.get("channel"))
    check_content(args)
    if args["user"] not in channel.members:
        raise SlackError("user_not_in_channel")
    if args.get("thread_ts"):
        check_ts(args["thread_ts"], "invalid_thread_ts")
    caller.world.whispers.append((channel.id, args["user"], args.get("text") or ""))
    return {"message_ts": caller.world.next_ts()}


def _readable(caller: Caller, channel_id: object) -> Channel:
    _, channel = caller.channel(channel_id)
    caller.need(f"{channel.kind}s:history" if channel.kind != "im" else "im:history")
    return caller.joined(channel_id)[1]


def replies(caller: Caller, args: Json) -> Json:
    channel = _readable(caller, args.get("channel"))
    ts = check_ts(args.get("ts"), "thread_not_found")
    if ts not in channel.messages:
        raise SlackError("thread_not_found")
    return _page(channel.thread(ts), args, default_limit=1000)


def history(caller: Caller, args: Json) -> Json:
    channel = _readable(caller, args.get("channel"))
    at_the_top = [m for ts, m in channel.messages.items() if m.get("thread_ts", ts) == ts]
    return _page(at_the_top[::-1], args, default_limit=100)


def _page(messages: list[Json], args: Json, *, default_limit: int) -> Json:
    oldest, latest = args.get("oldest") or "0", args.get("latest") or "9999999999.999999"
    is_inclusive = _flag(args, "inclusive")
    within = [m for m in messages if oldest < m["ts"] < latest or (is_inclusive and m["ts"] in (oldest, latest))]
    start, limit = int(args.get("cursor") or 0), int(args.get("limit") or default_limit)
    has_more = start + limit < len(within)
    return {
        "messages": [_as_seen(m, _flag(args, "include_all_metadata")) for m in within[start : start + limit]],
        "has_more": has_more,
        "response_metadata": {"next_cursor": str(start + limit) if has_more else ""},
    }


def _as_seen(message: Json, with_metadata: bool) -> Json:
    return {name: value for name, value in message.items() if with_metadata or name != "metadata"}


def _flag(args: Json, name: str) -> bool:
    return str(args.get(name, "")).lower() in {"1", "true"}


def channel_info(caller: Caller, args: Json) -> Json:
    workspace, channel = caller.channel(args.get("channel"))
    caller.need(f"{channel.kind}s:read" if channel.kind != "im" else "im:read")
    about: Json = {
        "id": channel.id,
        "name": channel.name,
        "is_channel": channel.kind == "channel",
        "is_group": channel.kind == "group",
        "is_im": channel.kind == "im",
        "is_private": channel.kind != "channel",
        "is_archived": channel.is_archived,
        "is_member": workspace.bot_user_id in channel.members,
        "is_ext_shared": channel.shared_with is not None,
        "context_team_id": workspace.team_id,
    }
    return {"channel": about}


def open_conversation(caller: Caller, args: Json) -> Json:
    for workspace in caller.workspaces:
        if args.get("users") in workspace.users:
            return {"channel": {"id": workspace.dm_with(args["users"]).id}}
    raise SlackError("user_not_found")


def user_info(caller: Caller, args: Json) -> Json:
    for workspace in caller.workspaces:
        if name := workspace.users.get(str(args.get("user"))):
            profile = {"real_name": name, "display_name": name.split()[0].lower()}
            about = {"id": args["user"], "team_id": workspace.team_id, "name": profile["display_name"]}
            return {"user": {**about, "real_name": name, "profile": profile, "is_bot": False, "deleted": False}}
    raise SlackError("user_not_found")


def file_info(caller: Caller, args: Json) -> Json:
    for workspace in caller.workspaces:
        if (file := workspace.files.get(str(args["file"]))) is not None:
            url = f"{caller.world.url}/files/{file.id}"
            return {"file": {"id": file.id, "name": file.name, "mimetype": file.mimetype, "url_private_download": url}}
    raise SlackError("file_not_found")


def upload_url(caller: Caller, args: Json) -> Json:
    length = str(args["length"])
    if not length.isdigit() or int(length) == 0:
        raise SlackError("invalid_arguments")
    file = HostedFile(f"F{secrets.token_hex(5).upper()}", str(args["filename"]), "", b"", awaited_length=int(length))
    caller.home.files[file.id] = file
    return {"upload_url": f"{caller.world.url}/upload/{file.id}", "file_id": file.id}


def complete_upload(caller: Caller, args: Json) -> Json:
    if not isinstance(args["files"], list) or len(args["files"]) != 1:
        raise SlackError("invalid_arguments")
    [named] = args["files"]
    file = caller.home.files.get(str(named.get("id")))
    if file is None or not file.content:
        raise SlackError("file_not_found")
    if args.get("channel_id"):
        workspace, channel = writable(caller, args["channel_id"])
        message = bot_message(caller.world, workspace, {"text": args.get("initial_comment")})
        message["files"] = [{"id": file.id, "name": file.name, "title": named.get("title") or file.name}]
        if args.get("thread_ts"):
            join_thread(channel, message, check_ts(args["thread_ts"], "invalid_thread_ts"))
        caller.world.store(channel, message)
    return {"files": [{"id": file.id, "title": named.get("title") or file.name}]}


def set_status(caller: Caller, args: Json) -> Json:
    check_author(caller, args)
    thread = _session_thread(caller, args)
    if len(args.get("loading_messages") or []) > 10:
        raise SlackError("invalid_arguments")
    if args.get("status"):
        caller.world.statuses[thread] = args["status"]
    else:
        caller.world.statuses.pop(thread, None)
    return {}


def _session_thread(caller: Caller, args: Json) -> tuple[str, str]:
    _, channel = caller.joined(args.get("channel_id"))
    root = check_ts(args.get("thread_ts"), "invalid_thread_ts")
    parent = channel.messages.get(root)
    # The ts of a reply is refused too: only roots name a thread.
    if parent is None or parent.get("thread_ts", root) != root:
        raise SlackError("invalid_thread_ts")
    return channel.id, root


def set_suggested_prompts(caller: Caller, args: Json) -> Json:
    _, channel = caller.joined(args.get("channel_id"))
    prompts = args.get("prompts")
    if not isinstance(prompts, list) or not 1 <= len(prompts) <= 4:
        raise SlackError("invalid_arguments")
    if not all(isinstance(prompt, dict) and prompt.get("title") and prompt.get("message") for prompt in prompts):
        raise SlackError("invalid_arguments")
    # With the agent surface a thread_ts makes the call succeed and do nothing.
    if not args.get("thread_ts"):
        caller.world.prompts[channel.id] = prompts
    return {}


def set_session_status(caller: Caller, args: Json) -> Json:
    check_author(caller, args)
    if args.get("status") not in SESSION_STATUSES or len(args.get("title") or "") > 200:
        raise SlackError("invalid_arguments")
    session = caller.world.sessions.setdefault(_session_thread(caller, args), {"title": args.get("title")})
    session["status"] = args["status"]
    return {"status": session["status"], "title": session["title"]}


def rename_session(caller: Caller, args: Json) -> Json:
    session = caller.world.sessions.get(_session_thread(caller, args))
    if session is None:
        raise SlackError("session_not_found")
    if not 1 <= len(args.get("title") or "") <= 200:
        raise SlackError("invalid_arguments")
    session["title"] = args["title"]
    return {"title": args["title"]}


@dataclass(frozen=True)
class Method:
    run: Callable[[Caller, Json], Json]
    scopes: tuple[str, ...] = ()
    """Any one of them is enough."""
    required: tuple[str, ...] = field(default=())
    takes_json: bool = False
    """Methods that only read ignore JSON bodies."""


METHODS: dict[str, Method] = {
    "auth.test": Method(auth_test, takes_json=True),
    "chat.postMessage": Method(post_message, ("chat:write",), takes_json=True),
    "chat.postEphemeral": Method(post_ephemeral, ("chat:write",), ("channel", "user"), takes_json=True),
    "chat.delete": Method(delete_message, ("chat:write",), ("channel", "ts"), takes_json=True),
    "chat.update": Method(update_message, ("chat:write",), takes_json=True),
    "conversations.replies": Method(replies, required=("channel", "ts")),
    "conversations.history": Method(history, required=("channel",)),
    "conversations.info": Method(channel_info, required=("channel",)),
    "conversations.open": Method(open_conversation, ("im:write",), takes_json=True),
    "files.info": Method(file_info, ("files:read",), required=("file",)),
    "files.getUploadURLExternal": Method(upload_url, ("files:write",), required=("filename", "length")),
    "files.completeUploadExternal": Method(complete_upload, ("files:write",), required=("files",), takes_json=True),
    "users.info": Method(user_info, ("users:read",), required=("user",)),
    "assistant.threads.setStatus": Method(
        set_status, ("chat:write", "assistant:write"), ("channel_id", "thread_ts"), takes_json=True
    ),
    "assistant.threads.setSuggestedPrompts": Method(
        set_suggested_prompts, ("assistant:write",), ("channel_id", "prompts"), takes_json=True
    ),
    "agents.sessions.setStatus": Method(set_session_status, ("chat:write",), ("status",), takes_json=True),
    "agents.sessions.rename": Method(rename_session, ("chat:write",), ("title",), takes_json=True),
}


def call(method: Method, caller: Caller, args: Json) -> Json:
    caller.need(*method.scopes)
    if missing := [name for name in method.required if args.get(name) in (None, "")]:
        messages = [f"[ERROR] missing required field: {name}" for name in missing]
        raise SlackError("invalid_arguments", response_metadata={"messages": messages})
    return {"ok": True, **method.run(caller, args)}


def grant(world: World, workspace: Workspace, installer: str) -> Json:
    """The answer of oauth.v2.access."""
    enterprise: Any = {"id": workspace.enterprise_id, "name": "Grid"} if workspace.enterprise_id else None
    return {
        "ok": True,
        "app_id": world.app_id,
        "access_token": workspace.bot_token,
        "token_type": "bot",
        "scope": ",".join(sorted(workspace.scopes)),
        "bot_user_id": workspace.bot_user_id,
        "team": None if workspace.is_enterprise_install else {"id": workspace.team_id, "name": workspace.name},
        "enterprise": enterprise,
        "is_enterprise_install": workspace.is_enterprise_install,
        "authed_user": {"id": installer},
    }
