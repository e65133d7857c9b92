import asyncio
import os
import re
from uuid import UUID, uuid4

import pytest
from cryptography.fernet import Fernet
from pydantic import SecretStr
from sqlalchemy import delete, update

from konstruct import contacts
from konstruct.errors import KeyMissing, Misconfigured
from konstruct.identity import new_id
from konstruct.tables import ContactKey, Tenant, TenantKey
from konstruct.vault import ContactCipher, Vault
from tests.support.keys import ENCRYPTION_KEY
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
    with pytest.raises(KeyMissing, match="not in KONSTRUCT_ENCRYPTION_KEYS"):
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


async def cipher_of(office: Office, contact: str) -> tuple[UUID, ContactCipher]:
    await office.say(contact=contact)
    async with office.session() as session:
        contact_id = (await contacts.find(session, contact)).contact_id
        return contact_id, await office.vault.cipher(session, office.tenant_id, contact_id)


async def test_what_is_sealed_for_a_contact_opens_in_its_place_alone(office: Office) -> None:
    (contact_id, cipher), (other_id, other) = await cipher_of(office, "U1"), await cipher_of(office, "U2")
    row, text = uuid4(), "Canary 🚲"
    sealed = cipher.seal("message", row, text)
    assert b"Canary" not in sealed
    assert cipher.open("message", row, sealed) == text
    assert cipher.seal("message", row, text) != sealed

    key = os.urandom(64)
    of_same_key = ContactCipher(office.tenant_id, contact_id, key).seal("message", row, text)
    assert ContactCipher(office.tenant_id, contact_id, key).open("message", row, of_same_key) == text
    for place, purpose, row_id, value in [
        (other, "message", row, sealed),
        (cipher, "memory", row, sealed),
        (cipher, "message", uuid4(), sealed),
        (cipher, "message", row, sealed[:-1] + bytes([sealed[-1] ^ 1])),
        (cipher, "message", row, bytes([sealed[0] ^ 1]) + sealed[1:]),
        *((cipher, "message", row, sealed[:length]) for length in (0, 5, 12, 20)),
        # Even under the same key, as when rows are copied with it.
        (ContactCipher(office.tenant_id, other_id, key), "message", row, of_same_key),
        (ContactCipher(uuid4(), contact_id, key), "message", row, of_same_key),
    ]:
        with pytest.raises(Misconfigured, match="cannot be opened") as raised:
            place.open(purpose, row_id, value)
        assert "Canary" not in str(raised.value)


async def test_words_can_be_compared_within_a_contact_and_not_across(office: Office) -> None:
    (contact_id, cipher), (_, other) = await cipher_of(office, "U1"), await cipher_of(office, "U2")
    hidden = cipher.hide("bicycl")
    async with office.session() as session:
        again = (await office.vault.ciphers(session, [contact_id]))[contact_id]
    assert again.hide("bicycl") == hidden
    assert len({hidden, other.hide("bicycl"), cipher.hide("bicycle"), cipher.hide("")}) == 4
    assert re.fullmatch("[0-9a-f]{16}", hidden)
    # The half of the key that seals has no part in it.
    key = os.urandom(64)
    one, two = (ContactCipher(office.tenant_id, contact_id, half + key[32:]) for half in (key[:32], os.urandom(32)))
    assert one.hide("bicycl") == two.hide("bicycl")
    with pytest.raises(Misconfigured):
        two.open("message", contact_id, one.seal("message", contact_id, "Canary"))


async def test_a_half_of_a_character_is_sealed_as_a_question_mark(office: Office) -> None:
    _, cipher = await cipher_of(office, "U1")
    row = uuid4()
    assert cipher.open("memory", row, cipher.seal("memory", row, "a\ud800b\0")) == "a?b\0"


async def test_a_contact_has_one_key_however_many_make_it_at_once(office: Office) -> None:
    contact_id, _ = await cipher_of(office, "U1")
    async with office.session() as session:
        await session.execute(delete(ContactKey))

    async def seal(number: int) -> bytes:
        async with office.session() as session:
            cipher = await office.vault.cipher(session, office.tenant_id, contact_id)
        return cipher.seal("message", contact_id, str(number))

    values = await asyncio.gather(*map(seal, range(8)))
    async with office.session() as session:
        ciphers = await office.vault.ciphers(session, [contact_id, uuid4()])
    assert list(ciphers) == [contact_id]
    assert [ciphers[contact_id].open("message", contact_id, value) for value in values] == list("01234567")


async def test_a_contacts_key_opens_for_that_contact_alone(office: Office) -> None:
    (contact_id, _), (other_id, _) = await cipher_of(office, "U1"), await cipher_of(office, "U2")
    async with office.session() as session:
        key = await session.get_one(ContactKey, (office.tenant_id, contact_id))
        with pytest.raises(Misconfigured, match="belongs to another place"):
            await office.vault.unwrap(session, office.tenant_id, other_id, key.wrapped)
    other = await open_office(office.database, office.vault)
    async with other.session() as session:
        assert await other.vault.ciphers(session, [contact_id, other_id]) == {}
        with pytest.raises(Misconfigured, match="cannot be opened"):
            await other.vault.unwrap(session, other.tenant_id, contact_id, key.wrapped)
