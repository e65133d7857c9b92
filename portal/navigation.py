"""Where one can go: the pages of a tenant and of a person, in one list, from which sidebar and palette are made."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from portal.access import Member, Person


@dataclass(frozen=True)
class Place:
    title: str
    path: str
    """Below the tenant's address, or of the person; with it begin the paths of all that belongs to it."""
    icon: str
    permission: str | None = None
    jump: str | None = None
    """The letter that leads there after `g`."""


@dataclass(frozen=True)
class Group:
    title: str | None
    places: Sequence[Place]


@dataclass(frozen=True)
class Link:
    title: str
    href: str
    icon: str
    jump: str | None
    is_current: bool
    badge: int = 0
    """How many things wait there."""

    @property
    def key(self) -> str:
        """The last part of its address."""
        return self.href.rpartition("/")[2]


@dataclass(frozen=True)
class LinkGroup:
    title: str | None
    links: Sequence[Link]


BILLING: Final = Place("Billing", "billing", "credit-card", "billing.read", jump="b")
"""Only where a business is billed."""
TENANT: Final[Sequence[Group]] = (
    Group(
        None,
        (
            Place("Home", "home", "house", "home.read", jump="h"),
            Place("Inbox", "inbox", "inbox", "inbox.read", jump="i"),
            Place("Conversations", "conversations", "messages-square", "conversations.read", jump="v"),
            Place("Approvals", "approvals", "circle-check-big", "approvals.read", jump="a"),
            Place("Contacts", "contacts", "contact", "contacts.read", jump="n"),
        ),
    ),
    Group(
        "Workspace",
        (
            Place("Employees", "employees", "bot", "employees.read", jump="e"),
            Place("Knowledge", "knowledge", "book-open", "knowledge.read", jump="k"),
            Place("Tools", "tools", "wrench", "tools.read", jump="o"),
            Place("Channels", "channels", "plug", "channels.read", jump="c"),
        ),
    ),
    Group(
        "Insight",
        (
            Place("Usage & cost", "usage", "chart-column", "reports.read", jump="u"),
            Place("Outcomes", "outcomes", "target", "reports.read", jump="r"),
            Place("Audit", "audit", "scroll-text", "audit.read", jump="l"),
        ),
    ),
    Group(
        "Account",
        (
            Place("Team", "team", "users", "team.read", jump="t"),
            BILLING,
            Place("Settings", "settings", "settings", "settings.read", jump="s"),
        ),
    ),
)
PERSONAL: Final[Sequence[Group]] = (
    Group(
        "You",
        (
            Place("Profile", "/account", "circle-user", jump="p"),
            Place("Security", "/account/security", "shield-check"),
            Place("Sessions", "/account/sessions", "monitor-smartphone"),
        ),
    ),
)


def of_tenant(member: Member, path: str, badges: Mapping[str, int], *, is_billed: bool) -> list[LinkGroup]:
    """What this member may see, with the place where they are marked. ``badges``: how much waits, by a place's path."""
    base = f"/t/{member.tenant_slug}"
    return _links(
        [
            Group(
                group.title,
                [
                    place
                    for place in group.places
                    if (not place.permission or member.may(place.permission)) and (is_billed or place != BILLING)
                ],
            )
            for group in TENANT
        ],
        f"{base}/",
        path,
        badges,
    )


def of_person(person: Person, path: str) -> list[LinkGroup]:
    return _links(PERSONAL, "", path, {})


def _links(groups: Sequence[Group], base: str, path: str, badges: Mapping[str, int]) -> list[LinkGroup]:
    hrefs = [base + place.path for group in groups for place in group.places]
    within = [href for href in hrefs if path == href or path.startswith(f"{href}/")]
    current = max(within, key=len, default=None)
    return [
        LinkGroup(
            group.title,
            [
                Link(
                    place.title,
                    base + place.path,
                    place.icon,
                    place.jump,
                    base + place.path == current,
                    badges.get(place.path, 0),
                )
                for place in group.places
            ],
        )
        for group in groups
        if group.places
    ]
