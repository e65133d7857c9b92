"""Where the pretended Slack keeps files: handed out to whoever has a token that may read them, and to nobody else."""

import asyncio
from collections import defaultdict, deque
from dataclasses import dataclass, field

from aiohttp import web

from tests.support.http import reset_connection
from tests.support.slack_double.world import HostedFile, Workspace, World

SIGN_IN = "<!DOCTYPE html><html><head><title>Slack</title></head><body>Sign in to your workspace</body></html>"


@dataclass
class Handing:
    """How a file is handed out the next time."""

    status: int = 200
    redirect: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    stops_after: int | None = None
    """Bytes, until ``released``."""
    is_chunked: bool = False
    """Without saying how long it is."""
    is_dropped: bool = False
    """The connection is reset where it stops."""
    released: asyncio.Event = field(default_factory=asyncio.Event)


class FileHost:
    def __init__(self, world: World) -> None:
        self._world = world
        self.asked: list[tuple[str, str | None]] = []
        """(file, token) of each request."""
        self._next: defaultdict[str, deque[Handing]] = defaultdict(deque)

    def next(self, file_id: str, handing: Handing) -> Handing:
        self._next[file_id].append(handing)
        return handing

    async def handle(self, request: web.Request) -> web.StreamResponse:
        scheme, _, given = request.headers.get("Authorization", "").partition(" ")
        token = given if scheme == "Bearer" else None
        file_id = request.match_info["file"]
        self.asked.append((file_id, token))
        handing = self._next[file_id].popleft() if self._next[file_id] else Handing()
        if handing.redirect:
            return web.Response(status=302, headers={"Location": handing.redirect})
        if handing.status != 200:
            return web.Response(status=handing.status, headers=handing.headers)
        workspace = self._reader(token)
        if workspace is None:
            # Slack does not refuse: it shows whoever has no right to a file where to sign in.
            return web.Response(text=SIGN_IN, content_type="text/html")
        file = workspace.files.get(file_id)
        return web.Response(status=404) if file is None else await _handed(request, file, handing)

    async def take(self, request: web.Request) -> web.Response:
        """Whoever knows the address may upload there, once, and as much as was said."""
        content = await request.read()
        handing = self._next["upload"].popleft() if self._next["upload"] else Handing()
        for workspace in self._world.workspaces.values():
            file = workspace.files.get(request.match_info["file"])
            if file is not None and file.awaited_length == len(content) and not file.content:
                file.content, file.mimetype = content, request.content_type
                return web.Response(status=handing.status, text="OK")
        return web.Response(status=400)

    def _reader(self, token: str | None) -> Workspace | None:
        for workspace in self._world.workspaces.values():
            if workspace.bot_token == token and workspace.token_state == "active" and "files:read" in workspace.scopes:
                return workspace
        return None


async def _handed(request: web.Request, file: HostedFile, handing: Handing) -> web.StreamResponse:
    headers = {"Content-Type": file.mimetype, "Content-Disposition": f'attachment; filename="{file.id}"'}
    length = {} if handing.is_chunked else {"Content-Length": str(len(file.content))}
    response = web.StreamResponse(headers={**headers, **length})
    await response.prepare(request)
    if handing.stops_after is not None:
        await response.write(file.content[: handing.stops_after])
        if handing.is_dropped:
            reset_connection(request)
            return response
        await handing.released.wait()
    await response.write(file.content[handing.stops_after or 0 :])
    return response
