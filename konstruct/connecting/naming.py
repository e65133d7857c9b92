"""What a connection is called among people."""

from collections.abc import Mapping
from typing import Any, Final, Protocol

KINDS: Final[Mapping[str, str]] = {"slack": "Slack", "whatsapp": "WhatsApp", "console": "Console"}


class Connected(Protocol):
    """What a connection is called by."""

    @property
    def key(self) -> str: ...

    @property
    def kind(self) -> str: ...

    @property
    def external(self) -> Mapping[str, Any]: ...


def title(seen: Connected) -> str:
    """What the account is called."""
    if seen.kind == "slack":
        return str(seen.external.get("team_name") or seen.external.get("team_id") or seen.key)
    if seen.kind == "whatsapp":
        return str(seen.external.get("display_phone_number") or seen.external.get("phone_number_id") or seen.key)
    return KINDS.get(seen.kind, seen.key)
