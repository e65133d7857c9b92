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


SECTIONS: Final[Sequence[SettingsSection]] = (
    SettingsSection("Workspace", "", "settings.read"),
    SettingsSection("Models", "/models", "keys.read"),
    SettingsSection("Hand-off", "/desk", "settings.read"),
    SettingsSection("Retention", "/retention", "settings.read"),
    SettingsSection("Security", "/security", "settings.read"),
    SettingsSection("API keys", "/api-keys", "api_keys.read"),
)


def tabs(member: Member, path: str) -> list[tuple[str, str, bool]]:
    """Title, address and whether it is this one, of those that the member may see."""
    base = f"/t/{member.tenant_slug}/settings"
    seen = [section for section in SECTIONS if member.may(section.permission)]
    within = [each.path for each in seen if path == base + each.path or path.startswith(f"{base}{each.path}/")]
    current = max(within, key=len, default="")
    return [(section.title, base + section.path, section.path == current) for section in seen]
