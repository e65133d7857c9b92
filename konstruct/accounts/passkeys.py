"""Passkeys (WebAuthn): registered to a person, and then a way to sign in that needs no password and no second factor.

Each is asked to check who holds it (a finger, a face, a PIN), so that one alone proves both having and knowing.
Challenges are a ceremony's: whoever calls here has taken it, and with it the only chance to use it.
"""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit
from uuid import UUID

import webauthn
from sqlalchemy import delete, text, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select
from webauthn.helpers.exceptions import WebAuthnException
from webauthn.helpers.structs import (
    AuthenticatorSelectionCriteria,
    AuthenticatorTransport,
    PublicKeyCredentialDescriptor,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)

from konstruct.db import Database
from konstruct.errors import BadInput, Conflict, NotFound, Unauthentic
from konstruct.tables.base import utc_now
from konstruct.tables.factors import Passkey

MOST: Final = 20
LONGEST_NAME: Final = 60
_LONGEST_ANSWER: Final = 20_000
_REQUIRED: Final = UserVerificationRequirement.REQUIRED

_FIND: Final = text("select * from find_passkey(:credential_id)")


@dataclass(frozen=True)
class Site:
    """Where passkeys are for, as browsers see it: one that was made for another name does not hold."""

    id: str
    origin: str

    @classmethod
    def of(cls, public_url: str) -> "Site":
        parts = urlsplit(public_url)
        return cls(parts.hostname or "", f"{parts.scheme}://{parts.netloc}")

    @property
    def has_name(self) -> bool:
        """Browsers make no passkeys for addresses that are numbers."""
        return not re.fullmatch(r"[0-9.]+|.*:.*", self.id)


@dataclass(frozen=True)
class Challenge:
    options: dict[str, Any]
    """For the browser, as `parseCreationOptionsFromJSON` and `parseRequestOptionsFromJSON` take them."""
    challenge: str
    """For the ceremony."""


async def listing(session: AsyncSession, user_id: UUID) -> Sequence[Passkey]:
    """Oldest first."""
    found = await session.scalars(select(Passkey).where(col(Passkey.user_id) == user_id).order_by(col(Passkey.id)))
    return found.all()


def ask_to_register(site: Site, user_id: UUID, email: str, name: str, held: Sequence[Passkey]) -> Challenge:
    options = webauthn.generate_registration_options(
        rp_id=site.id,
        rp_name="Konstruct",
        # The device keeps it beside the key and shows it to sites: an id, which says nothing of the person.
        user_id=user_id.bytes,
        user_name=email,
        user_display_name=name,
        authenticator_selection=AuthenticatorSelectionCriteria(
            resident_key=ResidentKeyRequirement.REQUIRED, require_resident_key=True, user_verification=_REQUIRED
        ),
        exclude_credentials=_descriptors(held),
    )
    return _challenge(webauthn.options_to_json(options))


def ask_to_show(site: Site, held: Sequence[Passkey] = ()) -> Challenge:
    """``held``: those of a person who is known already; without any the browser offers what it has for this site."""
    options = webauthn.generate_authentication_options(
        rp_id=site.id, allow_credentials=_descriptors(held), user_verification=_REQUIRED
    )
    return _challenge(webauthn.options_to_json(options))


async def register(
    session: AsyncSession, site: Site, user_id: UUID, name: str, *, challenge: str, answer: str
) -> Passkey:
    """Keeps what the browser answered to ``ask_to_register``.

    Raises:
        BadInput: the name is none, there are too many, or the answer is not one to this challenge at this site.
        Conflict: the passkey is known already.
    """
    title = checked_name(name)
    if len(await listing(session, user_id)) >= MOST:
        raise BadInput(f"You have {MOST} passkeys, which is as many as fit: remove one that you no longer use first.")
    try:
        said = _parsed(answer)
        verified = webauthn.verify_registration_response(
            credential=said,
            expected_challenge=webauthn.base64url_to_bytes(challenge),
            expected_rp_id=site.id,
            expected_origin=site.origin,
            require_user_verification=True,
        )
        transports = _transports(said)
    except (WebAuthnException, ValueError, TypeError, KeyError, AttributeError) as error:
        raise BadInput("The browser's answer does not fit what it was asked. Add the passkey once more.") from error
    if await _found(session, verified.credential_id) is not None:
        raise Conflict("This passkey is in use already.")
    passkey = Passkey(
        user_id=user_id,
        credential_id=verified.credential_id,
        public_key=verified.credential_public_key,
        sign_count=verified.sign_count,
        name=title,
        transports=transports,
        is_synced=verified.credential_backed_up,
    )
    session.add(passkey)
    await session.flush()
    return passkey


async def owner(database: Database, answer: str) -> UUID:
    """Whose passkey the browser shows. It says nothing of whether it holds: that is for ``show``, in the person's
    session.

    Raises:
        Unauthentic: it is nobody's.
    """
    try:
        credential_id = webauthn.base64url_to_bytes(str(_parsed(answer)["id"]))
    except (ValueError, TypeError, KeyError) as error:
        raise _not_held() from error
    async with database.system_session() as session:
        row = await _found(session, credential_id)
    if row is None:
        raise Unauthentic("This passkey is not known here; it may have been removed. Sign in another way.")
    return row


async def show(session: AsyncSession, site: Site, user_id: UUID, *, challenge: str, answer: str) -> Passkey:
    """The passkey, when the answer is this person's to this challenge at this site; its count goes on.

    Raises:
        Unauthentic: it does not hold.
    """
    try:
        said = _parsed(answer)
        credential_id = webauthn.base64url_to_bytes(str(said["id"]))
        passkey = (
            await session.scalars(
                select(Passkey)
                .where(col(Passkey.user_id) == user_id, col(Passkey.credential_id) == credential_id)
                .with_for_update()
            )
        ).one_or_none()
        if passkey is None:
            raise _not_held()
        verified = webauthn.verify_authentication_response(
            credential=said,
            expected_challenge=webauthn.base64url_to_bytes(challenge),
            expected_rp_id=site.id,
            expected_origin=site.origin,
            credential_public_key=passkey.public_key,
            # One that counts and did not count on has been copied, and either may be the thief's.
            credential_current_sign_count=passkey.sign_count,
            require_user_verification=True,
        )
    except (WebAuthnException, ValueError, TypeError, KeyError, AttributeError) as error:
        raise _not_held() from error
    passkey.sign_count = verified.new_sign_count
    passkey.is_synced = verified.credential_backed_up
    passkey.used_at = utc_now()
    return passkey


async def rename(session: AsyncSession, user_id: UUID, passkey_id: UUID, name: str) -> None:
    """Raises BadInput and NotFound."""
    renamed = await session.execute(
        update(Passkey)
        .where(col(Passkey.user_id) == user_id, col(Passkey.id) == passkey_id)
        .values(name=checked_name(name))
        .returning(col(Passkey.id))
    )
    if renamed.one_or_none() is None:
        raise NotFound("There is no such passkey any more.")


async def remove(session: AsyncSession, user_id: UUID, passkey_id: UUID) -> str:
    """What it was called. Raises NotFound."""
    name = await session.scalar(
        delete(Passkey)
        .where(col(Passkey.user_id) == user_id, col(Passkey.id) == passkey_id)
        .returning(col(Passkey.name))
    )
    if name is None:
        raise NotFound("There is no such passkey any more.")
    return str(name)


def checked_name(name: str) -> str:
    """Raises BadInput."""
    title = " ".join(name.split())
    if not title or len(title) > LONGEST_NAME or not title.isprintable():
        raise BadInput(f"Call the passkey by where it is, in at most {LONGEST_NAME} characters: Ana's laptop.")
    return title


async def _found(session: AsyncSession, credential_id: bytes) -> UUID | None:
    row = (await session.execute(_FIND, {"credential_id": credential_id})).one_or_none()
    return None if row is None else row.user_id


def _descriptors(held: Sequence[Passkey]) -> list[PublicKeyCredentialDescriptor]:
    return [
        PublicKeyCredentialDescriptor(
            id=passkey.credential_id, transports=[AuthenticatorTransport(name) for name in passkey.transports]
        )
        for passkey in held
    ]


def _challenge(options: str) -> Challenge:
    read = json.loads(options)
    return Challenge(read, read["challenge"])


def _parsed(answer: str) -> dict[str, Any]:
    if len(answer) > _LONGEST_ANSWER:
        raise ValueError("too long")
    try:
        said = json.loads(answer)
    except RecursionError:
        raise ValueError("too deep") from None
    if not isinstance(said, dict):
        raise TypeError("no object")
    return said


def _transports(said: dict[str, Any]) -> list[str]:
    """Those that are known; a browser may come to name others."""
    named = said["response"].get("transports") or []
    return [transport.value for transport in AuthenticatorTransport if transport.value in named]


def _not_held() -> Unauthentic:
    return Unauthentic("The passkey could not be checked. Try it once more, or sign in another way.")
