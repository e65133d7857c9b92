"""Secrets and sayings at rest: a data key for each tenant, wrapped by the deployment's keys, and under it one for each
contact, without which nothing that is kept of the contact can be read.

A sealed value names its tenant, purpose and row inside the ciphertext, so that a value copied to another place does
not open there.

A tenant's data key may be replaced at any time (``konstruct.rekeying``). So whoever seals reads it in the transaction
that keeps what is sealed, with a lock that keeps it from being replaced before that is committed; whoever opens may go
by what is remembered, and looks again where that does not fit. Digests are made with the tenant's first key for good,
as what is looked up by them could not be found under another; it opens nothing any more once it was replaced.
"""

import base64
import hashlib
import hmac
import json
import os
from collections.abc import Collection
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from pydantic import SecretStr
from sqlalchemy import bindparam
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from konstruct.errors import KeyMissing, Misconfigured
from konstruct.tables import ContactKey, TenantKey
from konstruct.tables.base import utc_now

_NONCE_BYTES: Final = 12
_MADE_HERE: Final = "tenants whose key is made in this transaction"
_CONTACT = "contact"
_KEYS_OF = select(ContactKey).where(col(ContactKey.contact_id).in_(bindparam("contact_ids", expanding=True)))


class ContactCipher:
    """Seals what is kept of one contact (AES-256-GCM), and hides words so that they can be compared but not read."""

    def __init__(self, tenant_id: UUID, contact_id: UUID, key: bytes) -> None:
        """``key``: 64 random bytes, half of them for each of the two uses."""
        self.contact_id = contact_id
        self._place = f"{tenant_id}|{contact_id}"
        self._cipher = AESGCM(key[:32])
        self._words_key = key[32:]

    def seal(self, purpose: str, row_id: UUID, text: str) -> bytes:
        """Halves of characters, which a model may write, become question marks."""
        return self.seal_bytes(purpose, row_id, text.encode("utf-8", "replace"))

    def seal_bytes(self, purpose: str, row_id: UUID, content: bytes) -> bytes:
        nonce = os.urandom(_NONCE_BYTES)
        return nonce + self._cipher.encrypt(nonce, content, self._bound_to(purpose, row_id))

    def open(self, purpose: str, row_id: UUID, sealed: bytes) -> str:
        """Raises Misconfigured when it was sealed with another key or for another place, or is no longer whole."""
        return self.open_bytes(purpose, row_id, sealed).decode()

    def open_bytes(self, purpose: str, row_id: UUID, sealed: bytes) -> bytes:
        """Raises as ``open`` does."""
        try:
            return self._cipher.decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], self._bound_to(purpose, row_id))
        except (InvalidTag, ValueError) as error:
            raise Misconfigured(
                "Something that is kept of a contact cannot be opened with the contact's key."
            ) from error

    def hide(self, word: str) -> str:
        """The same for the same word of this contact, and for no other contact: 16 hexadecimal digits."""
        return hmac.digest(self._words_key, word.encode(), "sha256")[:8].hex()

    def fingerprint(self, text: str) -> str:
        """The same for the same text of this contact, and for no other: 32 hexadecimal digits."""
        return hmac.digest(self._words_key, b"fingerprint|" + text.encode("utf-8", "replace"), "sha256")[:16].hex()

    def _bound_to(self, purpose: str, row_id: UUID) -> bytes:
        return f"{self._place}|{purpose}|{row_id}".encode()


@dataclass(frozen=True)
class DataKeys:
    """A tenant's, unwrapped. Never logged."""

    current: bytes
    previous: bytes | None = None
    digesting: bytes | None = None

    def opened(self, sealed: str) -> bytes | None:
        """None: they do not fit."""
        for key in (self.current, self.previous):
            if key is not None and (found := decrypted(Fernet(key), sealed)) is not None:
                return found
        return None


def decrypted(cipher: Fernet | MultiFernet, sealed: str) -> bytes | None:
    """None: it is under another key."""
    try:
        return cipher.decrypt(sealed)
    except InvalidToken:
        return None


def key_id(key: SecretStr) -> str:
    """What a deployment's key is called where it is not to be known: it tells nothing of the key."""
    return hashlib.sha256(b"konstruct deployment key|" + key.get_secret_value().encode()).hexdigest()[:16]


class Vault:
    def __init__(self, keys: tuple[SecretStr, ...]) -> None:
        if not keys:
            raise Misconfigured("KONSTRUCT_ENCRYPTION_KEYS is empty: set at least one Fernet key.")
        try:
            self._wrapping = MultiFernet([Fernet(key.get_secret_value()) for key in keys])
        except ValueError as error:
            raise Misconfigured(
                "KONSTRUCT_ENCRYPTION_KEYS holds something that is no Fernet key (32 bytes in URL-safe base64)."
            ) from error
        # By which it is known later that there is a newer one.
        self.newest = key_id(keys[0])
        self._data_keys: dict[UUID, DataKeys] = {}

    async def seal(
        self, session: AsyncSession, tenant_id: UUID, purpose: str, row_id: UUID, secrets: dict[str, SecretStr]
    ) -> str:
        data_key = (await self._held(session, tenant_id)).current
        content = {
            "tenant": str(tenant_id),
            "purpose": purpose,
            "row": str(row_id),
            "secrets": {name: secret.get_secret_value() for name, secret in secrets.items()},
        }
        return Fernet(data_key).encrypt(json.dumps(content).encode()).decode()

    async def open(
        self, session: AsyncSession, tenant_id: UUID, purpose: str, row_id: UUID, sealed: str
    ) -> dict[str, SecretStr]:
        """Raises Misconfigured when the keys do not fit or the value belongs to another place."""
        known = self._data_keys.get(tenant_id)
        opened = known.opened(sealed) if known is not None else None
        if opened is None and (known := await self._looked_up(session, tenant_id)) is not None:
            opened = known.opened(sealed)
        if opened is None:
            raise Misconfigured("A stored secret cannot be opened with this tenant's key.")
        content = json.loads(opened)
        if (content["tenant"], content["purpose"], content["row"]) != (str(tenant_id), purpose, str(row_id)):
            raise Misconfigured("A stored secret belongs to another place; it was not opened.")
        return {name: SecretStr(value) for name, value in content["secrets"].items()}

    async def cipher(self, session: AsyncSession, tenant_id: UUID, contact_id: UUID) -> ContactCipher:
        """The contact's cipher, with a key made now when it has none yet."""
        wrapped = await self.seal(
            session, tenant_id, _CONTACT, contact_id, {"key": SecretStr(base64.b64encode(os.urandom(64)).decode())}
        )
        # Two messages may be a contact's first at once: one insert wins, and both read what won.
        await session.execute(
            insert(ContactKey)
            .values(tenant_id=tenant_id, contact_id=contact_id, wrapped=wrapped, created_at=utc_now())
            .on_conflict_do_nothing()
        )
        return (await self.ciphers(session, [contact_id]))[contact_id]

    async def ciphers(self, session: AsyncSession, contact_ids: Collection[UUID]) -> dict[UUID, ContactCipher]:
        """Of those among the session's tenant's contacts that have a key; one that was erased has none."""
        rows = await session.scalars(_KEYS_OF, {"contact_ids": list(contact_ids)})
        return {row.contact_id: await self.unwrap(session, row.tenant_id, row.contact_id, row.wrapped) for row in rows}

    async def unwrap(self, session: AsyncSession, tenant_id: UUID, contact_id: UUID, wrapped: str) -> ContactCipher:
        opened = await self.open(session, tenant_id, _CONTACT, contact_id, wrapped)
        return ContactCipher(tenant_id, contact_id, base64.b64decode(opened["key"].get_secret_value()))

    async def digest(self, session: AsyncSession, tenant_id: UUID, purpose: str, text: str) -> bytes:
        """The same for the same text of this tenant and purpose, and for no other: 32 bytes that cannot be read."""
        keys = self._data_keys.get(tenant_id) or await self._looked_up(session, tenant_id)
        keys = keys or await self._held(session, tenant_id)
        return hmac.digest(
            keys.digesting or keys.current, f"{tenant_id}|{purpose}|{text}".encode("utf-8", "replace"), "sha256"
        )

    def seal_own(self, purpose: str, row_id: UUID, text: str) -> str:
        """For what is of no tenant: under the deployment's key alone."""
        return self._wrapping.encrypt(json.dumps([purpose, str(row_id), text]).encode()).decode()

    def open_own(self, purpose: str, row_id: UUID, sealed: str) -> str:
        """Raises Misconfigured when the keys do not fit or the value belongs to another place."""
        try:
            content = json.loads(self._wrapping.decrypt(sealed))
        except InvalidToken as error:
            raise Misconfigured("A stored secret cannot be opened with KONSTRUCT_ENCRYPTION_KEYS.") from error
        if content[:2] != [purpose, str(row_id)]:
            raise Misconfigured("A stored secret belongs to another place; it was not opened.")
        return str(content[2])

    def wrap(self, data_key: bytes) -> str:
        return self._wrapping.encrypt(data_key).decode()

    def unwrapped(self, row: TenantKey) -> DataKeys:
        """Raises KeyMissing when it was wrapped with a key that this deployment does not have, or not any more."""
        keys = [
            wrapped and decrypted(self._wrapping, wrapped) for wrapped in (row.wrapped, row.previous, row.digesting)
        ]
        current, previous, digesting = (key or None for key in keys)
        if current is None:
            raise KeyMissing(
                "This tenant's key was wrapped with an encryption key that is not in KONSTRUCT_ENCRYPTION_KEYS."
            )
        return DataKeys(current, previous, digesting)

    def has_wrapped(self, row: TenantKey) -> bool:
        """Whether it was wrapped with one of this deployment's keys."""
        return decrypted(self._wrapping, row.wrapped) is not None

    def resealed_own(self, sealed: str) -> str | None:
        """Under the deployment's newest key, with all else as it was. None when no key opens it."""
        try:
            return self._wrapping.rotate(sealed).decode()
        except InvalidToken:
            return None

    async def _looked_up(self, session: AsyncSession, tenant_id: UUID) -> DataKeys | None:
        """None: it has none yet."""
        row = await session.get(TenantKey, tenant_id, populate_existing=True)
        if row is None:
            return None
        keys = self.unwrapped(row)
        if tenant_id not in session.info.get(_MADE_HERE, ()):
            self._data_keys[tenant_id] = keys
        return keys

    async def _held(self, session: AsyncSession, tenant_id: UUID) -> DataKeys:
        """Not to be replaced before this transaction has ended; made now when there is none yet."""
        lock = {"read": True, "key_share": True}
        row = await session.get(TenantKey, tenant_id, populate_existing=True, with_for_update=lock)
        if row is None:
            # Two processes may make the first key at once: one insert wins, and both read what won. Not remembered,
            # since this transaction may yet be rolled back and the key with it.
            session.info.setdefault(_MADE_HERE, set()).add(tenant_id)
            fresh = TenantKey(tenant_id=tenant_id, wrapped=self.wrap(Fernet.generate_key()), newest=self.newest)
            await session.execute(insert(TenantKey).values(fresh.model_dump()).on_conflict_do_nothing())
            row = await session.get_one(TenantKey, tenant_id, with_for_update=lock)
        return self.unwrapped(row)
