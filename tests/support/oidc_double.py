"""A provider of OpenID Connect on loopback that checks what real ones check, and lies on request.

double = OidcDouble()
async with double.running():
    double.lies = Lies(claims={"nonce": "other"})          # what the next tokens say instead
    back = await double.walk(url)                          # as a browser does that is signed in there
"""

import base64
import hashlib
import hmac
import json
import secrets
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import cache
from typing import Any
from urllib.parse import parse_qsl, unquote_plus, urlencode, urlsplit

import httpx
from aiohttp import web
from joserfc import jwt
from joserfc.jwk import RSAKey

from konstruct.settings import OidcProvider
from tests.support.http import serve

Json = dict[str, Any]


@cache
def new_key(name: str, which: int = 0) -> RSAKey:
    """The same for the same name, since making one takes a while; ``which`` tells apart those that share a name."""
    return RSAKey.generate_key(2048, {"kid": name})


@dataclass
class Lies:
    """What is wrong about the tokens that are made."""

    claims: Json = field(default_factory=dict)
    """In place of the true ones; None leaves one out."""
    header: Json = field(default_factory=dict)
    signed_with: str = "own"
    """``own``, ``stranger`` (another key by our name), ``public`` (HMAC with our public key), ``nothing``."""


@dataclass
class _Grant:
    asked: dict[str, str]
    is_used: bool = False


@dataclass
class OidcDouble:
    client_id: str = "konstruct-client"
    client_secret: str = "s3cret/+&="
    redirect_uris: set[str] = field(default_factory=set)
    person: Json = field(
        default_factory=lambda: {"sub": "248289761001", "email": "ana@acme.example", "email_verified": True}
    )
    """Who is signed in there."""
    outside_the_token: Json = field(default_factory=dict)
    """What only the userinfo endpoint tells of them."""
    metadata: Json = field(default_factory=dict)
    """In place of what it says of itself."""
    lies: Lies = field(default_factory=Lies)
    answers: Json = field(default_factory=dict)
    """What the browser brings back instead."""
    asked: list[dict[str, str]] = field(default_factory=list)
    """What browsers were sent with."""
    complaints: list[str] = field(default_factory=list)
    reads: dict[str, int] = field(default_factory=dict)
    """How often each path was asked."""
    port: int = 0
    _grants: dict[str, _Grant] = field(default_factory=dict)
    _key: RSAKey = field(default_factory=lambda: new_key("first"))

    @property
    def issuer(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def place(self) -> str:
        """As KONSTRUCT_WEB_ALLOWED names it."""
        return f"127.0.0.1:{self.port}"

    def settings(self, key: str = "double", title: str = "Double", issuer: str = "") -> OidcProvider:
        return OidcProvider.model_validate(
            {
                "key": key,
                "title": title,
                "issuer": issuer or self.issuer,
                "client_id": self.client_id,
                "client_secret": self.client_secret,
            }
        )

    @asynccontextmanager
    async def running(self) -> AsyncIterator["OidcDouble"]:
        app = web.Application()
        app.router.add_get("/{issuer:.*}.well-known/openid-configuration", self._describe)
        app.router.add_get("/authorize", self._authorize)
        app.router.add_post("/token", self._token)
        app.router.add_get("/keys", self._keys)
        app.router.add_get("/userinfo", self._userinfo)
        async with serve(app, port=self.port) as url:
            self.port = urlsplit(url).port or 0
            yield self

    def change_keys(self, name: str = "second") -> None:
        self._key = new_key(name)

    async def walk(self, url: str) -> str:
        """Follows to this provider, and says where it sends the browser back to."""
        async with httpx.AsyncClient() as browser:
            answer = await browser.get(url)
        assert answer.status_code == 302, answer.text
        return answer.headers["location"]

    async def _describe(self, request: web.Request) -> web.Response:
        self._note("metadata")
        described = {
            "issuer": self.issuer,
            "authorization_endpoint": f"{self.issuer}/authorize?realm=staff",
            "token_endpoint": f"{self.issuer}/token",
            "jwks_uri": f"{self.issuer}/keys",
            "userinfo_endpoint": f"{self.issuer}/userinfo",
            "response_types_supported": ["code"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["RS256"],
        }
        return web.json_response({**described, **self.metadata})

    async def _authorize(self, request: web.Request) -> web.Response:
        asked = dict(parse_qsl(request.url.raw_query_string, keep_blank_values=True))
        self.asked.append(asked)
        self._hold(asked.get("realm") == "staff", "The endpoint's own query was lost.")
        self._hold(asked.get("response_type") == "code", "No code was asked for.")
        self._hold(asked.get("client_id") == self.client_id, "Unknown client.")
        self._hold(asked.get("redirect_uri") in self.redirect_uris, "Not where this client may be sent back to.")
        self._hold("openid" in asked.get("scope", "").split(), "That is not OpenID Connect.")
        self._hold(asked.get("code_challenge_method") == "S256", "PKCE with S256 is needed.")
        self._hold(len(asked.get("code_challenge", "")) == 43, "That is no challenge.")
        self._hold(len(asked.get("state", "")) >= 22 and len(asked.get("nonce", "")) >= 22, "Anybody could guess that.")
        code = secrets.token_urlsafe(16)
        self._grants[code] = _Grant(asked)
        back = {"code": code, "state": asked["state"], **self.answers}
        query = urlencode({name: value for name, value in back.items() if value is not None})
        raise web.HTTPFound(f"{asked['redirect_uri']}?{query}")

    async def _token(self, request: web.Request) -> web.Response:
        self._note("token")
        form = {name: str(value) for name, value in (await request.post()).items()}
        if self._client(request, form) != (self.client_id, self.client_secret):
            return web.json_response({"error": "invalid_client"}, status=401)
        grant = self._grants.get(form.get("code", ""))
        if grant is None or grant.is_used:
            self.complaints.append("A code that is none, or was used.")
            return web.json_response({"error": "invalid_grant"}, status=400)
        grant.is_used = True
        digest = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
        if (
            form.get("grant_type") != "authorization_code"
            or form.get("redirect_uri") != grant.asked["redirect_uri"]
            or _base64(digest).decode() != grant.asked["code_challenge"]
        ):
            self.complaints.append("The code is not this client's.")
            return web.json_response({"error": "invalid_grant"}, status=400)
        return web.json_response(
            {"access_token": "at-1", "token_type": "Bearer", "id_token": self._made(grant.asked["nonce"])}
        )

    def _client(self, request: web.Request, form: dict[str, str]) -> tuple[str, str]:
        if "client_secret_post" in self.metadata.get("token_endpoint_auth_methods_supported", ()):
            return form.get("client_id", ""), form.get("client_secret", "")
        kind, _, pair = request.headers.get("Authorization", "").partition(" ")
        if kind != "Basic":
            return "", ""
        name, _, secret = base64.b64decode(pair).decode().partition(":")
        return unquote_plus(name), unquote_plus(secret)

    def _made(self, nonce: str) -> str:
        now = int(time.time())
        true = {"iss": self.issuer, "aud": self.client_id, "iat": now, "exp": now + 300, "nonce": nonce, **self.person}
        claims = {name: value for name, value in {**true, **self.lies.claims}.items() if value is not None}
        header = {"alg": "RS256", "kid": self._key.kid, **self.lies.header}
        match self.lies.signed_with:
            case "nothing":
                return _forged({**header, "alg": "none"}, claims, None)
            case "public":
                return _forged({**header, "alg": "HS256"}, claims, self._key.as_pem(private=False))
            case "stranger":
                return jwt.encode(header, claims, new_key(str(self._key.kid), which=1))
        return jwt.encode(header, claims, self._key)

    async def _keys(self, request: web.Request) -> web.Response:
        self._note("keys")
        extra = {"use": "sig", "alg": "RS256"}
        return web.json_response({"keys": [{**self._key.as_dict(private=False), **extra}]})

    async def _userinfo(self, request: web.Request) -> web.Response:
        self._note("userinfo")
        self._hold(request.headers.get("Authorization") == "Bearer at-1", "Whose token is that?")
        return web.json_response({"sub": self.person["sub"], **self.outside_the_token})

    def _note(self, what: str) -> None:
        self.reads[what] = self.reads.get(what, 0) + 1

    def _hold(self, is_so: bool, complaint: str) -> None:
        if not is_so:
            self.complaints.append(complaint)
            raise web.HTTPBadRequest(text=complaint)


def _forged(header: Json, claims: Json, secret: bytes | None) -> str:
    """By hand, for no library makes such a thing any more."""
    said = b".".join(_base64(json.dumps(part).encode()) for part in (header, claims))
    signature = hmac.digest(secret, said, "sha256") if secret is not None else b""
    return (said + b"." + _base64(signature)).decode()


def _base64(content: bytes) -> bytes:
    return base64.urlsafe_b64encode(content).rstrip(b"=")
