"""Hands mails to the deployment's mail server: the Mailer port over SMTP. What mails say is not decided here.

No text can become a header, an address or a command: headers are made of what is visible, texts travel encoded.
"""

import asyncio
import contextlib
import ipaddress
import re
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, parseaddr
from typing import Final, Literal
from urllib.parse import unquote, urlsplit

import aiosmtplib
import structlog
from pydantic import SecretStr

from konstruct.errors import MailError, MailRefused, MailUnavailable, Misconfigured
from konstruct.ports import Mail
from konstruct.settings import Settings

log = structlog.get_logger(__name__)

TIME_LIMIT: Final = timedelta(seconds=10)
"""For all of a mail, from connecting to its being taken."""
SUBJECT_SIZE: Final = 200

_PORTS: Final = {"smtp": 587, "smtps": 465}
_HELLO: Final = "[127.0.0.1]"
"""What clients without a public name say. Looking one up may take longer than all the rest."""
# Seven bits in all, so that no server has to be able to take more.
_POLICY: Final = SMTP.clone(cte_type="7bit")
_ADDRESS = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@(?=.{1,253}\Z)[A-Za-z0-9-]{1,63}(\.[A-Za-z0-9-]{1,63})*")
_UNWANTED = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")
_DETAILED_CODE = re.compile(r"[245]\.\d{1,3}\.\d{1,3}(?!\d)")


@dataclass(frozen=True)
class MailServer:
    host: str
    port: int
    security: Literal["tls", "starttls", "none"]
    username: str | None = None
    password: SecretStr | None = None


class SmtpMailer:
    """A connection for each mail: there are few of them, and none must wait for another."""

    def __init__(
        self,
        server: MailServer,
        sender: Address,
        *,
        tls: ssl.SSLContext | None = None,
        time_limit: timedelta = TIME_LIMIT,
    ) -> None:
        """``tls``: whom to believe; unset, the authorities that this machine knows."""
        self.server = server
        self._sender = sender
        self._tls = tls
        self._time_limit = time_limit

    async def send(self, mail: Mail) -> None:
        message = _message(mail, self._sender).as_bytes()
        async with self._connected() as client:
            refused, _ = await client.sendmail(self._sender.addr_spec, mail.to, message)
        if refused:
            codes = sorted({answer.code for answer in refused.values()})
            log.warning("mail.addresses_refused", message_id=str(mail.message_id), refused=len(refused), codes=codes)

    async def greet(self) -> None:
        """Connects and signs in, and sends nothing. Raises what `send` does."""
        async with self._connected():
            return

    @asynccontextmanager
    async def _connected(self) -> AsyncIterator[aiosmtplib.SMTP]:
        seconds = self._time_limit.total_seconds()
        client = aiosmtplib.SMTP(
            hostname=self.server.host,
            port=self.server.port,
            username=self.server.username,
            password=self.server.password.get_secret_value() if self.server.password else None,
            local_hostname=_HELLO,
            timeout=seconds,
            use_tls=self.server.security == "tls",
            start_tls=self.server.security == "starttls",
            tls_context=self._tls,
        )
        try:
            async with asyncio.timeout(seconds):
                await client.connect()
                yield client
            # What it has taken is sent, however the farewell goes.
            with contextlib.suppress(aiosmtplib.SMTPException, OSError):
                await client.quit(timeout=1)
        except (aiosmtplib.SMTPException, OSError) as failure:
            # A cause travels with its error, and what a server says may name people.
            raise _translated(failure, f"{self.server.host}:{self.server.port}") from None
        finally:
            client.close()


def mailer(settings: Settings, *, time_limit: timedelta = TIME_LIMIT) -> SmtpMailer | None:
    """None: this deployment mails nobody.

    Raises:
        Misconfigured: what is set cannot be used.
    """
    if settings.smtp_url is None:
        return None
    if settings.mail_from is None:
        raise Misconfigured("KONSTRUCT_SMTP_URL is set, and KONSTRUCT_MAIL_FROM is not: say whom mails are from.")
    return SmtpMailer(server_at(settings.smtp_url), _sender(settings.mail_from), time_limit=time_limit)


def server_at(url: SecretStr) -> MailServer:
    """Raises Misconfigured, without quoting it, if it is no address of a mail server."""
    unusable = Misconfigured("KONSTRUCT_SMTP_URL is not of the form smtp://user:password@host:587.")
    try:
        parts = urlsplit(url.get_secret_value())
        port = parts.port or _PORTS[parts.scheme]
        host = (parts.hostname or "").encode("idna").decode()
    except (ValueError, KeyError):
        raise unusable from None
    if not host or parts.path not in ("", "/") or parts.query or parts.fragment:
        raise unusable
    if bool(parts.username) != bool(parts.password):
        raise unusable
    security: Literal["tls", "starttls", "none"] = "starttls"
    if parts.scheme == "smtps":
        security = "tls"
    elif _is_here(host):
        security = "none"
    if not parts.username or not parts.password:
        return MailServer(host, port, security)
    return MailServer(host, port, security, unquote(parts.username), SecretStr(unquote(parts.password)))


def _is_here(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _sender(said: str) -> Address:
    name, address = parseaddr(said)
    if not _ADDRESS.fullmatch(address) or not said.isprintable():
        raise Misconfigured("KONSTRUCT_MAIL_FROM is not of the form Konstruct <konstruct@example.com>.")
    return Address(name, addr_spec=address)


def _message(mail: Mail, sender: Address) -> EmailMessage:
    if not mail.to:
        raise MailRefused("The mail is addressed to nobody.")
    if not all(map(_ADDRESS.fullmatch, mail.to)):
        raise MailRefused("The mail is addressed to what is no address.")
    message = EmailMessage(_POLICY)
    message["From"] = sender
    message["To"] = tuple(Address(addr_spec=address) for address in mail.to)
    message["Subject"] = _subject(mail.subject)
    message["Date"] = format_datetime(datetime.now(UTC))
    message["Message-ID"] = f"<{mail.message_id}@{sender.domain}>"
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(_UNWANTED.sub("", re.sub("\r\n?", "\n", mail.text)), charset="utf-8")
    return message


def _subject(said: str) -> str:
    line = " ".join("".join(char if char.isprintable() else " " for char in said).split())
    return line if len(line) <= SUBJECT_SIZE else f"{line[: SUBJECT_SIZE - 1]}…"


def _translated(failure: Exception, place: str) -> MailError:
    """What servers answer is not quoted beyond its codes: it may name people, and errors are kept."""
    match failure:
        case aiosmtplib.SMTPRecipientsRefused():
            answers = [(refusal.code, refusal.message) for refusal in failure.recipients]
            code, said = min(answers, key=lambda answer: answer[0])
            return _refusal(place, "any of the addresses", code, said)
        case aiosmtplib.SMTPAuthenticationError():
            return _refusal(place, "our user name and password", failure.code, failure.message)
        case aiosmtplib.SMTPResponseException():
            return _refusal(place, "the mail", failure.code, failure.message)
        case aiosmtplib.SMTPConnectError(__cause__=ssl.SSLCertVerificationError() as cause):
            return _uncertified(place, cause)
        case ssl.SSLCertVerificationError():
            return _uncertified(place, failure)
        case aiosmtplib.SMTPConnectError():
            return MailUnavailable(f"{place} cannot be connected to.")
        case TimeoutError():
            return MailUnavailable(f"{place} did not answer in time.")
        case OSError():
            return MailUnavailable(f"The connection to {place} broke.")
    return MailRefused(f"{place} does not offer what is needed: {failure}")


def _refusal(place: str, what: str, code: int, said: str) -> MailError:
    detailed = _DETAILED_CODE.match(said)
    answer = f"{code} {detailed[0]}" if detailed else str(code)
    return (MailRefused if 500 <= code < 600 else MailUnavailable)(f"{place} does not take {what} ({answer}).")


def _uncertified(place: str, failure: ssl.SSLCertVerificationError) -> MailError:
    return MailUnavailable(f"{place} shows a certificate that does not hold ({failure.verify_message.rstrip('.')}).")
