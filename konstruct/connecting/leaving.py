"""Telling a channel that we are done with an account, before it is disconnected: what it says then changes nothing."""

from typing import Protocol

from pydantic import SecretStr

from konstruct import connections
from konstruct.connecting.naming import KINDS
from konstruct.connecting.renewing import BOT_TOKEN
from konstruct.connecting.whatsapp_ports import WhatsAppAccounts
from konstruct.db import Database
from konstruct.errors import ChannelError, ConnectionDead
from konstruct.ports import ChannelAccount


class Uninstalls(Protocol):
    async def uninstall(self, bot_token: SecretStr) -> None:
        """Takes the deployment's app out of a workspace. Raises ChannelError."""


async def leave(
    database: Database, slack: Uninstalls | None, whatsapp: WhatsAppAccounts, account: ChannelAccount
) -> str | None:
    """What is left to do by hand, in a sentence, if anything. ``slack``: None where the deployment has no app."""
    try:
        if account.kind == "slack" and slack is not None and BOT_TOKEN in account.secrets:
            await slack.uninstall(account.secrets[BOT_TOKEN])
        elif account.kind == "whatsapp" and "access_token" in account.secrets:
            await _unsubscribe(database, whatsapp, account)
    except ConnectionDead:
        # The channel has taken us out already.
        return None
    except ChannelError as error:
        channel = KINDS[account.kind]
        return f"Disconnected here, but {channel} could not be told: {error} Remove the app there by hand."
    return None


async def _unsubscribe(database: Database, whatsapp: WhatsAppAccounts, account: ChannelAccount) -> None:
    """Unless another number of the same business account is still connected: the app is told of all of them."""
    waba_id = account.external.get("waba_id") or ""
    others = await connections.of_business(database, "whatsapp", waba_id)
    if {other.connection_id for other in others} == {account.connection_id}:
        await whatsapp.unsubscribe(account.secrets["access_token"], waba_id)
