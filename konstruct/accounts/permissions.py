"""Who may do what in a tenant: the one table of it. What it does not name, nobody may."""

from collections.abc import Mapping
from typing import Final, Literal, get_args

Role = Literal["owner", "admin", "agent", "viewer"]
ROLES: Final[tuple[Role, ...]] = get_args(Role)

_EVERYBODY: Final[frozenset[Role]] = frozenset(ROLES)
_AGENTS: Final[frozenset[Role]] = frozenset({"owner", "admin", "agent"})
_MANAGERS: Final[frozenset[Role]] = frozenset({"owner", "admin"})
_OWNERS: Final[frozenset[Role]] = frozenset({"owner"})

PERMISSIONS: Final[Mapping[str, frozenset[Role]]] = {
    "home.read": _EVERYBODY,
    "inbox.read": _EVERYBODY,
    "inbox.act": _AGENTS,
    "inbox.manage": _MANAGERS,
    "conversations.read": _EVERYBODY,
    "conversations.export": _MANAGERS,
    "approvals.read": _EVERYBODY,
    "approvals.decide": _AGENTS,
    "contacts.read": _EVERYBODY,
    "contacts.edit": _MANAGERS,
    "contacts.erase": _MANAGERS,
    "tools.read": _EVERYBODY,
    "tools.edit": _MANAGERS,
    "reports.read": _EVERYBODY,
    "budgets.edit": _MANAGERS,
    "audit.read": _MANAGERS,
    "audit.export": _MANAGERS,
    "employees.read": _EVERYBODY,
    "employees.edit": _MANAGERS,
    "employees.rehearse": _MANAGERS,
    "channels.read": _EVERYBODY,
    "channels.edit": _MANAGERS,
    "knowledge.read": _EVERYBODY,
    "knowledge.edit": _MANAGERS,
    "onboarding.edit": _MANAGERS,
    "settings.read": _MANAGERS,
    "settings.edit": _MANAGERS,
    "keys.read": _MANAGERS,
    "keys.edit": _MANAGERS,
    "api_keys.read": _MANAGERS,
    "api_keys.edit": _MANAGERS,
    "billing.read": _MANAGERS,
    "billing.edit": _OWNERS,
    "team.read": _EVERYBODY,
    "team.edit": _MANAGERS,
    "team.owners": _OWNERS,
    "tenant.delete": _OWNERS,
}

DESCRIPTIONS: Final[Mapping[Role, str]] = {
    "owner": "Everything, including what is paid for, other owners and deleting the business.",
    "admin": "Employees, channels, settings, keys and the team.",
    "agent": "Takes conversations over from employees; sees how they are set up.",
    "viewer": "Looks, and changes nothing.",
}


def allows(role: str, permission: str) -> bool:
    return role in PERMISSIONS.get(permission, ())


def may_give(giver: str, role: str) -> bool:
    """Whether somebody may give others this role, or take it from them: owners are made and unmade by owners."""
    return allows(giver, "team.owners" if role == "owner" else "team.edit")
