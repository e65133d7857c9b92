"""What the Graph API's error codes mean for a message: one table. No calls.

The same codes come as answers and, later, in the word that a message failed: ``meaning`` is for both.
"""

from collections.abc import Mapping
from datetime import timedelta
from typing import Final

from konstruct.adapters.waits import retry_after
from konstruct.errors import (
    ChannelError,
    ChannelRateLimited,
    ChannelRefused,
    ChannelUnavailable,
    ConnectionDead,
    SendUncertain,
)

WINDOW_CLOSED: Final = "window_closed"
"""What a refusal is called that comes of WhatsApp's 24 hours."""
_WINDOW: Final = 131047

_PAIR: Final = 131056


class PairLimited(ChannelRateLimited):
    """Too much for one person alone. The messenger, which counts them, makes an ordinary one of it."""


DEAD: Final = {
    0: "Meta does not accept the access token; set up the number again with a new one.",
    3: "The app lacks a capability or permission for WhatsApp; grant it and set up the number again.",
    10: "The access token lacks a permission, or it was taken away; grant it and set up the number again.",
    33: "The number was deleted, or the access token may not use it.",
    190: "The access token has expired or was revoked; set up the number again with a new one.",
    368: "Meta has restricted the WhatsApp account for a policy violation; see its Business Support.",
    131005: "The access token lacks a permission, or it was taken away; grant it and set up the number again.",
    131031: "Meta has locked the WhatsApp account; see its Business Support.",
    131045: "The number's registration is broken; register it again.",
    133010: "The number is not registered with the Cloud API; register it.",
}
PERMISSIONS: Final = range(200, 300)

RATE_LIMITED: Final = {
    4: timedelta(minutes=1),
    80007: timedelta(minutes=1),
    130429: timedelta(seconds=5),
    131048: timedelta(hours=1),
    _PAIR: timedelta(seconds=4),
    133016: timedelta(hours=1),
}
_TOO_MUCH: Final = {
    4: "The app has made too many calls.",
    80007: "The WhatsApp account has made too many calls.",
    130429: "The number sends more messages a second than it may.",
    131048: "Meta lets the number send no more for now: too many of its messages were blocked or reported.",
    _PAIR: "Too many messages in a short time to the same person.",
    133016: "The number was registered too often in a short time.",
}

UNAVAILABLE: Final = {
    1: "Meta failed to answer.",
    2: "Meta is out of order for now.",
    131000: "WhatsApp could not send the message and does not say why.",
    131016: "WhatsApp is overloaded or out of order for now.",
    131057: "Meta is working on the WhatsApp account, such as moving it to more throughput.",
    133004: "WhatsApp is out of order for now.",
}

REFUSED: Final = {
    # The person.
    130472: "Meta did not deliver it: the person is in an experiment of Meta's about marketing messages.",
    130497: "The business may not write to people in this country.",
    131021: "The number cannot write to itself.",
    131026: "WhatsApp cannot reach the person: they have no WhatsApp, an old one, or have not accepted its terms.",
    131030: "The number is a test number, and this person is not on its list; add them to it.",
    _WINDOW: "The person last wrote over 24 hours ago: until they write again, only an approved template reaches them.",
    131049: "Meta did not deliver it, so that the person does not get too many marketing messages.",
    131050: "The person has stopped marketing messages from the business.",
    131062: "This kind of message needs the person's phone number, which WhatsApp does not tell.",
    # The message.
    100: "WhatsApp does not accept the message's form.",
    131008: "WhatsApp misses something in the message.",
    131009: "WhatsApp does not accept a value in the message.",
    131051: "WhatsApp does not support this kind of message.",
    131052: "WhatsApp could not fetch the file.",
    131053: "WhatsApp does not take the file: its kind, its content or its size.",
    135000: "WhatsApp does not accept the message's form.",
    # Templates.
    132000: "The template has another number of places than values were given.",
    132001: "There is no such template in this language, or it is not approved; see WhatsApp Manager.",
    132005: "The template's text gets too long with these values.",
    132007: "The template violates a policy of WhatsApp's; change it in WhatsApp Manager.",
    132008: "WhatsApp does not accept a value of the template.",
    132012: "The template's values have another form than it was approved with.",
    132015: "The template is paused for its low quality; change it in WhatsApp Manager.",
    132016: "The template was paused too often and is disabled for good; choose another.",
    132068: "The template's flow is blocked; see WhatsApp Manager.",
    132069: "The template's flow is slowed down; see WhatsApp Manager.",
    # The business.
    131037: "The number needs a display name that Meta has approved; ask for it in WhatsApp Manager.",
    131042: "Something is wrong with the WhatsApp account's payment method; see its billing settings.",
    134011: "The business has yet to accept WhatsApp's terms of payment.",
}
TEMPLATES: Final = range(132000, 133000)


def meaning(code: int) -> str:
    """A sentence for whoever runs the tenant, which says what to do where something can be done."""
    for table in (DEAD, _TOO_MUCH, UNAVAILABLE, REFUSED):
        if code in table:
            return table[code]
    if code in PERMISSIONS:
        return DEAD[10]
    if code in TEMPLATES:
        return f"WhatsApp does not accept the template ({code}); see WhatsApp Manager."
    return f"WhatsApp refused it ({code})."


def refusal_code(code: int) -> str:
    """What a refusal is called in our record."""
    return WINDOW_CLOSED if code == _WINDOW else str(code)


def channel_error(status: int, headers: Mapping[str, str], body: object) -> ChannelError:
    """``body``: the answer as parsed JSON, or anything else when it was none."""
    error = body.get("error") if isinstance(body, dict) else None
    code = error.get("code") if isinstance(error, dict) else None
    if not isinstance(error, dict) or not isinstance(code, int):
        return _without_code(status, headers)
    sentence = meaning(code)
    if code in RATE_LIMITED:
        limited = PairLimited if code == _PAIR else ChannelRateLimited
        return limited(sentence, retry_after(headers, RATE_LIMITED[code]))
    if code in UNAVAILABLE or error.get("is_transient") is True:
        return ChannelUnavailable(sentence)
    if code == 100 and error.get("error_subcode") == 33:
        return ConnectionDead(DEAD[33], "33")
    if code in DEAD or code in PERMISSIONS:
        return ConnectionDead(sentence, str(code))
    if status >= 429 and code not in REFUSED:
        return _without_code(status, headers)
    return ChannelRefused(" ".join([sentence, *_details(error)]), refusal_code(code))


def _without_code(status: int, headers: Mapping[str, str]) -> ChannelError:
    """It may have come from something between us and Meta, which may have let the request through."""
    if status == 429:
        return ChannelRateLimited("Meta asks to be called less often.", retry_after(headers))
    if 300 <= status < 500 and status != 408:
        return ChannelUnavailable(f"Something between us and Meta refused the request (HTTP {status}).")
    return SendUncertain(f"Meta failed to answer (HTTP {status}).")


def _details(error: Mapping[str, object]) -> list[str]:
    """Meta's own words about a form that it does not accept; never of what was said, which it does not repeat."""
    data = error.get("error_data")
    details = data.get("details") if isinstance(data, dict) else None
    return [f"Meta says: {details[:200]}"] if isinstance(details, str) and details else []
