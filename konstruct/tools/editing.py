"""Tools as people write them on a page or a program sends them, one at a time, held to the rules that a manifest is
held to. Their secrets go in and never come out again.
"""

import re
from collections.abc import Mapping
from typing import Any, Final, Literal
from urllib.parse import urlsplit
from uuid import UUID

from pydantic import SecretStr, ValidationError
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from konstruct import tenant_settings
from konstruct.errors import BadInput, Mistakes, NotFound
from konstruct.manifest import explain
from konstruct.manifest.sections import HttpTool, McpTools
from konstruct.tables import Tool
from konstruct.tools import defining
from konstruct.tools.builtin import BUILTINS
from konstruct.tools.defining import AUTH, Definition
from konstruct.tools.http_definition import HttpToolDefinition
from konstruct.tools.policy import RISKS, Risk
from konstruct.vault import Vault

Kind = Literal["http", "mcp"]

LONGEST_SECRET: Final = 4_000
SHOWN_OF: Final = 12
"""So long a secret must be for its last four characters to tell nothing that matters."""

UNJUDGED: Final[Risk] = "sends"
"""What a server's tool may do as long as nobody has said what it does."""

_KEY: Final = re.compile(r"[a-z][a-z0-9-]{0,62}")
_WHERE: Final = re.compile(r"(url|query|headers|body)(?:\.[^:]*)?: (.*)", re.DOTALL)
"""How what is wrong with several fields together names the one that it is told beside."""


async def put(
    session: AsyncSession,
    vault: Vault,
    tenant_id: UUID,
    key: str,
    kind: Kind,
    wanted: Mapping[str, Any],
    *,
    secret: SecretStr | None,
    is_new: bool | None,
    actor: str,
) -> Tool:
    """Makes the tool, or alters it to be so.

    Args:
        wanted: As in a manifest, but for ``kind`` and ``secret``.
        secret: None leaves the one that is there, as long as it goes to where it was given for.
        is_new: Whether there must be none of this key yet, or one; None where that is all the same.

    Raises:
        Mistakes: with a sentence for each field, ``key`` and ``secret`` among them.
        NotFound: there is none to be altered.
    """
    content = checked(kind, wanted)
    # Of two who make one of the same name at once, the later one is told that it is taken.
    await tenant_settings.locked(session, tenant_id)
    row = await session.scalar(select(Tool).where(col(Tool.key) == key, col(Tool.status) != "removed"))
    _check_key(key, kind, row, is_new)
    if row is None and is_new is False:
        await defining.called(session, key)
    chosen = await _secret(session, vault, row, kind, content, secret)
    tool, _ = await defining.put(session, vault, tenant_id, key, Definition(kind, content, chosen), actor)
    return tool


def checked(kind: Kind, wanted: Mapping[str, Any]) -> dict[str, Any]:
    """As it is stored. Raises Mistakes."""
    section = HttpTool if kind == "http" else McpTools
    mistakes: dict[str, str] = {}
    try:
        content = section.model_validate({**wanted, "kind": kind}).content()
        if kind == "http":
            HttpToolDefinition.parse(content["request"])  # type: ignore[arg-type]  # It is a mapping.
        return content
    except ValidationError as error:
        for problem in error.errors(include_url=False, include_input=False):
            name, told = _told(problem)
            mistakes.setdefault(name, told)
    except BadInput as error:
        mistakes[""] = str(error)
    # Raised out here, so that no traceback leads to the values that were refused.
    raise Mistakes(mistakes)


async def judge(session: AsyncSession, vault: Vault, key: str, risks: Mapping[str, str], *, actor: str) -> None:
    """What some of a server's tools may do, as an operator judges it. Raises Mistakes, and NotFound for no server."""
    tool = await defining.called(session, key, lock=True)
    if tool.kind != "mcp":
        raise NotFound(f"There is no server {key!r}.")
    known = dict(tool.definition.get("tools", {}))
    for name, risk in risks.items():
        if name not in tool.listing:
            raise Mistakes({"": f"{key} offers no tool of this name any more: load the page again."})
        if risk not in RISKS:
            raise Mistakes({"": "Choose one of the risks."})
        if risk != known.get(name, {}).get("risk", UNJUDGED):
            known[name] = {**known.get(name, {}), "risk": risk}
    kept = (await defining.secrets(session, vault, tool)).get(AUTH)
    content = {**tool.definition, "tools": known}
    await defining.put(session, vault, tool.tenant_id, key, Definition("mcp", content, kept), actor)


async def last_four(session: AsyncSession, vault: Vault, tool: Tool) -> str | None:
    """The end of its secret, for people to know which one it is; empty of one that is too short; None of none."""
    secret = (await defining.secrets(session, vault, tool)).get(AUTH)
    if secret is None:
        return None
    value = secret.get_secret_value()
    return value[-4:] if len(value) >= SHOWN_OF else ""


def place(kind: str, content: Mapping[str, Any]) -> str:
    """Whom its requests go to, and with them its secret."""
    url = content.get("request", {}).get("url", "") if kind == "http" else content.get("url", "")
    parts = urlsplit(str(url))
    return f"{parts.scheme}://{parts.netloc}".lower()


def _check_key(key: str, kind: Kind, row: Tool | None, is_new: bool | None) -> None:
    if not _KEY.fullmatch(key):
        raise Mistakes({"key": "Use lower-case letters, digits and hyphens, at most 63, and begin with a letter."})
    if key in BUILTINS or key.replace("-", "_") in BUILTINS:
        raise Mistakes({"key": "A built-in tool is called so: choose another name."})
    if row is not None and is_new:
        raise Mistakes({"key": "There is a tool of this name already: choose another one."})
    if row is not None and row.kind != kind:
        other = "an HTTP tool" if row.kind == "http" else "a server of tools"
        raise Mistakes({"key": f"This is {other}: remove it first, or choose another name."})


async def _secret(
    session: AsyncSession,
    vault: Vault,
    row: Tool | None,
    kind: Kind,
    content: Mapping[str, Any],
    given: SecretStr | None,
) -> SecretStr | None:
    auth = content["request"].get("auth") if kind == "http" else content.get("auth")
    if given is not None and not given.get_secret_value():
        given = None
    if given is not None and len(given.get_secret_value()) > LONGEST_SECRET:
        raise Mistakes({"secret": f"This is longer than {LONGEST_SECRET:,} characters."})
    if given is not None:
        if kind == "http" and not auth:
            raise Mistakes({"auth": "Choose how the secret is sent, or leave it empty."})
        return given
    if not auth:
        return None
    known = (await defining.secrets(session, vault, row)).get(AUTH) if row is not None else None
    if row is None or known is None:
        raise Mistakes({"secret": "Enter the secret that is sent, or choose that none is."})
    if place(kind, content) != place(row.kind, row.definition):
        # Else whoever may not see it could have it sent to a server of their own.
        told = f"Enter it again: the one that is kept was given for {place(row.kind, row.definition)}."
        raise Mistakes({"secret": told})
    return known


def _told(problem: Any) -> tuple[str, str]:
    """The field, and the sentence that stands beside it."""
    loc, message = explain(problem)
    if loc:
        named = f"{loc[0]}.{loc[1]}" if loc[0] == "auth" and len(loc) > 1 else str(loc[0])
        within = f"{loc[1]}: " if loc[0] in ("query", "tools") and len(loc) > 1 else ""
        return named, f"{within}{tenant_settings.sentence(message)}"
    if (found := _WHERE.fullmatch(message)) is not None:
        told = found[2][0].upper() + found[2][1:]
        return found[1], told if told.endswith(".") else f"{told}."
    return "", tenant_settings.sentence(message)
