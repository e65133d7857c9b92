"""A way to a server that can be cut, and that can fall silent."""

import asyncio
from dataclasses import dataclass, field

from konstruct.embedded.loopback import free_port


@dataclass
class Relay:
    """A way to a server that can be cut, and be there again."""

    path: str
    """Of the server's socket."""
    own_port: int = field(default_factory=free_port)
    is_silent: bool = False
    """It takes all that it is sent, also by whoever connects anew, and passes nothing on."""
    _server: asyncio.Server | None = None
    _open: set[asyncio.StreamWriter] = field(default_factory=set)

    async def open(self) -> None:
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", self.own_port)

    async def cut(self) -> None:
        assert self._server is not None
        self._server.close()
        for writer in list(self._open):
            writer.transport.abort()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_unix_connection(self.path)
        self._open |= {writer, back}
        try:
            await asyncio.gather(self._pump(reader, back), self._pump(there, writer))
        except OSError:
            pass
        finally:
            self._open -= {writer, back}
            for each in (writer, back):
                each.transport.abort()

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while content := await reader.read(1 << 16):
            if self.is_silent:
                continue
            writer.write(content)
            await writer.drain()
        writer.transport.abort()
