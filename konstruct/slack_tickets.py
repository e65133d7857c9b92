"""Leave to connect one Slack workspace to one tenant: a sealed link for an operator, good for minutes.

Nothing is stored here; that a ticket is used once is for its reader to see to.
"""

import json
import secrets
from dataclasses import asdict, dataclass, field
from datetime import timedelta
from typing import Final
from uuid import UUID

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from pydantic import SecretStr

from konstruct.errors import BadInput
from konstruct.identity import TenantId

GOOD_FOR: Final = timedelta(minutes=10)


@dataclass(frozen=True)
class Ticket:
    tenant_id: TenantId
    employee_key: str
    """Who is to serve the workspace."""
    nonce: str = field(default_factory=secrets.token_urlsafe)
    browser: str = ""
    """The digest of what the browser that opened the link holds; empty before."""


def seal(keys: tuple[SecretStr, ...], ticket: Ticket) -> str:
    return _cipher(keys).encrypt(json.dumps(asdict(ticket), default=str).encode()).decode()


def unseal(keys: tuple[SecretStr, ...], sealed: str) -> Ticket:
    """Raises BadInput for what was not sealed here, or too long ago."""
    try:
        content = json.loads(_cipher(keys).decrypt(sealed, ttl=int(GOOD_FOR.total_seconds())))
        return Ticket(**{**content, "tenant_id": TenantId(UUID(content["tenant_id"]))})
    except (InvalidToken, ValueError, TypeError, KeyError) as error:
        raise BadInput("This link is not valid, or no longer: ask for a new one.") from error


def _cipher(keys: tuple[SecretStr, ...]) -> MultiFernet:
    return MultiFernet([Fernet(key.get_secret_value()) for key in keys])
