"""Whether what somebody typed of a WhatsApp number is so, value by value, and what to do where it is not."""

import asyncio
import re
from collections.abc import Awaitable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final, Literal, TypeVar

from pydantic import SecretStr

from konstruct.connecting.whatsapp_ports import NumberFacts, TemplateFacts, TokenFacts, WhatsAppAccounts
from konstruct.errors import ChannelError, ConnectionDead
from konstruct.tables.base import utc_now

Field = Literal["access_token", "phone_number_id", "waba_id", "app_secret", "subscription", "template"]
State = Literal["ok", "warning", "failed", "waiting"]
Found = TypeVar("Found")

SCOPES: Final = ("whatsapp_business_management", "whatsapp_business_messaging")
EXPIRES_SOON: Final = timedelta(days=14)

_ID: Final = re.compile("[0-9]{5,30}")
_BAD_TOKEN: Final = "190"  # noqa: S105 - What Meta answers to one.


@dataclass(frozen=True)
class Values:
    access_token: SecretStr | None = None
    phone_number_id: str = ""
    waba_id: str = ""
    app_secret: SecretStr | None = None
    """Of a Meta app of the tenant's own."""
    template: str = ""
    """``name/language``."""


@dataclass(frozen=True)
class Check:
    state: State
    says: str


@dataclass(frozen=True)
class Findings:
    checks: Mapping[Field, Check]
    number: NumberFacts | None = None
    templates: Sequence[TemplateFacts] = field(default_factory=tuple)
    """Those that can be sent: approved, and without places to be filled."""

    @property
    def is_good(self) -> bool:
        """Whether the number can be connected. That nobody is told of its messages yet can be mended afterwards."""
        return all(check.state in ("ok", "warning") for name, check in self.checks.items() if name != "subscription")


class _Unanswered(Exception):
    """Carries what is to be said of a question to Meta that was answered with an error."""

    def __init__(self, check: Check) -> None:
        super().__init__(check.says)
        self.check = check


async def check(
    accounts: WhatsAppAccounts, values: Values, deployment_secrets: Sequence[SecretStr], *, is_held_elsewhere: bool
) -> Findings:
    """``is_held_elsewhere``: another tenant has the number."""
    checks: dict[Field, Check] = {}
    token, checks["access_token"] = await _token(accounts, values.access_token)
    number, checks["phone_number_id"] = await _number(accounts, values, token, is_held_elsewhere=is_held_elsewhere)
    if token is None or values.access_token is None:
        waits = Check("waiting", "Checked as soon as the access token is good.")
        checks |= {"waba_id": _waba_form(values) or waits, "app_secret": waits, "subscription": waits}
        return Findings(checks | {"template": Check("ok", "")}, number)
    asked = _Asked(accounts, values, values.access_token, token, number)
    checks["waba_id"], checks["app_secret"] = await asyncio.gather(asked.waba(), asked.app_secret(deployment_secrets))
    if checks["waba_id"].state != "ok":
        waits = Check("waiting", "Checked as soon as the account id is right.")
        return Findings(checks | {"subscription": waits, "template": Check("ok", "")}, number)
    checks["subscription"], (checks["template"], templates) = await asyncio.gather(
        asked.subscription(), asked.template()
    )
    return Findings(checks, number, templates)


async def _token(accounts: WhatsAppAccounts, access_token: SecretStr | None) -> tuple[TokenFacts | None, Check]:
    if access_token is None:
        return None, Check("waiting", "Paste the token of a system user.")
    typed = access_token.get_secret_value()
    if not re.fullmatch("[A-Za-z0-9_|-]{20,1000}", typed):
        return None, Check("failed", "This is no access token: they begin with EAA, and hold letters and digits alone.")
    refusals = {
        _BAD_TOKEN: "Meta does not accept this token: it has expired, was revoked, or a part of it is missing. Make a "
        "new one for the system user and paste all of it."
    }
    try:
        facts = await _answer(accounts.token(access_token), refusals)
    except _Unanswered as unanswered:
        return None, unanswered.check
    return _judged(facts)


def _judged(facts: TokenFacts) -> tuple[TokenFacts | None, Check]:
    now = utc_now()
    if lacking := [scope for scope in SCOPES if scope not in facts.scopes]:
        return None, Check(
            "failed",
            f"The token lacks {' and '.join(lacking)}. Make a new one for the system user, with both ticked.",
        )
    if facts.expires_at is not None and facts.expires_at <= now:
        return None, Check("failed", "The token has expired. Make a new one for the system user, which never expires.")
    if facts.expires_at is not None and facts.expires_at < now + EXPIRES_SOON:
        return facts, Check(
            "warning",
            f"The token is good, but only until {_day(facts.expires_at)}: after that nobody is answered. "
            "A system user's token can be made without an end.",
        )
    until = f" until {_day(facts.expires_at)}" if facts.expires_at else ", without an end"
    return facts, Check("ok", f"Good{until}, of the Meta app “{facts.app_name or facts.app_id}”.")


async def _number(
    accounts: WhatsAppAccounts, values: Values, token: TokenFacts | None, *, is_held_elsewhere: bool
) -> tuple[NumberFacts | None, Check]:
    typed = values.phone_number_id
    if trouble := _id_trouble(typed, "phone number id"):
        return None, trouble
    if typed == values.waba_id:
        return None, Check("failed", "This is the same as the account id; the phone number id stands above it.")
    if is_held_elsewhere:
        return None, Check(
            "failed",
            "This number is connected elsewhere in this deployment. Whoever connected it has to disconnect it there "
            "first.",
        )
    if token is None or values.access_token is None:
        return None, Check("waiting", "Checked as soon as the access token is good.")
    unknown = (
        "Meta knows no phone number with this id that the token may use. Compare it with “Phone number ID” under "
        "API setup, and give the system user access to the account."
    )
    try:
        number = await _answer(accounts.number(values.access_token, typed), {"33": unknown, "100": unknown})
    except _Unanswered as unanswered:
        return None, unanswered.check
    name = f"{number.display_phone_number} · {number.verified_name}"
    if number.quality == "RED":
        return number, Check("warning", f"{name}. Its quality is low: Meta may soon limit what it can send.")
    quality = {"GREEN": ", quality high", "YELLOW": ", quality medium"}.get(number.quality, "")
    return number, Check("ok", f"{name}{quality}.")


@dataclass(frozen=True)
class _Asked:
    """What is asked of an account with a token that is good."""

    accounts: WhatsAppAccounts
    values: Values
    access_token: SecretStr
    token: TokenFacts
    number: NumberFacts | None

    async def waba(self) -> Check:
        if trouble := _waba_form(self.values):
            return trouble
        unknown = (
            "Meta knows no WhatsApp Business Account with this id that the token may use. Compare it with “WhatsApp "
            "Business Account ID” under API setup, and give the system user access to it."
        )
        refusals = {"33": unknown, "100": unknown, "200": unknown}
        try:
            numbers = await _answer(self.accounts.numbers_of(self.access_token, self.values.waba_id), refusals)
        except _Unanswered as unanswered:
            return unanswered.check
        if self.number is None:
            return Check("ok", f"An account with {len(numbers)} number{'' if len(numbers) == 1 else 's'}.")
        if self.number.phone_number_id not in numbers:
            return Check("failed", f"{self.number.display_phone_number} is a number of another business account.")
        return Check("ok", f"{self.number.display_phone_number} is a number of this account.")

    async def app_secret(self, deployment_secrets: Sequence[SecretStr]) -> Check:
        typed = self.values.app_secret
        if typed is not None and not re.fullmatch("[0-9a-fA-F]{16,64}", typed.get_secret_value()):
            return Check("failed", "This is no app secret: they hold the digits 0 to 9 and the letters a to f alone.")
        given = [typed] if typed is not None else list(deployment_secrets)
        try:
            proofs = [await _answer(self.accounts.proves(self.access_token, secret), {}) for secret in given]
        except _Unanswered as unanswered:
            return unanswered.check
        app = f"the Meta app “{self.token.app_name or self.token.app_id}”"
        if typed is not None:
            wrong = f"This is not the secret of {app}, which the token is of. It stands under App settings, Basic."
            return Check("ok", f"The secret of {app}.") if any(proofs) else Check("failed", wrong)
        if any(proofs):
            return Check("ok", "Not needed: the token is of this deployment's own Meta app.")
        return Check("failed", f"Needed here: without the secret of {app} nobody can tell that a message is Meta's.")

    async def subscription(self) -> Check:
        try:
            apps = await _answer(self.accounts.subscribed_apps(self.access_token, self.values.waba_id), {})
        except _Unanswered as unanswered:
            return Check("waiting", unanswered.check.says)
        if self.token.app_id in apps:
            return Check("ok", "The app is told of the account's messages.")
        return Check("failed", "The app is not told of the account's messages yet: press “Subscribe”.")

    async def template(self) -> tuple[Check, tuple[TemplateFacts, ...]]:
        try:
            every = await _answer(self.accounts.templates(self.access_token, self.values.waba_id), {})
        except _Unanswered as unanswered:
            return Check("ok" if not self.values.template else "failed", unanswered.check.says), ()
        usable = tuple(template for template in every if template.is_approved and not template.takes_values)
        chosen = self.values.template
        if chosen and chosen not in {f"{template.name}/{template.language}" for template in usable}:
            return Check("failed", "There is no such template that is approved and takes no values."), usable
        return Check("ok", ""), usable


def _waba_form(values: Values) -> Check | None:
    return _id_trouble(values.waba_id, "account id")


def _id_trouble(typed: str, name: str) -> Check | None:
    if not typed:
        return Check("waiting", f"The {name} stands under API setup in Meta's app dashboard.")
    if _ID.fullmatch(typed):
        return None
    if re.fullmatch(r"\+[0-9 ()-]+", typed):
        return Check(
            "failed", f"This is a phone number. Wanted is the {name}, which Meta shows below it: digits alone."
        )
    return Check("failed", f"The {name} is made of digits alone, such as 106540352242922.")


async def _answer(question: Awaitable[Found], refusals: Mapping[str, str]) -> Found:
    """``refusals``: what to say by the code of Meta's refusal."""
    try:
        return await question
    except ChannelError as error:
        code = getattr(error, "code", "")
        if code in refusals:
            raise _Unanswered(Check("failed", refusals[code])) from error
        if error.retryable:
            raise _Unanswered(Check("waiting", f"{error} Try again in a moment.")) from error
        hint = "" if isinstance(error, ConnectionDead) else " Check the value and try again."
        raise _Unanswered(Check("failed", f"{error}{hint}")) from error


def _day(moment: datetime) -> str:
    return f"{moment:%-d %B %Y}"
