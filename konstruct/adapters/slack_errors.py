"""What Slack's answers mean for a message: one table. No calls, no SDK.

A code that says nothing was posted may be tried again or given up; one that leaves it open has to be looked up.
"""

from collections.abc import Mapping
from typing import Final

from konstruct.adapters.waits import retry_after
from konstruct.errors import (
    ChannelError,
    ChannelRateLimited,
    ChannelRefused,
    ChannelUnavailable,
    ConnectionDead,
    SendUncertain,
    StreamEnded,
    StreamingUnsupported,
    TokenExpired,
)

RATE_LIMITED: Final = frozenset({"ratelimited", "rate_limited", "message_limit_exceeded"})

# Slack's own words for the first two: "It's possible some aspect of the operation succeeded before the error
# was raised." The third promises nothing, and a look costs less than a message sent twice.
UNCERTAIN: Final = frozenset({"internal_error", "fatal_error", "service_unavailable"})

UNAVAILABLE: Final = {
    "request_timeout": "Slack received only a part of the request.",
    "org_login_required": "The workspace is being moved into an Enterprise organization.",
    "team_added_to_org": "The workspace is being moved into an Enterprise organization.",
    "external_channel_migrating": "Slack is moving this shared channel.",
}

DEAD: Final = {
    "account_inactive": "The workspace or the app's bot user was deleted or deactivated.",
    "invalid_auth": "Slack does not know this token, or does not accept it from this address.",
    "not_allowed_token_type": "A bot token (xoxb-…) is needed here.",
    "not_authed": "The connection has no token.",
    "team_disabled": "The workspace has been disabled.",
    "token_revoked": "The app was removed from the workspace; install it again.",
    "two_factor_setup_required": "The workspace demands two-factor sign-in of the account behind this token.",
}

REFUSED: Final = {
    # The place.
    "cannot_reply_to_message": "Slack allows no replies to this kind of message.",
    "channel_is_limited_access": "Access to the channel is limited.",
    "channel_not_found": "The channel is gone, or the app was never in it.",
    "ekm_access_denied": "Administrators of the workspace have suspended posting.",
    "invalid_thread_ts": "The message that started the thread is gone.",
    "is_archived": "The channel is archived.",
    "is_inactive": "The channel is frozen.",
    "message_not_found": "The message that started the thread is gone.",
    "messages_tab_disabled": "Direct messages to the app are switched off; enable the messages tab of its App Home.",
    "not_in_channel": "The app is not a member of the channel; invite it.",
    "restricted_action": "A preference of the workspace keeps the app from posting here.",
    "restricted_action_non_threadable_channel": "The channel allows no threads.",
    "restricted_action_read_only_channel": "The channel is read-only.",
    "restricted_action_thread_locked": "The thread was locked by an administrator.",
    "restricted_action_thread_only_channel": "The channel allows only replies in threads.",
    "thread_locked": "The thread was locked by an administrator.",
    "thread_not_found": "The message that started the thread is gone.",
    "user_is_deactivated": "The person's account is deactivated.",
    "user_not_in_channel": "The person is not a member of the channel; invite them.",
    # The message.
    "invalid_blocks": "Slack does not accept the message's blocks.",
    "invalid_blocks_format": "Slack does not accept the message's blocks.",
    "metadata_too_large": "The message's metadata is too large.",
    "msg_blocks_too_long": "The message is too long.",
    "msg_too_long": "The message is too long.",
    "no_text": "The message is empty.",
    # The app and its installation.
    "access_denied": "The app may not use this.",
    "accesslimited": "Slack does not allow this method from this network.",
    "enterprise_is_restricted": "Slack does not allow this method in an Enterprise organization.",
    "missing_scope": "The app lacks a permission; add it to the app and install the app again.",
    "no_permission": "The app lacks the permission to do this.",
    "team_access_not_granted": "The organization has not granted the app this workspace.",
    # Installing.
    "bad_client_secret": "Slack does not accept the client secret.",
    "bad_redirect_uri": "The redirect address is not the one that the installation began with.",
    "code_already_used": "This installation was already completed; start it again.",
    "invalid_client_id": "Slack does not know the client id.",
    "invalid_code": "The installation took too long or was completed before; start it again.",
    "invalid_refresh_token": "Slack no longer takes the token with which the connection is renewed.",
}

LACKING: Final = frozenset({"unknown_method", "method_deprecated", "deprecated_endpoint", "feature_not_enabled"})
"""The whole workspace has no such method, now and at the next call."""

ENDED: Final = {
    "message_not_in_streaming_state": "The message takes no more text.",
    "stopped_by_user": "Somebody stopped the reply.",
}


def channel_error(status: int, headers: Mapping[str, str], body: object) -> ChannelError:
    """``body``: the answer as parsed JSON, or anything else when it was none."""
    answer = body if isinstance(body, dict) else {}
    code = str(answer.get("error") or "")[:60]
    if status == 429 or code in RATE_LIMITED:
        return ChannelRateLimited("Slack asks to be called less often.", retry_after(headers))
    if status >= 500 or status == 408 or code in UNCERTAIN:
        return SendUncertain(f"Slack failed to answer ({code or status}).")
    if not code:
        return _without_code(status)
    if code == "token_expired":
        return TokenExpired("The connection's token has expired.")
    if code in UNAVAILABLE:
        return ChannelUnavailable(UNAVAILABLE[code])
    if code in DEAD:
        return ConnectionDead(DEAD[code], code)
    sentence = REFUSED.get(code, f"Slack refused the call ({code}).")
    return ChannelRefused(" ".join([sentence, *_details(answer)]), code)


def streaming_error(error: ChannelError, *, is_beginning: bool) -> ChannelError:
    """What a refusal means for a stream; other errors mean the same as everywhere.

    Why somebody is not streamed to has many names, few of them documented: the plan, the app's settings, the kind of
    channel, a person of another workspace. If it is not about streams, the reply that is sent whole instead tells.
    """
    if type(error) is not ChannelRefused:
        return error
    if error.code in ENDED:
        return StreamEnded(ENDED[error.code], error.code)
    if is_beginning and error.code not in REFUSED:
        return StreamingUnsupported(f"Slack does not stream replies here ({error.code}).", error.code)
    return error


def _without_code(status: int) -> ChannelError:
    if 400 <= status < 500:
        return ChannelUnavailable(f"Something between us and Slack refused the request (HTTP {status}).")
    return SendUncertain(f"The answer is not one of Slack's (HTTP {status}).")


def _details(answer: Mapping[str, object]) -> list[str]:
    metadata = answer.get("response_metadata")
    messages = metadata.get("messages") if isinstance(metadata, dict) else None
    details = [str(message)[:200] for message in messages[:3]] if isinstance(messages, list) else []
    return [f"Needed: {answer['needed']}.", *details] if answer.get("needed") else details
