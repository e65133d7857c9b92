"""What keys may be allowed, in words and by subjects; and usual choices of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True)
class Group:
    title: str
    scopes: Mapping[str, str]
    """Each with what it opens."""


@dataclass(frozen=True)
class Preset:
    key: str
    title: str
    says: str
    scopes: Sequence[str]


GROUPS: Final[Sequence[Group]] = (
    Group(
        "Conversations and people's part in them",
        {
            "conversations:read": "See all conversations, with all that was said and done",
            "handoffs:read": "See conversations that wait for people, with all that was said",
            "handoffs:act": "Take conversations over, write in them, hand them back",
            "approvals:read": "See what employees wait to be allowed",
            "approvals:decide": "Say yes or no to it",
        },
    ),
    Group(
        "Contacts",
        {
            "contacts:read": "See contacts and what is remembered of them",
            "contacts:write": "Join contacts, have things forgotten, erase people",
        },
    ),
    Group(
        "Employees and what they work with",
        {
            "employees:read": "See employees, their drafts and versions",
            "employees:write": "Change, try out, publish, roll back and archive employees",
            "knowledge:read": "See and search what employees know",
            "knowledge:write": "Add documents and sources, and remove them",
            "tools:read": "See tools",
            "tools:write": "Define tools, try them, remove them",
        },
    ),
    Group(
        "Insight",
        {
            "reports:read": "See usage, cost and outcomes, and what needs somebody",
            "audit:read": "See and export the audit trail",
        },
    ),
    Group(
        "The business",
        {
            "channels:read": "See channels and their states",
            "channels:write": "Connect channels, say who serves them, disconnect them",
            "settings:read": "See the settings of the business",
            "settings:write": "Change the settings of the business, and its own model keys",
            "billing:read": "See the plan, what of it is used, and invoices",
            "team:read": "See the team",
            "team:write": "Invite people, change roles, remove people; never owners",
        },
    ),
)
SCOPES: Final[Mapping[str, str]] = {scope: says for group in GROUPS for scope, says in group.scopes.items()}

PRESETS: Final[Sequence[Preset]] = (
    Preset(
        "read",
        "Read everything",
        "Sees all that there is, and changes nothing.",
        tuple(scope for scope in SCOPES if scope.endswith(":read")),
    ),
    Preset(
        "inbox",
        "Inbox bot",
        "Takes part in conversations that wait for people.",
        ("conversations:read", "handoffs:read", "handoffs:act", "contacts:read"),
    ),
    Preset(
        "approvals",
        "Approvals",
        "Decides what employees ask to be allowed.",
        ("approvals:read", "approvals:decide"),
    ),
    Preset("knowledge", "Knowledge upkeep", "Keeps documents up to date.", ("knowledge:read", "knowledge:write")),
    Preset("reports", "Reports", "Fetches usage, cost and outcomes.", ("reports:read",)),
)


def preset(scopes: Sequence[str]) -> Preset | None:
    """The usual choice that these are, if they are one."""
    return next((each for each in PRESETS if set(each.scopes) == set(scopes)), None)
