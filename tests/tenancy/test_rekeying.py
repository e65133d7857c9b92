"""All that is sealed is put under the newest key while processes seal and open, and through a kill."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace

import asyncpg
import pytest
from cryptography.fernet import Fernet
from pydantic import SecretStr
from sqlmodel import col, select

from konstruct import connections, rekeying
from konstruct.accounts import ceremonies, mails
from konstruct.embedded.loopback import free_port
from konstruct.embedded.postgres import Postgres
from konstruct.identity import new_id
from konstruct.model_keys import keeping
from konstruct.model_keys.keeping import Candidate
from konstruct.ports import Mail
from konstruct.settings import Settings
from konstruct.tables import Contact, ContactKey, Message, Tool
from konstruct.tools import defining
from konstruct.vault import Vault
from tests.support.commands import konstruct
from tests.support.databases import Own, own_database
from tests.support.office import Furnished, furnish, open_office
from tests.support.processes import until
from tests.tenancy.conftest import equipped

CROWD = 2_000
LIMIT = 120.0
OWN = Settings(openai_api_key=SecretStr("sk-deployment"))
UNDER_THE_DEPLOYMENTS = {
    ("authenticators", "sealed"),
    ("mails", "sealed"),
    ("ceremonies", "sealed"),
    ("tenant_keys", "wrapped"),
}
"""Under the deployment's key itself."""


def fresh_key() -> SecretStr:
    return SecretStr(Fernet.generate_key().decode())


OLD, NEW = fresh_key(), fresh_key()


@pytest.fixture
async def own(postgres: Postgres) -> AsyncIterator[Own]:
    async with own_database(postgres, "rekeyed") as opened:
        yield opened


@pytest.fixture
async def administrator(own: Own) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(own.owner_url)
    yield connection
    await connection.close()


@pytest.fixture
async def office(own: Own) -> Furnished:
    """With a row in every table, under the old key."""
    vault = Vault((OLD,))
    made = await equipped(await furnish(await open_office(own.database, vault)))
    async with made.session() as session:
        tool = (await session.scalars(select(Tool))).first()
        assert tool is not None
        tool.sealed_secrets = await vault.seal(
            session, made.tenant_id, defining.SECRETS, tool.id, {defining.AUTH: SecretStr("canary of a tool")}
        )
    async with own.database.system_session() as session:
        mails.put(session, vault, Mail(new_id(), ("ana@example.com",), "Canary", "https://canary.example"))
    return made


@pytest.fixture
async def crowded(office: Furnished) -> Furnished:
    """With a crowd of contacts, too."""
    async with office.session() as session:
        people = [
            Contact(
                tenant_id=office.tenant_id, connection_id=office.connection_id, person_id=new_id(), external_id=f"C{n}"
            )
            for n in range(CROWD)
        ]
        session.add_all(people)
        await session.flush()
        for person in people:
            sealed = await office.vault.seal(
                session, office.tenant_id, "contact", person.id, {"key": SecretStr("AAAA" * 22)}
            )
            session.add(ContactKey(tenant_id=office.tenant_id, contact_id=person.id, wrapped=sealed))
    return office


def env(own: Own, *keys: SecretStr) -> dict[str, str]:
    joined = ",".join(key.get_secret_value() for key in keys)
    return {"KONSTRUCT_DATABASE_URL": own.app_url, "KONSTRUCT_ENCRYPTION_KEYS": joined}


@dataclass
class Process:
    """What a gateway or a worker does all the time, with what it remembers of keys."""

    office: Furnished
    vault: Vault = field(default_factory=lambda: Vault((NEW, OLD)))
    rounds: int = 0
    is_done: bool = False

    async def work(self) -> None:
        office, digest = self.office, b""
        while not self.is_done:
            self.rounds += 1
            name = f"N{id(self)}-{self.rounds}"
            asked = await replace(office, vault=self.vault).say(f"I am {name}", contact=name, root=name)
            async with office.session() as session:
                message = await session.get_one(Message, (office.tenant_id, asked.message_id))
                assert message.contact_id is not None
                assert message.sealed is not None
                cipher = (await self.vault.ciphers(session, [message.contact_id]))[message.contact_id]
                assert cipher.open("message", message.id, message.sealed) == f"I am {name}"
                found = await self.vault.digest(session, office.tenant_id, "word", "ana")
                assert digest in (b"", found)
                digest = found
            async with office.session() as session:
                chain = await keeping.chain(session, self.vault, ["openai/gpt-5.4"], OWN)
                assert chain[0].is_own
            if self.rounds % 5 == 0:
                async with office.session() as session:
                    candidate = Candidate("openai", SecretStr(f"sk-own-{self.rounds}"))
                    await keeping.keep(session, self.vault, office.tenant_id, candidate, actor="user:ada")


async def test_everything_that_is_sealed_is_known_of(administrator: asyncpg.Connection) -> None:
    """By its type: bytes are under contacts' keys, which stay; texts are under tenants' keys, or the deployment's."""
    rows = await administrator.fetch(
        "select table_name, column_name from information_schema.columns where table_schema = 'public'"
        " and data_type = 'text' and (column_name like '%sealed%' or column_name like '%wrapped%')"
    )
    known = {(table, column) for table, _, column in rekeying.SEALED_FOR_TENANTS}
    assert {tuple(row) for row in rows} == known | UNDER_THE_DEPLOYMENTS


async def test_all_is_put_under_the_new_key_beside_what_runs_and_through_a_kill(
    own: Own, crowded: Furnished, administrator: asyncpg.Connection
) -> None:
    office = crowded
    before = await administrator.fetchrow("select * from tenant_keys where tenant_id = $1", office.tenant_id)
    old_data_key = Fernet(Fernet(OLD.get_secret_value()).decrypt(before["wrapped"]))
    for table, _, column in rekeying.SEALED_FOR_TENANTS:
        if table != "contact_erasures":
            assert await administrator.fetchval(f"select count(*) from {table} where {column} is not null"), table
    await administrator.execute(
        "insert into contact_erasures (tenant_id, id, contact_id, asked_by, asked_at, attempts, sealed, contacts,"
        " conversations, messages, memories, is_cache_clear)"
        " select tenant_id, gen_random_uuid(), id, 'test', now(), 1, $2, 0, 0, 0, 0, false from contacts"
        " where tenant_id = $1 and external_id = 'C7'",
        office.tenant_id,
        old_data_key_sealed(old_data_key),
    )
    token = await ceremonies.begin(own.database, Vault((OLD,)), "sign-up", {"who": "ana"})

    processes = [Process(office), Process(office)]
    async with asyncio.TaskGroup() as running:
        for process in processes:
            running.create_task(process.work())
        await until(lambda: all(process.rounds > 3 for process in processes), LIMIT)

        # Somebody holds a tool, so that it cannot be finished, and then it is killed.
        locking = await asyncpg.connect(own.owner_url)
        await locking.execute("begin; select from tools for no key update")
        rotating = asyncio.create_task(konstruct("keys", "rotate", env=env(own, NEW, OLD)))

        async def is_half_way() -> bool:
            assert not rotating.done(), rotating.result()
            keys = await administrator.fetch("select wrapped from contact_keys where tenant_id = $1", office.tenant_id)
            return not any(opens(old_data_key, row["wrapped"]) for row in keys)

        await until(is_half_way, LIMIT)
        rotating.cancel()
        with pytest.raises(asyncio.CancelledError):
            await rotating
        assert not await administrator.fetchval(
            "select is_resealed from tenant_keys where tenant_id = $1", office.tenant_id
        )
        half = await konstruct("keys", "check", env=env(own, NEW, OLD))
        assert half.status == 1
        assert "Not everything opens with the newest key alone" in half.complained

        await locking.execute("rollback")
        await locking.close()
        seen = [process.rounds for process in processes]
        done = await konstruct("keys", "rotate", env=env(own, NEW, OLD))
        assert (done.status, done.complained) == (0, "")
        assert "Everything in the database opens with the newest key alone." in done.said
        await until(lambda: all(process.rounds > was + 5 for process, was in zip(processes, seen, strict=True)), LIMIT)
        for process in processes:
            process.is_done = True

    for table, _, column in rekeying.SEALED_FOR_TENANTS:
        values = await administrator.fetch(f"select {column} as sealed from {table} where {column} is not null")
        assert values
        assert not [row for row in values if opens(old_data_key, row["sealed"])], table
    await opens_with_the_new_key_alone(own, office, token)
    again = await konstruct("keys", "check", env=env(own, NEW))
    assert (again.status, again.complained) == (0, "")
    old = await konstruct("keys", "check", env=env(own, OLD))
    assert old.status == 1


@pytest.mark.parametrize("command", [("gateway",), ("portal",), ("worker",), ("worker", "--background")])
async def test_a_program_whose_keys_open_nothing_says_so_and_does_not_start(
    own: Own, office: Furnished, command: tuple[str, ...]
) -> None:
    addresses = {f"KONSTRUCT_{name}_PORT": str(free_port()) for name in ("GATEWAY", "PORTAL")}
    refused = await konstruct(*command, env=env(own, NEW) | addresses | {"KONSTRUCT_REDIS_URL": "redis://127.0.0.1:1"})
    assert refused.status == 1
    assert "Nothing in this database opens with KONSTRUCT_ENCRYPTION_KEYS" in refused.complained
    assert "Traceback" not in refused.complained


def old_data_key_sealed(cipher: Fernet) -> str:
    return cipher.encrypt(b'{"canary": 1}').decode()


def opens(cipher: Fernet, sealed: str) -> bool:
    try:
        return bool(cipher.decrypt(sealed))
    except Exception:
        return False


async def opens_with_the_new_key_alone(own: Own, office: Furnished, token: SecretStr) -> None:
    vault = Vault((NEW,))
    async with office.session() as session:
        ids = list(await session.scalars(select(col(ContactKey.contact_id))))
        assert len(ids) > CROWD
        assert len(await vault.ciphers(session, ids)) == len(ids)
        account = await connections.open_account(session, vault, office.connection_id)
        assert account.secrets["bot_token"].get_secret_value() == office.bot_token
        chain = await keeping.chain(session, vault, ["openai/gpt-5.4"], OWN)
        assert chain[0].api_key.get_secret_value().startswith("sk-own-")
        tools = [tool for tool in await session.scalars(select(Tool)) if tool.sealed_secrets]
        assert [(await defining.secrets(session, vault, tool))[defining.AUTH].get_secret_value() for tool in tools]
        assert await vault.digest(session, office.tenant_id, "word", "ana") == await Process(office).vault.digest(
            session, office.tenant_id, "word", "ana"
        )
    assert [mail.subject for mail in await mails.kept(own.database, vault)][-1:]
    assert await ceremonies.take(own.database, vault, "sign-up", token.get_secret_value()) == {"who": "ana"}
