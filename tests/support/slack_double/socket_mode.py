"""Socket Mode: envelopes over a websocket, each to be acknowledged, redelivered when it is not."""

import asyncio
import json
import uuid

from aiohttp import WSMsgType, web

from tests.support.slack_double.world import Json


class SocketMode:
    def __init__(self) -> None:
        self.acks: list[Json] = []
        """Every acknowledgement as the app sent it, in order."""
        self._tickets: set[str] = set()
        self._connections: list[web.WebSocketResponse] = []
        self._changed = asyncio.Condition()

    def new_ticket(self) -> str:
        """Good for one connection."""
        ticket = uuid.uuid4().hex
        self._tickets.add(ticket)
        return ticket

    async def handle(self, request: web.Request) -> web.StreamResponse:
        ticket = request.query.get("ticket", "")
        if ticket not in self._tickets:
            return web.Response(status=401)
        self._tickets.remove(ticket)
        connection = web.WebSocketResponse()
        await connection.prepare(request)
        self._connections.append(connection)
        hello = {"num_connections": len(self._connections), "connection_info": {"app_id": request.query.get("app_id")}}
        await connection.send_json({"type": "hello", "debug_info": {"host": "applink"}, **hello})
        await self._notify()
        try:
            async for frame in connection:
                if frame.type is WSMsgType.TEXT:
                    self.acks.append(json.loads(frame.data))
                    await self._notify()
        finally:
            self._connections.remove(connection)
        return connection

    async def wait_connected(self, *, timeout: float = 10.0) -> None:
        async with asyncio.timeout(timeout), self._changed:
            await self._changed.wait_for(lambda: bool(self._connections))

    async def send(self, kind: str, payload: Json, *, ack_within: float = 3.0, attempts: int = 4) -> Json:
        """Returns the acknowledgement. Slack tries again, up to three times, when none comes."""
        envelope_ids: set[str] = set()
        for attempt in range(attempts):
            await self.wait_connected()
            envelope_ids.add(envelope_id := str(uuid.uuid4()))
            envelope: Json = {"envelope_id": envelope_id, "payload": payload, "type": kind}
            envelope["accepts_response_payload"] = kind != "events_api"
            if kind == "events_api":
                envelope |= {"retry_attempt": attempt, "retry_reason": "timeout" if attempt else ""}
            await self._connections[-1].send_json(envelope)
            if ack := await self._ack_of(envelope_ids, ack_within):
                return ack
        raise AssertionError(f"the app acknowledged none of {attempts} deliveries of {payload}")

    async def _ack_of(self, envelope_ids: set[str], timeout: float) -> Json | None:
        def found() -> Json | None:
            return next((ack for ack in self.acks if ack.get("envelope_id") in envelope_ids), None)

        try:
            async with asyncio.timeout(timeout), self._changed:
                return await self._changed.wait_for(found)
        except TimeoutError:
            return None

    async def ask_to_reconnect(self, reason: str = "refresh_requested") -> None:
        """Tells every connected app to come back, then hangs up, as Slack does every few hours."""
        for connection in list(self._connections):
            await connection.send_json({"type": "disconnect", "reason": reason, "debug_info": {"host": "applink"}})
            await connection.close()

    async def close(self, _: web.Application) -> None:
        for connection in list(self._connections):
            await connection.close()

    async def _notify(self) -> None:
        async with self._changed:
            self._changed.notify_all()
