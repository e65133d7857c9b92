"""The deployment's providers to sign in with, asked over the guarded web: their issuers were named by whoever runs it, so
they may be on its own network; where else they lead to may not."""

from collections.abc import Mapping
from typing import Final
from urllib.parse import urlsplit

from konstruct.accounts.oidc import Provider
from konstruct.adapters.web import SafeWeb, open_client
from konstruct.settings import Settings

_PORTS: Final = {"https": 443, "http": 80}


class Providers:
    def __init__(self, settings: Settings) -> None:
        issuers = [urlsplit(each.issuer) for each in settings.oidc_providers]
        places = [f"{issuer.hostname}:{issuer.port or _PORTS[issuer.scheme]}" for issuer in issuers]
        self._client = open_client([*settings.web_allowed, *places])
        web = SafeWeb(self._client)
        self.by_key: Mapping[str, Provider] = {each.key: Provider(each, web) for each in settings.oidc_providers}

    async def close(self) -> None:
        await self._client.aclose()
