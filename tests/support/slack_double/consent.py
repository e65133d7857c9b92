"""How an app gets into a workspace: the page on which a person allows it, and what its code and tokens are good for.

Slack's tokens expire only where the app wants it so; then each refresh token is good once.
"""

import html
import secrets
from dataclasses import dataclass
from urllib.parse import urlencode

from aiohttp import web

from tests.support.slack_double import methods
from tests.support.slack_double.rules import SlackError
from tests.support.slack_double.world import Json, Workspace, World

TOKENS_LIVE = 43_200
"""Seconds, where they expire."""

_PAGE = """<!doctype html>
<html lang="en"><head><title>{title}</title><link rel="icon" href="data:,"></head>
<body><main><h1>{title}</h1>{body}</main></body></html>"""


@dataclass(frozen=True)
class Allowed:
    """What a code stands for."""

    workspace: Workspace
    redirect_uri: str | None = None
    """None: the code was handed out past the page, and is good for any."""


class Consent:
    def __init__(self, world: World, client_id: str, client_secret: str) -> None:
        self.world = world
        self.client_id, self.client_secret = client_id, client_secret
        self.redirect_urls: list[str] = []
        """What the app's settings list; without any, every address is taken."""
        self.rotates = False
        """Whether the app has token rotation on."""
        self.codes: dict[str, Allowed] = {}

    async def ask(self, request: web.Request) -> web.Response:
        """The page that a person is sent to."""
        asked = dict(request.query)
        if trouble := self._trouble(asked):
            return _page("Something went wrong", f"<p>{html.escape(trouble)}</p>", status=400)
        hidden = "".join(
            f'<input type="hidden" name="{html.escape(name)}" value="{html.escape(value)}">'
            for name, value in asked.items()
        )
        buttons = "".join(
            f'<p><button name="team" value="{team_id}">Allow in {html.escape(workspace.name)}</button></p>'
            for team_id, workspace in self.world.workspaces.items()
        )
        form = f'<form method="post">{hidden}{buttons}<p><button name="team" value="">Cancel</button></p></form>'
        return _page("Konstruct is requesting permission", form)

    async def answer(self, request: web.Request) -> web.Response:
        """What a person said on that page."""
        said = {name: str(value) for name, value in (await request.post()).items()}
        if trouble := self._trouble(said):
            return _page("Something went wrong", f"<p>{html.escape(trouble)}</p>", status=400)
        back = {"state": said.get("state", "")}
        workspace = self.world.workspaces.get(said.get("team", ""))
        if workspace is None:
            back["error"] = "access_denied"
        else:
            back["code"] = self.allow(workspace, said["scope"], said["redirect_uri"])
        raise web.HTTPFound(f"{said['redirect_uri']}?{urlencode(back)}")

    def allow(self, workspace: Workspace, scope: str, redirect_uri: str | None) -> str:
        workspace.scopes = frozenset(scope.split(",")) - workspace.withheld
        return self.issue(Allowed(workspace, redirect_uri))

    def issue(self, allowed: Allowed) -> str:
        code = secrets.token_urlsafe(12)
        self.codes[code] = allowed
        return code

    def _trouble(self, asked: Json) -> str | None:
        if asked.get("client_id") != self.client_id:
            return "Invalid client_id parameter"
        uri = asked.get("redirect_uri", "")
        if self.redirect_urls and not any(uri.startswith(url) for url in self.redirect_urls):
            return f"redirect_uri did not match any configured URIs. Passed URI: {uri}"
        return None if asked.get("scope") else "Invalid permissions requested: no scopes"

    def exchange(self, args: Json, credentials: tuple[str, str] | None) -> Json:
        """oauth.v2.access, for a code or for a refresh token."""
        self._check(args, credentials)
        if args.get("grant_type") == "refresh_token":
            return self._renew(args)
        allowed = self.codes.pop(str(args.get("code")), None)
        if allowed is None:
            raise SlackError("invalid_code")
        if allowed.redirect_uri not in (None, args.get("redirect_uri")):
            raise SlackError("bad_redirect_uri")
        workspace = allowed.workspace
        if self.rotates or workspace.token_state != "active":
            # A new installation: what an earlier one left is of no use any more.
            workspace.token_state, workspace.older_tokens = "active", []
            self._issue_tokens(workspace)
        return self._granted(workspace)

    def uninstall(self, args: Json, workspaces: list[Workspace]) -> Json:
        self._check(args, None)
        for workspace in workspaces:
            workspace.token_state, workspace.refresh_token = "token_revoked", ""
        return {"ok": True}

    def _check(self, args: Json, credentials: tuple[str, str] | None) -> None:
        client_id, client_secret = credentials or (args.get("client_id"), args.get("client_secret"))
        if client_id != self.client_id:
            raise SlackError("invalid_client_id")
        if client_secret != self.client_secret:
            raise SlackError("bad_client_secret")

    def _renew(self, args: Json) -> Json:
        given = str(args.get("refresh_token") or "unknown")
        workspace = next((w for w in self.world.workspaces.values() if w.refresh_token == given), None)
        if workspace is None or workspace.token_state != "active":
            raise SlackError("invalid_refresh_token")
        # Two may be good at a time: the one before lives until it expires, the one before that no longer.
        workspace.older_tokens = [workspace.bot_token]
        self._issue_tokens(workspace)
        return self._granted(workspace)

    def _issue_tokens(self, workspace: Workspace) -> None:
        workspace.bot_token = f"{'xoxe.' if self.rotates else ''}xoxb-{secrets.token_hex(8)}"
        workspace.refresh_token = f"xoxe-1-{secrets.token_hex(12)}" if self.rotates else ""

    def _granted(self, workspace: Workspace) -> Json:
        granted = methods.grant(self.world, workspace, installer="U0INSTALLER")
        if workspace.refresh_token:
            granted |= {"refresh_token": workspace.refresh_token, "expires_in": TOKENS_LIVE}
        return granted


def _page(title: str, body: str, *, status: int = 200) -> web.Response:
    return web.Response(text=_PAGE.format(title=title, body=body), content_type="text/html", status=status)
