"""Streamed messages: begun, appended to, stopped. What Slack documents of them, and what others have measured.

Nobody knows what Slack does when the thread is gone; here it is refused.
"""

import time

from tests.support.slack_double import events, rules
from tests.support.slack_double.methods import Caller, Method, bot_message, check_author, join_thread, writable
from tests.support.slack_double.rules import SlackError, check_ts
from tests.support.slack_double.world import Channel, Json, Stream


def start(caller: Caller, args: Json) -> Json:
    workspace, channel = writable(caller, args.get("channel"))
    if workspace.refuses_streams:
        raise SlackError(workspace.refuses_streams)
    check_author(caller, args)
    root = check_ts(args.get("thread_ts"), "invalid_thread_ts")
    # Documented as needed in channels alone; bots have been asked for both in DMs as well.
    for recipient in ("recipient_user_id", "recipient_team_id"):
        if not args.get(recipient):
            raise SlackError(f"missing_{recipient}")
    if args["recipient_team_id"] not in {*(w.team_id for w in caller.workspaces), channel.shared_with}:
        raise SlackError("team_not_found")
    if args.get("task_display_mode", "timeline") not in {"timeline", "plan", "dense"}:
        raise SlackError("invalid_arguments")
    if root not in channel.messages:
        raise SlackError("message_not_found")
    chunks = _chunks(args)
    stream = Stream("text" if args.get("markdown_text") else "chunks")
    message = bot_message(caller.world, workspace, {name: args.get(name) for name in rules.CUSTOM_AUTHOR})
    message["streaming_state"] = "in_progress"
    join_thread(channel, message, root)
    _add(stream, message, chunks)
    caller.world.streams[message["ts"]] = stream
    caller.world.store(channel, message)
    caller.world.statuses.pop((channel.id, root), None)
    return {"channel": channel.id, "ts": message["ts"]}


def append(caller: Caller, args: Json) -> Json:
    channel, message, stream = _open(caller, args)
    if not args.get("markdown_text") and not args.get("chunks"):
        raise SlackError("markdown_text_or_chunks_required")
    _add(stream, message, _chunks(args, stream))
    return {"channel": channel.id, "ts": message["ts"]}


def stop(caller: Caller, args: Json) -> Json:
    channel, message, stream = _open(caller, args)
    if args.get("metadata") is not None:
        rules.check_metadata(args["metadata"])
    _add(stream, message, _chunks(args, stream))
    message |= {"metadata": args["metadata"]} if args.get("metadata") else {}
    caller.world.end_stream(channel, message["ts"])
    return {"channel": channel.id, "ts": message["ts"], "message": message}


def _open(caller: Caller, args: Json) -> tuple[Channel, Json, Stream]:
    workspace, channel = writable(caller, args.get("channel"))
    message = channel.messages.get(str(args.get("ts")))
    if message is None:
        raise SlackError("message_not_found")
    if message.get("bot_id") != workspace.bot_id:
        raise SlackError("message_not_owned_by_app")
    stream = caller.world.streams.get(message["ts"])
    if stream and stream.stopped_by_user:
        raise SlackError("stopped_by_user")
    if stream is None or not stream.is_open:
        raise SlackError("message_not_in_streaming_state")
    return channel, message, stream


def _chunks(args: Json, stream: Stream | None = None) -> list[Json]:
    """What comes with a call, none at all included. A stream keeps to the mode in which it was begun."""
    text, chunks = args.get("markdown_text"), args.get("chunks")
    if text and chunks:
        raise SlackError("cannot_provide_both_markdown_text_and_chunks")
    if stream and (text or chunks) and stream.mode != ("text" if text else "chunks"):
        raise SlackError("streaming_mode_mismatch")
    if not text and chunks is None:
        return []
    given: list[Json] = [{"type": "markdown_text", "text": text}] if text else chunks or []
    rules.check_chunks(given)
    return given


def _add(stream: Stream, message: Json, chunks: list[Json]) -> None:
    added = "".join(chunk["text"] for chunk in chunks if chunk["type"] == "markdown_text")
    rules.check_streamed(stream.text + added)
    stream.chunks += [(time.monotonic(), chunk) for chunk in chunks]
    message["text"] = stream.text
    cards = [
        {"type": "task_card", "task_id": task["id"], "title": task["title"], "status": task["status"]}
        for task in stream.tasks.values()
    ]
    message["blocks"] = [*(events.rich_text(stream.text) if stream.text else []), *cards]


METHODS = {
    "chat.startStream": Method(start, ("chat:write",), ("channel", "thread_ts"), takes_json=True),
    "chat.appendStream": Method(append, ("chat:write",), ("channel", "ts"), takes_json=True),
    "chat.stopStream": Method(stop, ("chat:write",), ("channel", "ts"), takes_json=True),
}
