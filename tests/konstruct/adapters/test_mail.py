"""Mails against a mail server that refuses, hangs and breaks off: what is taken, what may be tried again, what not."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from email.headerregistry import Address
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Literal
from uuid import UUID

import pytest
import structlog
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from pydantic import SecretStr

from konstruct.adapters import mail
from konstruct.adapters.mail import MailServer, SmtpMailer, server_at
from konstruct.embedded.loopback import free_port
from konstruct.errors import MailError, MailRefused, MailUnavailable, Misconfigured
from konstruct.ports import Mail, Mailer
from konstruct.settings import Settings
from tests.support.mail_double import MailDouble, open_mail_double
from tests.support.streets import Authority

SENDER = Address("Konstruct", addr_spec="konstruct@example.com")
MAIL = Mail(
    message_id=UUID("0190a000-0000-7000-8000-000000000001"),
    to=("anna@example.com", "ben@example.com"),
    subject="Support: a person is needed",
    text="Grüße!\nSomebody waits since 10:02.\n.\nRCPT TO:<eve@example.com>\n",
)
anything = st.text(st.characters(exclude_categories=()), max_size=2_000)


@pytest.fixture
async def server() -> AsyncIterator[MailDouble]:
    async with open_mail_double() as double:
        yield double


@asynccontextmanager
async def talking_server(greeting: bytes, *, then_close: bool = False) -> AsyncIterator[int]:
    """The port of a server that says this, and no more."""
    writers: list[asyncio.StreamWriter] = []

    def greet(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)
        writer.write(greeting)
        if then_close:
            writer.close()

    server = await asyncio.start_server(greet, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for writer in writers:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()


def mailer_to(double: MailDouble, *, seconds: float = 10.0) -> SmtpMailer:
    return SmtpMailer(MailServer("localhost", double.port, "none"), SENDER, time_limit=timedelta(seconds=seconds))


class TestWhatIsSent:
    async def test_a_mail_arrives_with_what_marks_it_as_ours(self, server: MailDouble) -> None:
        mailer: Mailer = mailer_to(server)
        await mailer.send(MAIL)

        [received] = server.inbox
        message = received.message
        assert received.recipients == list(MAIL.to)
        assert (received.sender, message["From"]) == ("konstruct@example.com", "Konstruct <konstruct@example.com>")
        assert message["To"] == "anna@example.com, ben@example.com"
        assert message["Subject"] == MAIL.subject
        assert message["Auto-Submitted"] == "auto-generated"
        assert parsedate_to_datetime(message["Date"]).tzinfo is not None
        assert (message.get_content_type(), message.get_content_charset()) == ("text/plain", "utf-8")
        assert message.get_content().replace("\r\n", "\n") == MAIL.text
        assert received.content.isascii()

    async def test_the_same_mail_again_can_be_recognised(self, server: MailDouble) -> None:
        for each in (MAIL, MAIL, replace(MAIL, message_id=UUID(int=1))):
            await mailer_to(server).send(each)

        first, again, other = (received.message["Message-ID"] for received in server.inbox)
        assert first == again == "<0190a000-0000-7000-8000-000000000001@example.com>"
        assert other != first

    async def test_a_long_domain_keeps_the_message_id_whole(self, server: MailDouble) -> None:
        domain = ".".join(["a" * 60] * 4)
        sender = Address(addr_spec=f"konstruct@{domain}")
        await SmtpMailer(MailServer("localhost", server.port, "none"), sender).send(MAIL)

        assert f"<{MAIL.message_id}@{domain}>".encode() in server.inbox[0].content

    @settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(anything, anything)
    @example("Hi\r\nBcc: eve@example.com\r\n\r\nbody", "one\r\n.\r\nMAIL FROM:<eve@example.com>\r\n")
    @example("a\nX-Evil: 1", "\n.\n\r.\r\r\n.\n\ud800\x00")
    @example("=?utf-8?q?Bcc=3A?= " * 20, "x" * 2_000)
    @example("\u2028Bcc: eve@example.com\x85", "")
    async def test_no_text_becomes_a_header_or_a_command(self, server: MailDouble, subject: str, text: str) -> None:
        server.inbox.clear()
        await mailer_to(server).send(replace(MAIL, subject=subject, text=text))

        [received] = server.inbox
        assert received.recipients == list(MAIL.to)
        assert [name.lower() for name in received.message] == [
            "from",
            "to",
            "subject",
            "date",
            "message-id",
            "auto-submitted",
            "content-type",
            "content-transfer-encoding",
            "mime-version",
        ]

    @pytest.mark.parametrize(
        "to",
        [
            (),
            ("",),
            ("anna",),
            ("anna@example.com", "ben@example.com\r\nBcc: eve@example.com"),
            ("anna@example.com> SIZE=1",),
            ("anna@example.com, eve@example.com",),
            ("Anna <anna@example.com>",),
            ("anna@exämple.com",),
            ("anna@example.com\n",),
        ],
    )
    async def test_what_is_no_address_is_refused_before_anybody_is_asked(
        self, server: MailDouble, to: tuple[str, ...]
    ) -> None:
        with pytest.raises(MailRefused, match="addressed to"):
            await mailer_to(server).send(replace(MAIL, to=to))
        assert server.inbox == []


class TestRefusals:
    @pytest.mark.parametrize(
        ("command", "answer", "error"),
        [
            ("MAIL", "550 5.7.1 anna@example.com may not", MailRefused),
            ("MAIL", "451 4.3.0 later", MailUnavailable),
            ("RCPT", "550 5.1.1 anna@example.com is unknown", MailRefused),
            ("RCPT", "450 greylisted", MailUnavailable),
            ("DATA", "554 5.6.0 spam", MailRefused),
            ("DATA", "452 4.2.2 full", MailUnavailable),
            ("DATA", "421 4.3.2 closing", MailUnavailable),
        ],
    )
    async def test_the_server_says_whether_it_may_be_tried_again(
        self, server: MailDouble, command: str, answer: str, error: type[MailError]
    ) -> None:
        server.says[command] = answer
        with pytest.raises(MailError, match=rf"localhost:\d+ does not take .+ \({answer[:3]}") as refusal:
            await mailer_to(server).send(MAIL)
        assert type(refusal.value) is error
        assert "anna" not in str(refusal.value)
        assert refusal.value.__cause__ is None
        assert server.inbox == []

    async def test_it_is_sent_to_those_whom_the_server_takes(self, server: MailDouble) -> None:
        server.says["anna@example.com"] = "550 5.1.1 unknown"
        with structlog.testing.capture_logs() as logged:
            await mailer_to(server).send(MAIL)

        assert [received.recipients for received in server.inbox] == [["ben@example.com"]]
        [warning] = logged
        assert (warning["event"], warning["refused"], warning["codes"]) == ("mail.addresses_refused", 1, [550])
        assert "anna" not in str(warning)

    async def test_one_address_that_may_be_taken_later_is_worth_another_attempt(self, server: MailDouble) -> None:
        server.says |= {"anna@example.com": "550 unknown", "ben@example.com": "450 greylisted"}
        with pytest.raises(MailUnavailable):
            await mailer_to(server).send(MAIL)


class TestTrouble:
    @pytest.mark.parametrize("command", ["MAIL", "RCPT", "DATA"])
    async def test_a_server_that_hangs_or_breaks_off_may_be_tried_again(self, server: MailDouble, command: str) -> None:
        server.hangs_at = {command}
        with pytest.raises(MailUnavailable):
            await mailer_to(server, seconds=0.3).send(MAIL)
        server.hangs_at, server.closes_at = set(), {command}
        with pytest.raises(MailUnavailable):
            await mailer_to(server).send(MAIL)

    @pytest.mark.parametrize("trouble", ["hangs_at", "closes_at"])
    async def test_what_was_taken_is_sent_however_the_farewell_goes(self, server: MailDouble, trouble: str) -> None:
        setattr(server, trouble, {"QUIT"})
        await mailer_to(server).send(MAIL)
        assert len(server.inbox) == 1

    async def test_a_server_that_says_nothing_is_not_waited_for_long(self) -> None:
        async with talking_server(b"") as port:
            mailer = SmtpMailer(MailServer("127.0.0.1", port, "none"), SENDER, time_limit=timedelta(seconds=0.3))
            with pytest.raises(MailUnavailable):
                await mailer.send(MAIL)

    @pytest.mark.parametrize("greeting", [b"554 no service\r\n", b"421 busy\r\n", b"HTTP/1.1 400 Bad\r\n\r\n", b""])
    async def test_what_is_no_mail_server_for_us_is_an_error_of_mails(self, greeting: bytes) -> None:
        async with talking_server(greeting, then_close=True) as port:
            with pytest.raises(MailError):
                await SmtpMailer(MailServer("127.0.0.1", port, "none"), SENDER).send(MAIL)

    @pytest.mark.parametrize("security", ["none", "starttls", "tls"])
    async def test_a_server_that_is_away_may_be_tried_again(self, security: Literal["none", "starttls", "tls"]) -> None:
        for host in ("127.0.0.1", "nowhere.invalid"):
            server = MailServer(host, free_port(), security)
            with pytest.raises(MailUnavailable, match="cannot be connected to"):
                await SmtpMailer(server, SENDER).send(MAIL)


class TestEncryptionAndSignIn:
    @pytest.fixture
    def authority(self, tmp_path: Path) -> Authority:
        return Authority(tmp_path)

    @pytest.mark.parametrize("security", ["starttls", "tls"])
    async def test_the_server_must_be_vouched_for(
        self, authority: Authority, security: Literal["starttls", "tls"]
    ) -> None:
        kinds = {security: authority.server_context("localhost")}
        async with open_mail_double(**kinds) as double:
            server = MailServer("localhost", double.port, security, "konstruct", SecretStr(double.password))
            await SmtpMailer(server, SENDER, tls=authority.trusting).send(MAIL)
            with pytest.raises(MailUnavailable, match="certificate that does not hold"):
                await SmtpMailer(server, SENDER).send(MAIL)
            elsewhere = replace(server, host="127.0.0.1")
            with pytest.raises(MailUnavailable, match="certificate that does not hold"):
                await SmtpMailer(elsewhere, SENDER, tls=authority.trusting).send(MAIL)

        [received] = double.inbox
        assert received.is_encrypted
        assert received.user == "konstruct"

    async def test_nothing_is_said_to_a_server_that_does_not_encrypt(self, server: MailDouble) -> None:
        guarded = MailServer("localhost", server.port, "starttls", "konstruct", SecretStr(server.password))
        with pytest.raises(MailRefused, match="STARTTLS"):
            await SmtpMailer(guarded, SENDER).send(MAIL)
        assert server.inbox == []

    async def test_a_wrong_password_is_not_tried_again_and_not_told(self, server: MailDouble) -> None:
        wrong = MailServer("localhost", server.port, "none", "konstruct", SecretStr("canary"))
        with pytest.raises(MailRefused, match="our user name and password") as refusal:
            await SmtpMailer(wrong, SENDER).greet()
        assert "canary" not in f"{refusal.value} {wrong}"
        server.says["AUTH"] = "454 4.7.0 later"
        with pytest.raises(MailUnavailable):
            await SmtpMailer(wrong, SENDER).greet()

    async def test_greeting_sends_nothing(self, server: MailDouble) -> None:
        await mailer_to(server).greet()
        assert server.inbox == []


class TestSettings:
    @pytest.mark.parametrize(
        ("url", "server"),
        [
            ("smtp://mail.example", MailServer("mail.example", 587, "starttls")),
            ("smtps://mail.example", MailServer("mail.example", 465, "tls")),
            ("smtp://localhost:25", MailServer("localhost", 25, "none")),
            ("smtp://127.0.0.1:2525/", MailServer("127.0.0.1", 2525, "none")),
            ("smtp://[::1]:2525", MailServer("::1", 2525, "none")),
            ("smtps://localhost", MailServer("localhost", 465, "tls")),
            ("smtp://localhost.example", MailServer("localhost.example", 587, "starttls")),
            (
                "smtp://me%40example.com:s3cret%2F%2B%40@mail.example:2587",
                MailServer("mail.example", 2587, "starttls", "me@example.com", SecretStr("s3cret/+@")),
            ),
        ],
    )
    def test_an_address_says_how_the_server_is_spoken_to(self, url: str, server: MailServer) -> None:
        assert server_at(SecretStr(url)) == server

    @pytest.mark.parametrize(
        "url",
        [
            "mail.example:587",
            "http://canary@mail.example",
            "smtp://",
            "smtp://canary@mail.example",
            "smtp://:canary@mail.example",
            "smtp://mail.example:canary",
            "smtp://mail.example/canary",
            "smtp://mail.example?canary=1",
            f"smtp://{'a' * 64}.example",
            "smtp://[canary",
        ],
    )
    def test_what_is_no_address_of_a_mail_server_is_not_quoted(self, url: str) -> None:
        with pytest.raises(Misconfigured, match="KONSTRUCT_SMTP_URL is not of the form") as complaint:
            server_at(SecretStr(url))
        assert "canary" not in str(complaint.value)

    def test_without_a_server_nobody_is_mailed(self) -> None:
        assert mail.mailer(configured(None, None)) is None
        assert mail.mailer(configured(None, "konstruct@example.com")) is None

    @pytest.mark.parametrize("sender", [None, "Konstruct", "Kon\nstruct <a@example.com>", "a@exämple.com", "a@b\r\nc"])
    def test_without_a_sender_it_is_said_what_is_missing(self, sender: str | None) -> None:
        with pytest.raises(Misconfigured, match="KONSTRUCT_MAIL_FROM"):
            mail.mailer(configured("smtp://mail.example", sender))

    async def test_what_is_set_is_used(self, server: MailDouble) -> None:
        url = f"smtp://konstruct:s3cret%2F%2B%40@localhost:{server.port}"
        mailer = mail.mailer(configured(url, "Käthe <konstruct@example.com>"))
        assert mailer is not None
        await mailer.send(MAIL)

        [received] = server.inbox
        assert received.user == "konstruct"
        assert received.message["From"].addresses == (Address("Käthe", addr_spec="konstruct@example.com"),)


def configured(url: str | None, sender: str | None) -> Settings:
    return Settings(smtp_url=None if url is None else SecretStr(url), mail_from=sender)
