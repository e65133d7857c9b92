"""What a deployment lacks for its tenants to connect a channel, in words for whoever runs it."""

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from konstruct.settings import Settings


@dataclass(frozen=True)
class Lack:
    setting: str
    says: str
    stops_it: bool = True
    """Whether nothing can be connected without it."""


def slack(settings: Settings) -> Sequence[Lack]:
    lacks = []
    if settings.slack_client_id is None:
        lacks.append(
            Lack(
                "KONSTRUCT_SLACK_CLIENT_ID", "The app's client id, from Basic Information in the Slack app's settings."
            )
        )
    if settings.slack_client_secret is None:
        lacks.append(Lack("KONSTRUCT_SLACK_CLIENT_SECRET", "The app's client secret, from the same page."))
    if settings.slack_signing_secret is None and settings.slack_app_token is None:
        lacks.append(
            Lack(
                "KONSTRUCT_SLACK_SIGNING_SECRET",
                "The app's signing secret, from the same page: without it no message from Slack is taken.",
                stops_it=False,
            )
        )
    if settings.slack_app_token is None and not _is_reached(settings.gateway_address):
        lacks.append(
            Lack(
                "KONSTRUCT_GATEWAY_PUBLIC_URL",
                f"Slack cannot send messages to {settings.gateway_address}: it needs an https address on the internet.",
                stops_it=False,
            )
        )
    return lacks


def whatsapp(settings: Settings) -> Sequence[Lack]:
    lacks = []
    if settings.whatsapp_verify_token is None:
        lacks.append(
            Lack(
                "KONSTRUCT_WHATSAPP_VERIFY_TOKEN",
                "A word of your own, by which Meta knows the webhook: without it no message from WhatsApp is taken.",
                stops_it=False,
            )
        )
    if not _is_reached(settings.gateway_address):
        lacks.append(
            Lack(
                "KONSTRUCT_GATEWAY_PUBLIC_URL",
                f"Meta cannot send messages to {settings.gateway_address}: it needs an https address on the internet.",
                stops_it=False,
            )
        )
    return lacks


def _is_reached(site: str) -> bool:
    """Whether a channel may reach it, as far as its address tells."""
    parts = urlsplit(site)
    host = parts.hostname or ""
    try:
        is_global = ipaddress.ip_address(host).is_global
    except ValueError:
        is_global = "." in host
    return parts.scheme == "https" and is_global
