"""Signing in through a provider, by OpenID Connect's code flow with PKCE: where to send a browser, and who came back.

A deployment names its providers; what each of them says of itself is read when it is first needed, and again now and
then. What it says of a person counts only as far as `id_tokens` holds it.
"""

import asyncio
import base64
import hashlib
import hmac
import json
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Final
from urllib.parse import quote_plus, urlencode, urlsplit

from konstruct.accounts import id_tokens
from konstruct.accounts.id_tokens import Expected, Identity, UnknownKey
from konstruct.errors import Misconfigured, NotAllowed, Unauthentic, Unavailable, WebError
from konstruct.settings import OidcProvider, Settings
from konstruct.source_ports import Web, WebRequest

_TIME_LIMIT: Final = 10.0
_MOST_BYTES: Final = 500_000
_METADATA_LASTS: Final = 3600.0
_KEYS_AGE_AT_LEAST: Final = 30.0
"""Seconds before keys are read again for a token that names another one, since anybody can make names up."""
_SCOPES: Final = "openid email profile"


def places(settings: Settings) -> list[str]:
    """Where issuers are, as KONSTRUCT_WEB_ALLOWED names them: whoever runs the deployment named them, so they may be on
    its own network. Where else they lead to may not."""
    issuers = [urlsplit(each.issuer) for each in settings.oidc_providers]
    return [f"{issuer.hostname}:{issuer.port or (443 if issuer.scheme == 'https' else 80)}" for issuer in issuers]


@dataclass(frozen=True)
class Attempt:
    """What is remembered of an attempt, in the ceremony of the browser that makes it."""

    provider: str
    state: str = field(repr=False)
    nonce: str = field(repr=False)
    verifier: str = field(repr=False)

    def facts(self) -> dict[str, str]:
        return asdict(self)

    @classmethod
    def of(cls, facts: Mapping[str, str]) -> "Attempt":
        return cls(facts["provider"], facts["state"], facts["nonce"], facts["verifier"])


@dataclass(frozen=True)
class CameBack:
    """What the provider had the browser bring back."""

    state: str = field(repr=False)
    code: str = field(default="", repr=False)
    error: str = ""
    issuer: str | None = None


@dataclass
class _Kept:
    value: Any = None
    read_at: float = float("-inf")


class Provider:
    """One of the deployment's; keeps what it has read of it."""

    def __init__(self, settings: OidcProvider, web: Web, *, clock: Callable[[], float] = time.monotonic) -> None:
        self.key = settings.key
        self.name = settings.title
        self._settings = settings
        self._web = web
        self._clock = clock
        self._metadata = _Kept()
        self._keys = _Kept()
        self._reading = asyncio.Lock()

    async def start(self, redirect_uri: str, *, anew: bool = False, email: str | None = None) -> tuple[str, Attempt]:
        """Where to send the browser, and what to remember meanwhile.

        Args:
            anew: the person is to show once more who they are, though the provider may know them.
            email: whom they are expected to be.

        Raises:
            Unavailable: the provider does not answer.
            Misconfigured: it does not answer as one does.
        """
        metadata = await self._described()
        attempt = Attempt(self.key, *(secrets.token_urlsafe(32) for _ in range(3)))
        challenge = base64.urlsafe_b64encode(hashlib.sha256(attempt.verifier.encode()).digest()).rstrip(b"=")
        asked = {
            "response_type": "code",
            "client_id": self._settings.client_id,
            "redirect_uri": redirect_uri,
            "scope": _SCOPES,
            "state": attempt.state,
            "nonce": attempt.nonce,
            "code_challenge": challenge.decode(),
            "code_challenge_method": "S256",
        }
        if anew:
            asked |= {"prompt": "login", "max_age": "0"}
        if email:
            asked["login_hint"] = email
        endpoint = metadata["authorization_endpoint"]
        return f"{endpoint}{'&' if urlsplit(endpoint).query else '?'}{urlencode(asked)}", attempt

    async def finish(self, attempt: Attempt, came: CameBack, redirect_uri: str) -> Identity:
        """Who it is.

        Raises:
            Unauthentic: what came back is not the answer to this attempt, or does not hold.
            NotAllowed: the person, or the provider, said no.
            Unavailable, Misconfigured: as ``start``.
        """
        if attempt.provider != self.key or not hmac.compare_digest(came.state.encode(), attempt.state.encode()):
            raise self._refused("this is not the answer to what this browser asked")
        metadata = await self._described()
        self._check_issuer(metadata, came)
        if came.error:
            raise NotAllowed(f"{self.name} did not let you in, or you did not let it. Nothing was changed.")
        answer = await self._exchange(metadata, attempt, came.code, redirect_uri)
        expected = Expected(metadata["issuer"], self._settings.client_id, attempt.nonce)
        try:
            person = await self._identity(metadata, str(answer.get("id_token", "")), expected)
        except Unauthentic as error:
            raise self._refused(str(error)) from error
        if person.email is None and metadata.get("userinfo_endpoint"):
            return await self._asked_for_email(metadata, person, str(answer.get("access_token", "")))
        return person

    def _check_issuer(self, metadata: Mapping[str, Any], came: CameBack) -> None:
        """RFC 9207: an answer of another provider's is not taken for this one's."""
        must_say = metadata.get("authorization_response_iss_parameter_supported") is True
        if (came.issuer is None and must_say) or came.issuer not in (None, metadata["issuer"]):
            raise self._refused("the answer is another provider's")

    async def _exchange(
        self, metadata: Mapping[str, Any], attempt: Attempt, code: str, redirect_uri: str
    ) -> Mapping[str, Any]:
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": redirect_uri,
            "code_verifier": attempt.verifier,
        }
        headers = {"content-type": "application/x-www-form-urlencoded", "accept": "application/json"}
        secret = self._settings.client_secret.get_secret_value()
        if "client_secret_post" in metadata.get("token_endpoint_auth_methods_supported", ()):
            form |= {"client_id": self._settings.client_id, "client_secret": secret}
        else:
            pair = f"{quote_plus(self._settings.client_id)}:{quote_plus(secret)}"
            headers["authorization"] = f"Basic {base64.b64encode(pair.encode()).decode()}"
        status, answer = await self._ask(
            WebRequest("POST", metadata["token_endpoint"], headers, urlencode(form).encode())
        )
        if status == 200:
            return answer
        if answer.get("error") == "invalid_client":
            raise Misconfigured(f"{self.name} does not know this deployment's client id and secret.")
        raise self._refused("it does not stand by the code that came back")

    async def _identity(self, metadata: Mapping[str, Any], token: str, expected: Expected) -> Identity:
        try:
            return id_tokens.identity(token, await self._published(metadata), expected)
        except UnknownKey:
            return id_tokens.identity(token, await self._published(metadata, anew=True), expected)

    async def _asked_for_email(self, metadata: Mapping[str, Any], person: Identity, access: str) -> Identity:
        """Some leave the address out of the token. What is asked for besides fills that gap alone, and only when it is
        about the same person."""
        status, said = await self._ask(
            WebRequest("GET", metadata["userinfo_endpoint"], {"authorization": f"Bearer {access}"})
        )
        if status != 200 or said.get("sub") != person.subject:
            return person
        claims = {"name": person.name, **said, "auth_time": person.shown_at}
        return id_tokens.said_of(person.issuer, person.subject, claims, published=metadata["issuer"])

    async def _described(self) -> Mapping[str, Any]:
        """The provider's metadata (OpenID Connect Discovery 1.0)."""
        async with self._reading:
            if self._clock() - self._metadata.read_at > _METADATA_LASTS:
                url = f"{self._settings.issuer.rstrip('/')}/.well-known/openid-configuration"
                status, said = await self._ask(WebRequest("GET", url))
                self._check_metadata(status, said)
                self._metadata = _Kept(said, self._clock())
            metadata: Mapping[str, Any] = self._metadata.value
            return metadata

    def _check_metadata(self, status: int, said: Mapping[str, Any]) -> None:
        needed = ("issuer", "authorization_endpoint", "token_endpoint", "jwks_uri")
        if status != 200 or not all(isinstance(said.get(name), str) for name in needed):
            raise Misconfigured(f"{self._settings.issuer} does not describe itself as a provider to sign in with.")
        if not _is_same_issuer(said["issuer"], self._settings.issuer):
            raise Misconfigured(f"{self._settings.issuer} describes itself as another issuer.")
        for name in needed[1:]:
            if urlsplit(said[name]).scheme != "https" and urlsplit(self._settings.issuer).scheme == "https":
                raise Misconfigured(f"{self._settings.issuer} leads to an address that anybody on the way could read.")

    async def _published(self, metadata: Mapping[str, Any], *, anew: bool = False) -> list[Mapping[str, Any]]:
        """Its public keys."""
        async with self._reading:
            age = self._clock() - self._keys.read_at
            if age > _METADATA_LASTS or (anew and age > _KEYS_AGE_AT_LEAST):
                status, said = await self._ask(WebRequest("GET", metadata["jwks_uri"]))
                keys = said.get("keys")
                if status != 200 or not isinstance(keys, list):
                    raise Misconfigured(f"{self.name} does not publish the keys that it signs with.")
                self._keys = _Kept([key for key in keys if isinstance(key, dict)], self._clock())
            kept: list[Mapping[str, Any]] = self._keys.value
            return kept

    async def _ask(self, request: WebRequest) -> tuple[int, Mapping[str, Any]]:
        try:
            answer = await self._web.request(request, time_limit=_TIME_LIMIT, most_bytes=_MOST_BYTES)
        except WebError as error:
            raise Unavailable(f"{self.name} does not answer. Try again, or sign in another way.") from error
        if answer.status >= 500:
            raise Unavailable(f"{self.name} does not answer. Try again, or sign in another way.")
        try:
            said = json.loads(answer.content)
        except (ValueError, RecursionError):
            said = None
        return answer.status, said if isinstance(said, dict) else {}

    def _refused(self, why: str) -> Unauthentic:
        return Unauthentic(f"Signing in with {self.name} did not work: {why}. Begin anew.")


def _is_same_issuer(said: str, configured: str) -> bool:
    """Microsoft's metadata for several directories names none of them, under an address that says which are meant."""
    if said == configured or said.rstrip("/") == configured.rstrip("/"):
        return True
    before, template, after = said.partition("{tenantid}")
    several = ("common", "organizations", "consumers")
    return bool(template) and configured.rstrip("/") in {f"{before}{which}{after}" for which in several}
