"""The commands as somebody meets them who has just cloned the repository: no key, no account, a real model."""

import re
import socket
from pathlib import Path

import httpx
import pytest

from tests.support.commands import konstruct
from tests.support.ports import free_ports
from tests.support.processes import Up, bin_konstruct, ended, environment

pytestmark = pytest.mark.stack


@pytest.fixture
def env(folder: Path) -> dict[str, str]:
    return environment(folder / "data", **free_ports("gateway_port", "portal_port", "temporal_ui_port"))


async def test_a_stack_can_be_talked_to_and_ctrl_c_ends_all_of_it_and_so_does_a_kill(env: dict[str, str]) -> None:
    first = await Up.start(env)
    try:
        assert await first.is_up(), first.said
        doctor = await bin_konstruct("doctor", env=env)
        assert doctor.status == 0, doctor
        assert "MISSING" not in doctor.said
        assert "ok       background worker: 1 at work" in doctor.said
        chat = await bin_konstruct("chat", "Hello", env=env)
        assert chat.status == 0, chat
        name, _, answer = chat.said.strip().partition(": ")
        assert name == "Ada"
        assert len(answer) > 5
        assert await signs_in(env, told(first, "sign in as"), told(first, "password")) == "/"
        children = first.children()
        assert len(children) == 8
        first.interrupt()
        assert await first.ended() == 0
        assert "Stopped." in first.said[-1]
    finally:
        await first.stop()
    for child in children:
        await ended(child)

    second = await Up.start_forking(env)
    try:
        assert await second.is_up(), second.said
        assert not any("demo tenant" in sentence for sentence in second.said)
        # It was told once; whoever has lost it sets a new one.
        assert told(second, "forgotten?").startswith("bin/konstruct user link ")
        again = await konstruct("chat", "Hello", env=env)
        assert (again.status, again.said) == (0, chat.said)
        children = second.children()
        second.process.kill()
    finally:
        await second.stop()
    for child in children:
        await ended(child)


def told(up: Up, what: str) -> str:
    """What stands behind these words in where to go."""
    found = re.search(rf"^ *{re.escape(what)} +(\S.*?)(?:   |$)", "\n".join(up.said), re.MULTILINE)
    assert found, up.said
    return found[1]


async def signs_in(env: dict[str, str], email: str, password: str) -> str:
    """Where the portal leads who signs in there."""
    portal = f"http://127.0.0.1:{env['KONSTRUCT_PORTAL_PORT']}"
    async with httpx.AsyncClient(base_url=portal, headers={"sec-fetch-site": "same-origin"}) as visitor:
        answer = await visitor.post("/sign-in", data={"email": email, "password": password})
    return answer.headers["location"]


async def test_without_a_stack_every_command_says_what_is_missing(env: dict[str, str]) -> None:
    doctor = await bin_konstruct("doctor", env=env)
    assert doctor.status == 1
    assert "MISSING  database: KONSTRUCT_DATABASE_URL is not set" in doctor.said
    assert doctor.complained == ""

    chat = await bin_konstruct("chat", "Hello", env=env)
    assert (chat.status, chat.said) == (1, "")
    assert "start `make run` first" in chat.complained
    assert chat.complained.count("\n") == 1


@pytest.mark.parametrize(
    ("command", "variable"),
    [
        ("up", "KONSTRUCT_GATEWAY_PORT"),
        ("up", "KONSTRUCT_PORTAL_PORT"),
        ("gateway", "KONSTRUCT_GATEWAY_PORT"),
        ("portal", "KONSTRUCT_PORTAL_PORT"),
    ],
)
async def test_a_taken_port_is_one_sentence(env: dict[str, str], command: str, variable: str) -> None:
    with socket.create_server(("127.0.0.1", int(env[variable]))):
        outcome = await konstruct(command, env=env)

    assert outcome.status == 1
    [sentence] = (outcome.said + outcome.complained).splitlines()
    assert f"Port {env[variable]} on 127.0.0.1 is taken" in sentence
    assert variable in sentence


async def test_its_servers_run_alone_to_put_a_backup_back_into(env: dict[str, str], folder: Path) -> None:
    up = await Up.start(env, "--servers")
    try:
        assert await up.is_up(), up.said
        assert not [command for command in up.children().values() if command[-1] in ("gateway", "portal", "worker")]
        for command in (
            ["migrate"],
            ["backup", str(folder / "of-now")],
            ["restore", str(folder / "of-now"), "--replace"],
        ):
            done = await konstruct(*command, env=env)
            assert done.status == 0, done
    finally:
        await up.stop()
