import asyncio
from uuid import UUID, uuid4

import pytest
from cryptography.fernet import Fernet
from pydantic import SecretStr
from sqlalchemy import update

from konstruct.errors import Misconfigured
from konstruct.identity import new_id
from konstruct.tables import Tenant, TenantKey
from konstruct.vault import Vault
from tests.conftest import ENCRYPTION_KEY
from tests.support.office import Office, open_office

SECRETS = {"bot_token": SecretStr("xoxb-first-canary"), "refresh": SecretStr("ünïcode")}


def new_key() -> SecretStr:
    return SecretStr(Fernet.generate_key().decode())


async def sealed(office: Office, vault: Vault, row: UUID, purpose: str = "connection") -> str:
    async with office.session() as session:
        return await vault.seal(session, office.tenant_id, purpose, row, SECRETS)


async def opened(
    office: Office, vault: Vault, row: UUID, text: str, purpose: str = "connection"
) -> dict[str, SecretStr]:
    async with office.session() as session:
        return await vault.open(session, office.tenant_id, purpose, row, text)


async def rewrap(office: Office, wrapped: str) -> None:
    async with office.session() as session:
        await session.execute(update(TenantKey).values(wrapped=wrapped))


async def test_what_was_sealed_opens_in_its_place(office: Office) -> None:
    row = uuid4()
    text = await sealed(office, office.vault, row)
    assert "canary" not in text
    assert await opened(office, office.vault, row, text) == SECRETS


async def test_a_sealed_value_does_not_open_in_another_place(office: Office) -> None:
    row = uuid4()
    text = await sealed(office, office.vault, row)
    with pytest.raises(Misconfigured, match="belongs to another place"):
        await opened(office, office.vault, uuid4(), text)
    with pytest.raises(Misconfigured, match="belongs to another place"):
        await opened(office, office.vault, row, text, purpose="webhook")


async def test_a_sealed_value_does_not_open_for_another_tenant(office: Office) -> None:
    row = uuid4()
    text = await sealed(office, office.vault, row)
    other = await open_office(office.database, office.vault)
    with pytest.raises(Misconfigured, match="cannot be opened"):
        await opened(other, office.vault, row, text)


async def test_a_value_names_its_tenant_even_under_the_same_data_key(office: Office) -> None:
    """As when a tenant's rows are copied to another one, key and all."""
    row = uuid4()
    text = await sealed(office, office.vault, row)
    other = await open_office(office.database, office.vault)
    async with office.session() as session:
        key = await session.get_one(TenantKey, office.tenant_id)
    await rewrap(other, key.wrapped)
    with pytest.raises(Misconfigured, match="belongs to another place"):
        await opened(other, Vault((ENCRYPTION_KEY,)), row, text)


async def test_a_changed_value_does_not_open(office: Office) -> None:
    row = uuid4()
    text = await sealed(office, office.vault, row)
    with pytest.raises(Misconfigured, match="cannot be opened"):
        await opened(office, office.vault, row, text[:-10] + "AAAAAAAAA=")


async def test_an_old_key_still_opens_after_a_newer_one_was_put_before_it(office: Office) -> None:
    row, old, new = uuid4(), new_key(), new_key()
    await rewrap(office, Fernet(old.get_secret_value()).encrypt(Fernet.generate_key()).decode())
    text = await sealed(office, Vault((old,)), row)

    rotated = Vault((new, old))

    assert await opened(office, rotated, row, text) == SECRETS
    assert await opened(office, Vault((old,)), row, await sealed(office, rotated, row)) == SECRETS
    with pytest.raises(Misconfigured, match="not in KONSTRUCT_ENCRYPTION_KEYS"):
        await opened(office, Vault((new,)), row, text)


async def test_a_new_tenants_key_is_wrapped_with_the_newest(office: Office) -> None:
    old, new = new_key(), new_key()
    other = await open_office(office.database, Vault((new, old)))
    async with other.session() as session:
        key = await session.get_one(TenantKey, other.tenant_id)
    assert Fernet(new.get_secret_value()).decrypt(key.wrapped)


async def test_a_key_of_a_transaction_that_was_rolled_back_is_not_remembered(office: Office) -> None:
    """What it sealed would be unreadable for ever."""
    tenant_id, row = new_id(), uuid4()
    first, second = Vault((ENCRYPTION_KEY,)), Vault((ENCRYPTION_KEY,))
    database = office.database
    async with database.tenant_session(tenant_id) as session:
        session.add(Tenant(id=tenant_id, slug=f"t-{tenant_id}", name="Acme"))
    async with database.tenant_session(tenant_id) as session:
        await first.seal(session, tenant_id, "connection", row, SECRETS)
        await session.rollback()
    async with database.tenant_session(tenant_id) as session:
        await second.seal(session, tenant_id, "connection", row, SECRETS)

    async with database.tenant_session(tenant_id) as session:
        text = await first.seal(session, tenant_id, "connection", row, SECRETS)

    async with database.tenant_session(tenant_id) as session:
        assert await second.open(session, tenant_id, "connection", row, text) == SECRETS


async def test_two_processes_that_make_a_key_at_once_agree_on_one(office: Office) -> None:
    tenant_id, row = new_id(), uuid4()
    vaults = [Vault((ENCRYPTION_KEY,)) for _ in range(8)]
    async with office.database.tenant_session(tenant_id) as session:
        session.add(Tenant(id=tenant_id, slug=f"t-{tenant_id}", name="Acme"))

    async def seal(vault: Vault) -> str:
        async with office.database.tenant_session(tenant_id) as session:
            return await vault.seal(session, tenant_id, "connection", row, SECRETS)

    texts = await asyncio.gather(*map(seal, vaults))

    async with office.database.tenant_session(tenant_id) as session:
        for vault in vaults:
            for text in texts:
                assert await vault.open(session, tenant_id, "connection", row, text) == SECRETS


@pytest.mark.parametrize("keys", [(), (SecretStr("short"),), (new_key(), SecretStr("canary-not-a-key"))])
def test_a_vault_is_not_made_without_good_keys(keys: tuple[SecretStr, ...]) -> None:
    with pytest.raises(Misconfigured, match="KONSTRUCT_ENCRYPTION_KEYS") as raised:
        Vault(keys)
    assert "canary" not in str(raised.value)
