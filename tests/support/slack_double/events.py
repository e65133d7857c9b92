"""Builders of what Slack sends to an app: inner events, the envelope around them, interactivity payloads.

Pure functions of their arguments; nothing is stored or sent here.
"""

import re
import secrets
import time
import uuid

from tests.support.slack_double.world import Channel, HostedFile, Json, Workspace, World

_MENTION = re.compile(r"(<@[UW]\w+>)")


def rich_text(text: str) -> list[Json]:
    """Blocks as Slack's own editor makes them."""
    elements: list[Json] = []
    for piece in filter(None, _MENTION.split(text)):
        if _MENTION.fullmatch(piece):
            elements.append({"type": "user", "user_id": piece[2:-1]})
        else:
            elements.append({"type": "text", "text": piece})
    section = {"type": "rich_text_section", "elements": elements}
    return [{"type": "rich_text", "block_id": secrets.token_urlsafe(4), "elements": [section]}]


def person_message(user: str, text: str, ts: str, team: str) -> Json:
    """A message as it is stored; an event about it says more (see ``message``)."""
    return {
        "type": "message",
        "user": user,
        "client_msg_id": str(uuid.uuid4()),
        "team": team,
        "text": text,
        "blocks": rich_text(text),
        "ts": ts,
    }


def message(channel: Channel, stored: Json) -> Json:
    hidden = ("reply_count", "latest_reply")
    event = {name: value for name, value in stored.items() if name not in hidden}
    if event.get("thread_ts") == event["ts"]:
        del event["thread_ts"]
    return event | {"channel": channel.id, "channel_type": channel.kind, "event_ts": stored["ts"]}


def app_mention(channel: Channel, stored: Json) -> Json:
    event = message(channel, stored)
    del event["channel_type"]
    return event | {"type": "app_mention"}


def message_changed(channel: Channel, now: Json, before: Json, ts: str) -> Json:
    return _hidden(channel, "message_changed", ts) | {"message": now, "previous_message": before}


def message_deleted(channel: Channel, deleted: Json, ts: str) -> Json:
    return _hidden(channel, "message_deleted", ts) | {"deleted_ts": deleted["ts"], "previous_message": deleted}


def _hidden(channel: Channel, subtype: str, ts: str) -> Json:
    place = {"channel": channel.id, "channel_type": channel.kind, "ts": ts, "event_ts": ts}
    return {"type": "message", "subtype": subtype, "hidden": True, **place}


def channel_join(channel: Channel, user: str, ts: str) -> Json:
    joined = {"type": "message", "subtype": "channel_join", "user": user, "ts": ts}
    return message(channel, joined | {"text": f"<@{user}> has joined the channel"})


def bot_message(channel: Channel, bot_id: str, text: str, ts: str, *, thread_ts: str | None = None) -> Json:
    """Another app's bot speaks."""
    said: Json = {"type": "message", "subtype": "bot_message", "bot_id": bot_id, "username": "deploys"}
    return message(channel, said | {"text": text, "ts": ts} | ({"thread_ts": thread_ts} if thread_ts else {}))


def file_share(channel: Channel, stored: Json, *, name: str, mimetype: str, url: str, size: int = 1024) -> Json:
    file: Json = {
        "id": f"F{secrets.token_hex(5).upper()}",
        "name": name,
        "title": name,
        "mimetype": mimetype,
        "filetype": name.rpartition(".")[2],
        "mode": "hosted",
        "size": size,
        "user": stored["user"],
        "is_external": False,
        "file_access": "visible",
        "url_private": url,
        "url_private_download": url,
    }
    return message(channel, stored | {"subtype": "file_share", "upload": False, "files": [file]})


def shared_file(file: HostedFile, user: str, url: str) -> Json:
    """A file as a message names it. One of another workspace has to be asked for."""
    if file.is_elsewhere:
        return {"id": file.id, "mode": "file_access", "file_access": "check_file_info", "created": 0, "timestamp": 0}
    return {
        "id": file.id,
        "name": file.name,
        "title": file.title or file.name,
        "mimetype": file.mimetype,
        "filetype": file.name.rpartition(".")[2],
        "mode": "hosted",
        "size": len(file.content),
        "user": user,
        "is_external": False,
        "file_access": "visible",
        "url_private": url,
        "url_private_download": url,
    }


def app_home_opened(channel: Channel, user: str, ts: str) -> Json:
    return {"type": "app_home_opened", "user": user, "channel": channel.id, "tab": "messages", "event_ts": ts}


def app_uninstalled(ts: str) -> Json:
    return {"type": "app_uninstalled", "event_ts": ts}


def tokens_revoked(bot_user_ids: list[str], ts: str) -> Json:
    """``tokens`` names users, never tokens."""
    return {"type": "tokens_revoked", "tokens": {"oauth": [], "bot": bot_user_ids}, "event_ts": ts}


def agent_session_stopped(channel: Channel, thread_ts: str, user: str, ts: str) -> Json:
    where = {"channel": channel.id, "thread_ts": thread_ts, "user": user}
    return {"type": "agent_session_stopped", **where, "streaming_message_ts": [], "event_ts": ts}


def envelope(world: World, workspace: Workspace, event: Json, *, sent_from: str | None = None) -> Json:
    """An event_callback. ``sent_from``: in Slack Connect the top-level team may be the other workspace."""
    authorization = {
        "enterprise_id": workspace.enterprise_id,
        "team_id": None if workspace.is_enterprise_install else workspace.team_id,
        "user_id": workspace.bot_user_id,
        "is_bot": True,
        "is_enterprise_install": workspace.is_enterprise_install,
    }
    outer: Json = {
        "token": "Vq0verification0token0000",
        "team_id": sent_from or workspace.team_id,
        "context_team_id": workspace.team_id,
        "context_enterprise_id": workspace.enterprise_id,
        "api_app_id": world.app_id,
        "event": event,
        "type": "event_callback",
        "event_id": f"Ev{secrets.token_hex(5).upper()}",
        "event_time": int(time.time()),
        "authorizations": [authorization],
        "is_ext_shared_channel": sent_from is not None,
        "event_context": f"4-{secrets.token_hex(16)}",
    }
    return outer | ({"enterprise_id": workspace.enterprise_id} if workspace.enterprise_id else {})


def url_verification(challenge: str) -> Json:
    return {"token": "Vq0verification0token0000", "challenge": challenge, "type": "url_verification"}


def app_rate_limited(world: World, workspace: Workspace) -> Json:
    minute = int(time.time()) // 60 * 60
    where = {"team_id": workspace.team_id, "api_app_id": world.app_id}
    return {"token": "Vq0verification0token0000", **where, "type": "app_rate_limited", "minute_rate_limited": minute}


def block_actions(world: World, workspace: Workspace, channel: Channel, shown: Json, user: str, action: Json) -> Json:
    """A person pressed a button of ``shown``; ``action`` holds at least action_id and value."""
    thread = {"thread_ts": shown["thread_ts"]} if "thread_ts" in shown else {}
    container = {"type": "message", "message_ts": shown["ts"], "channel_id": channel.id, "is_ephemeral": False}
    org = {"id": workspace.enterprise_id, "name": "Grid"} if workspace.enterprise_id else None
    return {
        "type": "block_actions",
        "user": {"id": user, "username": user.lower(), "name": user.lower(), "team_id": workspace.team_id},
        "api_app_id": world.app_id,
        "token": "Vq0verification0token0000",
        "container": container | thread,
        "trigger_id": f"{time.time_ns()}.{secrets.token_hex(16)}",
        "team": {"id": workspace.team_id, "domain": workspace.team_id.lower()},
        "enterprise": org,
        "is_enterprise_install": workspace.is_enterprise_install,
        "channel": {"id": channel.id, "name": channel.name},
        "message": shown,
        "state": {"values": {}},
        "response_url": f"https://hooks.slack.com/actions/{workspace.team_id}/1/{secrets.token_hex(12)}",
        "actions": [{"type": "button", "block_id": "b1", "action_ts": f"{time.time():.6f}", **action}],
    }
