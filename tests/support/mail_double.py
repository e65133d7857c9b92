"""A mail server on loopback: real SMTP, with TLS and sign-in if a test wants them, that refuses or hangs on request."""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from typing import Any

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

TAKEN = "250 OK"


@dataclass(frozen=True)
class Received:
    """A mail as the server took it."""

    sender: str
    recipients: list[str]
    content: bytes
    user: str | None
    """Who had signed in."""
    is_encrypted: bool

    @property
    def message(self) -> EmailMessage:
        message = message_from_bytes(self.content, policy=default)
        assert isinstance(message, EmailMessage)
        return message


@dataclass
class MailDouble:
    port: int = 0
    inbox: list[Received] = field(default_factory=list)
    password: str = "s3cret/+@"
    says: dict[str, str] = field(default_factory=dict)
    """The answer to a command or to one recipient's address, instead of taking it."""
    hangs_at: set[str] = field(default_factory=set)
    """Commands that are never answered; at DATA, the mail was taken before."""
    closes_at: set[str] = field(default_factory=set)
    """Commands at which the connection is closed; at DATA, the mail was taken before."""

    async def handle_MAIL(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        envelope.mail_from = address
        return await self._answer("MAIL", server)

    async def handle_RCPT(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        answer = self.says.get(address) or await self._answer("RCPT", server)
        if answer == TAKEN:
            envelope.rcpt_tos.append(address)
        return answer

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        assert isinstance(envelope.content, bytes)
        assert server.transport
        signed_in: Any = session.auth_data
        if "DATA" not in self.says:
            self.inbox.append(
                Received(
                    envelope.mail_from or "",
                    list(envelope.rcpt_tos),
                    envelope.content,
                    signed_in.login.decode() if signed_in else None,
                    session.ssl is not None or server.transport.get_extra_info("sslcontext") is not None,
                )
            )
        return await self._answer("DATA", server)

    async def handle_QUIT(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        return "221 Bye" if (answer := await self._answer("QUIT", server)) == TAKEN else answer

    async def _answer(self, command: str, server: SMTP) -> str:
        if command in self.hangs_at:
            await asyncio.Event().wait()
        if command in self.closes_at and server.transport:
            server.transport.close()
        return self.says.get(command, TAKEN)

    def authenticate(self, server: SMTP, session: Session, envelope: Envelope, mechanism: str, data: Any) -> AuthResult:
        assert isinstance(data, LoginPassword)
        if answer := self.says.get("AUTH"):
            return AuthResult(success=False, handled=False, message=answer)
        is_good = data.password.decode() == self.password
        return AuthResult(success=is_good, handled=False, auth_data=data)


@asynccontextmanager
async def open_mail_double(
    *, starttls: ssl.SSLContext | None = None, tls: ssl.SSLContext | None = None
) -> AsyncIterator[MailDouble]:
    """``starttls``: offered and required; ``tls``: from the first byte on."""
    double = MailDouble()
    loop = asyncio.get_running_loop()
    connections: list[SMTP] = []

    def serve() -> SMTP:
        connection = SMTP(
            double,
            loop=loop,
            hostname="mail.example",
            tls_context=starttls,
            require_starttls=starttls is not None,
            authenticator=double.authenticate,
            auth_require_tls=starttls is not None,
        )
        connections.append(connection)
        return connection

    with socket.create_server(("127.0.0.1", 0)) as listener:
        double.port = listener.getsockname()[1]
        server = await loop.create_server(serve, sock=listener, ssl=tls)
        try:
            yield double
        finally:
            server.close()
            for connection in connections:
                if connection.transport:
                    connection.transport.close()
