"""The sections of a tenant's settings, in the order in which they stand beside each other."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from portal.access import Member


@dataclass(frozen=True)
class SettingsSection:
    title: str
    path: str
    """Below the tenant's settings; with it begin the paths of all that belongs to it."""
    permission: str
    keywords: str = ""
    """What somebody may look for who wants it, besides its title."""


SECTIONS: Final[Sequence[SettingsSection]] = (
    SettingsSection("Workspace", "", "settings.read", "name business time zone default models limits approvals delete"),
    SettingsSection("Models", "/models", "keys.read", "keys anthropic openai ollama providers"),
    SettingsSection("Hand-off", "/desk", "settings.read", "desk people groups hours holidays reminders"),
    SettingsSection("Saved replies", "/replies", "inbox.act", "canned responses snippets templates shortcuts"),
    SettingsSection("Retention", "/retention", "settings.read", "how long messages files memories are kept"),
    SettingsSection("Satisfaction", "/satisfaction", "settings.read", "ratings ask contacts csat survey stars"),
    SettingsSection("Security", "/security", "settings.read", "second factor two-factor"),
    SettingsSection("API keys", "/api-keys", "api_keys.read", "programs rest tokens"),
)


def tabs(member: Member, path: str) -> list[tuple[str, str, bool]]:
    """Title, address and whether it is this one, of those that the member may see."""
    base = f"/t/{member.tenant_slug}/settings"
    seen = [section for section in SECTIONS if member.may(section.permission)]
    within = [each.path for each in seen if path == base + each.path or path.startswith(f"{base}{each.path}/")]
    current = max(within, key=len, default="")
    return [(section.title, base + section.path, section.path == current) for section in seen]
