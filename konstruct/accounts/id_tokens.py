"""Whether an ID token of OpenID Connect holds, and what it says of a person. Nothing here asks anybody anything.

OpenID Connect Core 1.0, section 3.1.3.7; and what Microsoft and Google say of their own.
"""

import hmac
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Final
from uuid import UUID

from joserfc import jws, jwt
from joserfc.errors import JoseError
from joserfc.jwk import JWKRegistry

from konstruct.errors import Unauthentic
from konstruct.tables.base import utc_now

ALGORITHMS: Final = (
    "RS256",
    "RS384",
    "RS512",
    "PS256",
    "PS384",
    "PS512",
    "ES256",
    "ES384",
    "ES512",
    "EdDSA",
    "Ed25519",
)
"""With keys of which the provider alone has the secret half: a token that is signed with what others know as well, or
with nothing, says nothing."""
_KEY_TYPES: Final = ("RSA", "EC", "OKP")
_LEEWAY: Final = timedelta(minutes=1)
_OLDEST: Final = timedelta(minutes=15)
"""A token is made for an attempt to sign in, and one lasts ten minutes."""
_LONGEST: Final = 255
_LONGEST_TOKEN: Final = 64_000
_NO_WORDS: Final = re.compile("[\x00\ud800-\udfff]")

GOOGLE: Final = "https://accounts.google.com"
_TENANT: Final = "{tenantid}"
"""Stands in the issuer of Microsoft's metadata when people of any directory may sign in."""
_MICROSOFT: Final = (
    "https://login.microsoftonline.com/",
    "https://login.microsoftonline.us/",
    "https://sts.windows.net/",
)


class UnknownKey(Unauthentic):
    """The token names a key that is not among these: the provider may have changed them since they were read."""


@dataclass(frozen=True)
class Identity:
    """Who somebody is at a provider."""

    issuer: str
    subject: str
    """With the issuer, this names them for ever; an address may come to be somebody else's."""
    email: str | None = field(repr=False)
    """In small letters."""
    is_email_proven: bool
    """The provider says that the mailbox is theirs, in a way that can be relied on."""
    name: str | None = field(repr=False)
    shown_at: float | None = None
    """When they last showed there who they are, in seconds since 1970; not all providers say."""


@dataclass(frozen=True)
class Expected:
    """What the token of one attempt must say."""

    issuer: str
    """As the provider's metadata has it."""
    client_id: str
    nonce: str


def identity(token: str, keys: Sequence[Mapping[str, Any]], expected: Expected) -> Identity:
    """Who the token is about.

    Args:
        keys: as the provider publishes them (JWK).

    Raises:
        UnknownKey: with newer keys it may yet hold.
        Unauthentic: it does not hold.
    """
    claims, key = _verified(token, keys)
    issuer = _issuer(claims, key, expected.issuer)
    _check_audience(claims, expected.client_id)
    _check_times(claims)
    nonce = claims.get("nonce")
    if not isinstance(nonce, str) or not hmac.compare_digest(nonce.encode(), expected.nonce.encode()):
        raise Unauthentic("its token was made for another attempt to sign in")
    subject = claims.get("sub")
    if not isinstance(subject, str) or not 0 < len(subject) <= _LONGEST:
        raise Unauthentic("its token does not say whom it is about")
    return said_of(issuer, subject, claims, published=expected.issuer)


def said_of(issuer: str, subject: str, claims: Mapping[str, Any], *, published: str) -> Identity:
    """``published``: the issuer as the provider's metadata has it. Raises Unauthentic."""
    _check_words(claims)
    email, name = claims.get("email"), claims.get("name")
    address = email.strip().lower() if isinstance(email, str) and 3 <= len(email) <= _LONGEST and "@" in email else None
    return Identity(
        issuer,
        subject,
        address,
        address is not None and _proves(published, address, claims),
        name.strip()[:_LONGEST] if isinstance(name, str) and name.strip() else None,
        _time(claims.get("auth_time")),
    )


def _proves(published: str, address: str, claims: Mapping[str, Any]) -> bool:
    if published.startswith(_MICROSOFT) or _TENANT in published:
        # There, an administrator of any directory can write any address into `email`. This claim, which whoever runs
        # the deployment asks for in the app's registration, says that the address's domain is the directory's own.
        return claims.get("xms_edov") in (True, 1, "1", "true")
    if claims.get("email_verified") is not True:
        return False
    if published == GOOGLE:
        # An address of somebody else's domain was the person's when the account was made, and may not be any more.
        return address.endswith("@gmail.com") or bool(claims.get("hd"))
    return True


def _verified(token: str, keys: Sequence[Mapping[str, Any]]) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    """What it says, and the key that it is signed with."""
    if len(token) > _LONGEST_TOKEN:
        raise Unauthentic("its token is too long to be one")
    try:
        header = jws.extract_compact(token.encode()).headers()
        if header.get("alg") not in ALGORITHMS:
            raise Unauthentic("its token is not signed in a way that can be relied on")
        key = _key(header, keys)
        claims = jwt.decode(token, JWKRegistry.import_key(dict(key)), algorithms=[header["alg"]]).claims
    except (JoseError, ValueError, TypeError, KeyError) as error:
        raise Unauthentic("its token is not signed by it") from error
    _check_words(claims)
    return claims, key


def _check_words(claims: Mapping[str, Any]) -> None:
    """JSON can hold what no database keeps, and no other program can be told."""
    if any(isinstance(claim, str) and _NO_WORDS.search(claim) for claim in claims.values()):
        raise Unauthentic("it tells of somebody in characters that nobody can write down")


def _key(header: Mapping[str, Any], keys: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
    usable = [key for key in keys if key.get("kty") in _KEY_TYPES and key.get("use", "sig") == "sig"]
    if "kid" in header:
        usable = [key for key in usable if key.get("kid") == header["kid"]]
    if len(usable) != 1:
        raise UnknownKey("its token is signed with a key that it does not publish")
    return usable[0]


def _issuer(claims: Mapping[str, Any], key: Mapping[str, Any], expected: str) -> str:
    issuer = expected
    if _TENANT in expected:
        # Anybody can have a directory there. So a token is held to the very directory that it says it is from, by its
        # issuer and by what its key is for; or one directory could speak for another's people.
        directory = _uuid(claims.get("tid"))
        issuer = expected.replace(_TENANT, directory)
        if str(key.get("issuer", expected)).replace(_TENANT, directory) != issuer:
            raise Unauthentic("its token is signed with a key that is another directory's")
    if claims.get("iss") != issuer:
        raise Unauthentic("its token was made by somebody else")
    return issuer


def _uuid(said: object) -> str:
    try:
        return str(UUID(str(said)))
    except ValueError:
        raise Unauthentic("its token does not say which directory it is from") from None


def _check_audience(claims: Mapping[str, Any], client_id: str) -> None:
    said = claims.get("aud")
    audience = [said] if isinstance(said, str) else said
    if not isinstance(audience, list) or client_id not in audience:
        raise Unauthentic("its token was made for somebody else")
    if claims.get("azp", client_id) != client_id or (len(audience) > 1 and "azp" not in claims):
        raise Unauthentic("its token was made for somebody else")


def _check_times(claims: Mapping[str, Any]) -> None:
    now = utc_now().timestamp()
    leeway = _LEEWAY.total_seconds()
    until, made, since = (_time(claims.get(name)) for name in ("exp", "iat", "nbf"))
    if until is None or made is None:
        raise Unauthentic("its token does not say when it was made, and until when it holds")
    if until <= now - leeway or made < now - leeway - _OLDEST.total_seconds():
        raise Unauthentic("its token has expired")
    if made > now + leeway or (since or now) > now + leeway:
        raise Unauthentic("its token is of a time that is not yet; the clock of this server, or of that one, is off")


def _time(said: object) -> float | None:
    return said if isinstance(said, int | float) and not isinstance(said, bool) else None
