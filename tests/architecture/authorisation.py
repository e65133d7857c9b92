"""docs/authorisation.md, as the routes declare it: ``python -m tests.architecture.authorisation`` writes it anew."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from cryptography.fernet import Fernet
from fastapi import FastAPI
from pydantic import SecretStr

from konstruct.accounts.permissions import DESCRIPTIONS, PERMISSIONS, ROLES
from konstruct.settings import Settings
from portal import access
from portal.access import Access, AnyPerson, May
from portal.app import build

CHECKOUT: Final = Path(__file__).parents[2]
DOCUMENT: Final = CHECKOUT / "docs" / "authorisation.md"
API: Final = CHECKOUT / "portal" / "openapi.json"
_METHODS: Final = ("get", "post", "put", "patch", "delete")

_INTRODUCTION: Final = """\
# Authorisation: who may do what

Taken from what the routes declare, and written anew by `python -m tests.architecture.authorisation`; a test holds it
against them. Whatever is not listed, nobody may. A tenant that somebody is no member of is answered like one that does
not exist: 404.
"""


def written() -> str:
    """As the file holds it."""
    return "\n".join([_INTRODUCTION, *_roles(), *_pages(), *_programs()])


def _roles() -> Iterator[str]:
    yield "## Roles of a tenant\n"
    yield from (f"- **{role}**: {DESCRIPTIONS[role]}" for role in ROLES)
    yield f"\n| permission | {' | '.join(ROLES)} |"
    yield f"| --- |{' --- |' * len(ROLES)}"
    for permission, allowed in PERMISSIONS.items():
        yield f"| `{permission}` | {' | '.join('yes' if role in allowed else '' for role in ROLES)} |"
    yield ""


def _pages() -> Iterator[str]:
    yield "## Pages of the portal\n"
    yield "*Confirmed*: whoever gave their password or second factor within the last ten minutes, or gives it again.\n"
    yield "| page | who |"
    yield "| --- | --- |"
    settings = Settings(encryption_keys=(SecretStr(Fernet.generate_key().decode()),))
    app = build(settings).app
    assert isinstance(app, FastAPI)
    for path, methods, declared in sorted(access.declared(app.routes), key=lambda each: (each[0], list(each[1]))):
        for method in methods:
            if method != "HEAD":
                yield f"| `{method} {path}` | {_who(declared)} |"
    yield ""


def _who(declared: Access) -> str:
    if isinstance(declared, May):
        return f"`{declared.permission}`{', confirmed' if declared.recent else ''}"
    if isinstance(declared, AnyPerson):
        return f"whoever is signed in{', confirmed' if declared.recent else ''}"
    return "anybody"


def _programs() -> Iterator[str]:
    yield "## Routes of the REST API\n"
    yield "Each takes a key of the tenant's with one of these scopes.\n"
    yield "| route | scopes |"
    yield "| --- | --- |"
    for path, methods in sorted(json.loads(API.read_text())["paths"].items()):
        for method in _METHODS:
            if about := methods.get(method):
                scopes = {scope for scheme in about.get("security", ()) for scope in scheme.get("HTTPBearer", ())}
                shown = ", ".join(f"`{scope}`" for scope in sorted(scopes)) or "any key"
                yield f"| `{method.upper()} {path}` | {shown} |"
    yield ""


if __name__ == "__main__":
    DOCUMENT.write_text(written(), encoding="utf-8")
