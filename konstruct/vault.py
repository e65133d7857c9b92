"""Secrets at rest: a Fernet data key for each tenant, wrapped by the deployment's keys.

A sealed value names its tenant, purpose and row inside the ciphertext, so that a value copied to another place does
not open there.
"""

import json
from uuid import UUID

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from pydantic import SecretStr
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from konstruct.errors import Misconfigured
from konstruct.tables import TenantKey


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
        self._data_keys: dict[UUID, Fernet] = {}

    async def seal(
        self, session: AsyncSession, tenant_id: UUID, purpose: str, row_id: UUID, secrets: dict[str, SecretStr]
    ) -> str:
        data_key = await self._data_key(session, tenant_id)
        content = {
            "tenant": str(tenant_id),
            "purpose": purpose,
            "row": str(row_id),
            "secrets": {name: secret.get_secret_value() for name, secret in secrets.items()},
        }
        return data_key.encrypt(json.dumps(content).encode()).decode()

    async def open(
        self, session: AsyncSession, tenant_id: UUID, purpose: str, row_id: UUID, sealed: str
    ) -> dict[str, SecretStr]:
        """Raises Misconfigured when the keys do not fit or the value belongs to another place."""
        data_key = await self._data_key(session, tenant_id)
        try:
            content = json.loads(data_key.decrypt(sealed))
        except InvalidToken as error:
            raise Misconfigured("A stored secret cannot be opened with this tenant's key.") from error
        if (content["tenant"], content["purpose"], content["row"]) != (str(tenant_id), purpose, str(row_id)):
            raise Misconfigured("A stored secret belongs to another place; it was not opened.")
        return {name: SecretStr(value) for name, value in content["secrets"].items()}

    async def _data_key(self, session: AsyncSession, tenant_id: UUID) -> Fernet:
        if tenant_id in self._data_keys:
            return self._data_keys[tenant_id]
        row = await session.get(TenantKey, tenant_id)
        if row is not None:
            self._data_keys[tenant_id] = self._unwrap(row)
            return self._data_keys[tenant_id]
        wrapped = self._wrapping.encrypt(Fernet.generate_key()).decode()
        # Two processes may make the first key at once: one insert wins, and both read what won. Not remembered here,
        # since this transaction may yet be rolled back and the key with it.
        await session.execute(insert(TenantKey).values(tenant_id=tenant_id, wrapped=wrapped).on_conflict_do_nothing())
        return self._unwrap(await session.get_one(TenantKey, tenant_id))

    def _unwrap(self, row: TenantKey) -> Fernet:
        try:
            return Fernet(self._wrapping.decrypt(row.wrapped))
        except InvalidToken as error:
            raise Misconfigured(
                "This tenant's key was wrapped with an encryption key that is not in KONSTRUCT_ENCRYPTION_KEYS."
            ) from error
