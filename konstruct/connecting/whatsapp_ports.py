"""What Meta can be asked of a WhatsApp account before it is connected: a Protocol and the values that cross it."""

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from pydantic import SecretStr


@dataclass(frozen=True)
class TokenFacts:
    app_id: str
    app_name: str
    scopes: frozenset[str]
    expires_at: datetime | None
    """None: never."""


@dataclass(frozen=True)
class NumberFacts:
    phone_number_id: str
    display_phone_number: str
    verified_name: str
    quality: str
    """GREEN, YELLOW or RED; anything else is not known yet."""


@dataclass(frozen=True)
class TemplateFacts:
    name: str
    language: str
    is_approved: bool
    takes_values: bool


class WhatsAppAccounts(Protocol):
    """Each asks as the token's owner. Raises ChannelError's subclasses and nothing else; none of them retries."""

    async def token(self, access_token: SecretStr) -> TokenFacts: ...

    async def number(self, access_token: SecretStr, phone_number_id: str) -> NumberFacts: ...

    async def numbers_of(self, access_token: SecretStr, waba_id: str) -> frozenset[str]:
        """The ids of the business account's numbers."""

    async def proves(self, access_token: SecretStr, app_secret: SecretStr) -> bool:
        """Whether the secret is of the app that the token is of."""

    async def subscribed_apps(self, access_token: SecretStr, waba_id: str) -> frozenset[str]:
        """The ids of the apps that are told what happens to the business account."""

    async def subscribe(self, access_token: SecretStr, waba_id: str) -> None:
        """Has the token's app be told."""

    async def unsubscribe(self, access_token: SecretStr, waba_id: str) -> None: ...

    async def templates(self, access_token: SecretStr, waba_id: str) -> tuple[TemplateFacts, ...]: ...
