"""The commands of docker/compose.yaml run on real servers, each process with the login and settings that it has there.

Here is no container engine: what the containers themselves do is in docs/deploying.md, as it was seen by hand.
"""

import asyncio
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from pathlib import Path
from urllib.parse import quote

import asyncpg
import pytest
from temporalio.api.workflowservice.v1 import DescribeNamespaceRequest
from temporalio.client import Client

from konstruct.embedded import postgres as embedded_postgres
from konstruct.embedded import valkey as embedded_valkey
from konstruct.embedded.loopback import free_port, line_answers
from konstruct.embedded.process import Program
from konstruct.embedded.supervisor import Supervisor
from tests.docker.composed import CHECKOUT, DOCKER, env_file, environment, filled, read
from tests.support.commands import Outcome, konstruct, nursery

pytestmark = pytest.mark.stack

SERVICES = read()["services"]
TOOLS = Path(sys.executable).parent
ROLES = CHECKOUT / "konstruct" / "migrations" / "roles.sql"
# As it is on a server that is reached over a network: nobody but the administrator gets in without a password.
HOST_BASED = "local all postgres trust\nlocal all all scram-sha-256\n"


@dataclass(frozen=True)
class Machine:
    folder: Path
    env: dict[str, str]
    """Of docker/.env."""
    settings: dict[str, str]
    """Of docker/konstruct.env."""
    sockets: Path
    administrator: str
    hosts: dict[str, str]
    """Addresses in the composition, and what they are here."""

    def make_logins(self, **changed: str) -> subprocess.CompletedProcess[str]:
        env = {**self.env, "PATH": f"{embedded_postgres.binaries()}:{os.environ['PATH']}", "PGHOST": str(self.sockets)}
        return subprocess.run(
            ["/bin/sh", str(DOCKER / "postgres" / "logins.sh")],
            capture_output=True,
            text=True,
            check=False,
            env={**env, "KONSTRUCT_ROLES": str(ROLES), **changed},
        )

    def environment(self, service: str) -> dict[str, str]:
        """Of a process of the product: of the file of settings, and over it that of the composition."""
        own = environment(SERVICES[service], self.env)
        for there, here in self.hosts.items():
            own = {name: value.replace(there, here) for name, value in own.items()}
        return {**self.settings, **own, "KONSTRUCT_DATA_DIR": str(self.folder), "PATH": os.environ["PATH"]}

    async def run(self, service: str, *arguments: str) -> Outcome:
        return await konstruct(*(arguments or SERVICES[service]["command"]), env=self.environment(service))

    async def connect(self, login: str, password: str, database: str = "konstruct") -> asyncpg.Connection:
        return await asyncpg.connect(host=str(self.sockets), user=login, password=password, database=database)


def prepared() -> Path:
    """A folder that Postgres's account may enter, too, with a place for data and what docker/prepare.sh writes."""
    place = Path(tempfile.mkdtemp(prefix="konstruct-docker-"))
    place.chmod(0o755)
    (place / "data").mkdir(mode=0o700)
    for name in ("prepare.sh", "env.example", "konstruct.env.example"):
        shutil.copy(DOCKER / name, place)
    given = ("1.0.0", "hooks.example.com", "portal.example.com", "ops@example.com")
    subprocess.run([str(place / "prepare.sh"), *given], check=True, capture_output=True)
    return place


@pytest.fixture(scope="module")
async def machine(redis_url: str, temporal_address: str) -> AsyncIterator[Machine]:
    """As docker/prepare.sh leaves it, with a Postgres of its own on which docker/postgres/logins.sh has been run."""
    place = prepared()
    folder = place / "data"
    part = await embedded_postgres.prepared(folder)
    (folder / "postgres" / "data" / "pg_hba.conf").write_text(HOST_BASED)
    env = env_file(place / ".env")
    async with Supervisor(lambda sentence: None) as supervisor:
        await supervisor.start(part.program)
        made = Machine(
            place,
            env,
            env_file(place / "konstruct.env"),
            part.sockets,
            part.owner_url,
            {
                "@postgres/konstruct": f"@/konstruct?host={quote(str(part.sockets), safe='/')}",
                f"redis://:{env['VALKEY_PASSWORD']}@valkey:6379/0": redis_url,
                "temporal:7233": temporal_address,
            },
        )
        done = made.make_logins()
        assert (done.returncode, done.stdout) == (0, ""), done.stderr
        yield made
    shutil.rmtree(place, ignore_errors=True)


async def test_no_login_is_made_without_a_password(machine: Machine) -> None:
    done = machine.make_logins(KONSTRUCT_BACKUP_PASSWORD="")
    assert done.returncode == 1
    assert done.stderr == "KONSTRUCT_BACKUP_PASSWORD is not set: no login is made without a password.\n"


async def test_each_login_may_do_what_it_is_for_and_no_more(machine: Machine) -> None:
    administrator = await asyncpg.connect(machine.administrator)
    logins = await administrator.fetch(
        "select rolname, rolsuper, rolcreaterole, rolcreatedb, rolbypassrls, rolpassword like 'SCRAM-SHA-256$%'"
        " from pg_authid where rolcanlogin and rolname <> 'postgres' order by rolname"
    )
    assert [tuple(row) for row in logins] == [
        ("konstruct_app", False, False, False, False, True),
        ("konstruct_backup", False, False, False, True, True),
        ("konstruct_migrator", False, False, False, False, True),
        ("temporal", False, False, False, False, True),
    ]
    await administrator.close()
    for login, password, database in (
        ("konstruct_app", "KONSTRUCT_APP_PASSWORD", "temporal"),
        ("temporal", "TEMPORAL_DB_PASSWORD", "konstruct"),
    ):
        with pytest.raises(asyncpg.InsufficientPrivilegeError, match="permission denied for database"):
            await machine.connect(login, machine.env[password], database)
    with pytest.raises(asyncpg.InvalidPasswordError):
        await machine.connect("konstruct_app", machine.env["KONSTRUCT_BACKUP_PASSWORD"])
    tables = await machine.connect("temporal", machine.env["TEMPORAL_DB_PASSWORD"], "temporal")
    await tables.execute("create table namespaces (id integer); drop table namespaces")
    await tables.close()


async def test_to_make_the_logins_again_sets_their_passwords_anew(machine: Machine) -> None:
    done = machine.make_logins(KONSTRUCT_BACKUP_PASSWORD="another")
    assert (done.returncode, done.stderr) == (0, "")
    await (await machine.connect("konstruct_backup", "another")).close()
    assert machine.make_logins().returncode == 0
    with pytest.raises(asyncpg.InvalidPasswordError):
        await machine.connect("konstruct_backup", "another")


async def is_healthy(port: int) -> bool:
    """As the image's health check sees it."""
    command = (sys.executable, "-S", str(DOCKER / "ready.py"))
    process = await asyncio.create_subprocess_exec(
        *command, env={"KONSTRUCT_METRICS_PORT": str(port)}, stdout=asyncio.subprocess.DEVNULL
    )
    return await process.wait() == 0


async def test_it_is_migrated_runs_and_is_backed_up_with_these_logins(machine: Machine) -> None:
    migrated = await machine.run("migrate")
    assert migrated.complained == ""
    assert migrated.status == 0
    assert "The tables are up to date." in migrated.said
    # Once more, as each `up` does it.
    assert (await machine.run("migrate")).status == 0

    demo = CHECKOUT / "konstruct" / "embedded" / "demo.yaml"
    applied = await machine.run("gateway", "apply", str(demo))
    assert (applied.status, applied.complained) == (0, "")

    _, forks = nursery()
    ports = {"gateway": free_port(), "portal": free_port()}
    watched = {service: free_port() for service in ("gateway", "portal", "worker", "background")}
    async with Supervisor(lambda sentence: None) as supervisor:
        programs = [
            Program(
                name=service,
                command=(str(forks / "python"), "-m", "konstruct", *SERVICES[service]["command"]),
                log=machine.folder / f"{service}.log",
                ready=partial(is_healthy, port),
                environment={
                    **machine.environment(service),
                    **{f"KONSTRUCT_{name.upper()}_PORT": str(number) for name, number in ports.items()},
                    # The namespace of the tests' server is another one.
                    "KONSTRUCT_TEMPORAL_NAMESPACE": "default",
                    "KONSTRUCT_METRICS_PORT": str(port),
                    "KONSTRUCT_LOG_FORMAT": "json",
                    "PYTHONPATH": str(CHECKOUT),
                },
            )
            for service, port in watched.items()
        ]
        await asyncio.gather(*map(supervisor.start, programs))
        folder = machine.folder / "backup"
        copied = await machine.run("backup", "backup", str(folder))
        assert (copied.status, copied.complained) == (0, "")
        assert json.loads((folder / "manifest.json").read_text())["counts"]["tenants"] == 1

    backup = await machine.connect("konstruct_backup", machine.env["KONSTRUCT_BACKUP_PASSWORD"])
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await backup.execute("delete from tenants")
    await backup.close()
    product = await machine.connect("konstruct_app", machine.env["KONSTRUCT_APP_PASSWORD"])
    assert await product.fetchval("select count(*) from tenants") == 0
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await product.execute("set role konstruct_owner")
    await product.close()


async def test_the_cache_is_started_with_its_password_and_as_its_command_says(tmp_path: Path) -> None:
    service, known, port = SERVICES["valkey"], {"VALKEY_PASSWORD": "drawn"}, free_port()
    shell, option, script = service["command"]
    # There it listens for other containers; here for this machine alone.
    told = filled(script, known).replace("bind 0.0.0.0", f"bind 127.0.0.1\nport {port}")
    programs = tmp_path / "programs"
    programs.mkdir()
    binary = Path(embedded_valkey.prepared(tmp_path).program.command[0])
    (programs / "valkey-server").symlink_to(binary)
    async with Supervisor(lambda sentence: None) as supervisor:
        await supervisor.start(
            Program(
                name="Valkey",
                command=(f"/bin/{shell}", option, told),
                log=tmp_path / "valkey.log",
                ready=partial(line_answers, port, b"AUTH drawn\r\nPING\r\n", b"+OK\r\n+PONG\r\n"),
                environment={**environment(service, known), "PATH": f"{programs}:{os.environ['PATH']}"},
            )
        )
        assert await line_answers(port, b"PING\r\n", b"-NOAUTH Authentication required.\r\n")
    # What is started is the server itself, which ends when it is told to.
    assert not await line_answers(port, b"PING\r\n", b"-NOAUTH Authentication required.\r\n")


async def test_the_namespace_is_made_once(temporal_address: str) -> None:
    env = {
        "PATH": f"{TOOLS}:{os.environ['PATH']}",
        "TEMPORAL_ADDRESS": temporal_address,
        "KONSTRUCT_TEMPORAL_NAMESPACE": "konstruct",
    }
    script = DOCKER / "temporal" / "namespace.sh"
    for _ in range(2):
        process = await asyncio.create_subprocess_exec("/bin/sh", str(script), env=env, stdout=subprocess.PIPE)
        told, _ = await process.communicate()
        assert process.returncode == 0
        assert told.decode().endswith("The namespace konstruct is there.\n")
    client = await Client.connect(temporal_address, namespace="konstruct")
    found = await client.workflow_service.describe_namespace(DescribeNamespaceRequest(namespace="konstruct"))
    assert found.config.workflow_execution_retention_ttl.ToTimedelta() == timedelta(days=3)


@pytest.mark.parametrize(
    ("script", "says"),
    [
        ("namespace.sh", "KONSTRUCT_TEMPORAL_NAMESPACE: is not set: the namespace to make"),
        ("schema.sh", "SQL_PASSWORD: is not set: the password of the login temporal"),
    ],
)
def test_a_script_says_what_it_was_not_told(script: str, says: str) -> None:
    done = subprocess.run(["/bin/sh", str(DOCKER / "temporal" / script)], capture_output=True, text=True, env={})
    assert done.returncode == 2
    assert says in done.stderr


def test_the_tables_of_temporal_are_brought_up_to_date_in_both_of_its_databases(tmp_path: Path) -> None:
    """Its tool is in no package: this writes down what it is asked for."""
    tool = tmp_path / "temporal-sql-tool"
    tool.write_text('#!/bin/sh\necho "$@"\n')
    tool.chmod(0o755)
    env = {"PATH": f"{tmp_path}:{os.environ['PATH']}", "SQL_HOST": "postgres", "SQL_PASSWORD": "drawn"}
    done = subprocess.run(
        ["/bin/sh", str(DOCKER / "temporal" / "schema.sh")], capture_output=True, text=True, check=True, env=env
    )
    common = "--plugin postgres12 --endpoint postgres --port 5432 --user temporal --database"
    schemas = "--schema-dir /etc/temporal/schema/postgresql/v12"
    assert done.stdout.splitlines() == [
        f"{common} temporal setup-schema --version 0.0",
        f"{common} temporal update-schema {schemas}/temporal/versioned",
        f"{common} temporal_visibility setup-schema --version 0.0",
        f"{common} temporal_visibility update-schema {schemas}/visibility/versioned",
    ]
