"""The API as the README and its guide show it: the commands there, run as they stand."""

import asyncio
import json
import re
from pathlib import Path
from typing import Any

import pytest

from konstruct.settings import Settings
from konstruct.tables import Tenant
from tests.support import approvals, library
from tests.support.commands import konstruct
from tests.support.handoff_worker import working
from tests.support.handoffs import hand_off, seat
from tests.support.office import Office
from tests.support.processes import environment

CHECKOUT = Path(__file__).parents[3]
README = (CHECKOUT / "README.md").read_text()
GUIDE = (CHECKOUT / "docs" / "api.md").read_text()


@pytest.fixture
async def slug(office: Office) -> str:
    async with office.session() as session:
        return (await session.get_one(Tenant, office.tenant_id)).slug


@pytest.fixture
def env(settings: Settings, tmp_path: Path) -> dict[str, str]:
    assert settings.database_url
    return environment(tmp_path, database_url=settings.database_url.get_secret_value())


async def run(script: str, api: str, slug: str, env: dict[str, str]) -> list[Any]:
    """What the commands answered, one after the other; each must have worked."""
    there = script.replace("http://127.0.0.1:8000", api).replace("--tenant demo", f"--tenant {slug}")
    shell = await asyncio.create_subprocess_exec(
        "bash",
        "-euc",
        there.replace("curl -s", "echo; curl -sS --fail-with-body"),
        cwd=CHECKOUT,
        env=env,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    said, complained = await shell.communicate()
    assert shell.returncode == 0, complained.decode() + said.decode()
    return [json.loads(line) for line in said.decode().splitlines() if line]


async def test_the_readmes_commands_do_what_it_says(
    api: str, settings: Settings, office: Office, slug: str, env: dict[str, str], tmp_path: Path
) -> None:
    section = re.search(r"## REST API\n.*?```\n(.*?)```", README, re.DOTALL)
    assert section
    waiting = await approvals.ask(office)
    await seat(office, channel=None, people={"anna": {"name": "Anna Berg"}})
    handoff_id = await hand_off(office, await office.say("I want a person"))
    await library.fill(office, "faq", {"a": library.content("We are open on Sundays.")})
    (tmp_path / "hours.txt").write_text("Open on Mondays")
    script = section[1].replace("@hours.txt", f"@{tmp_path}/hours.txt")
    named = {"ID": str(waiting.approval_id), "FINGERPRINT": waiting.fingerprint, "HANDOFF": str(handoff_id)}
    async with working(settings, office):
        answers = await run(script, api, slug, env | named)
    listed, approved, *of_people, source, uploaded, documents, found = answers
    queue, packet, claimed, replied, given_back = of_people
    assert [each["id"] for each in queue["handoffs"]] == [packet["id"]] == [str(handoff_id)]
    assert (claimed["owner"], claimed["agent"], given_back["owner"]) == ("agent", "anna", "employee")
    assert (len(replied["message_ids"]), replied["is_new"]) == (1, True)
    assert [approval["id"] for approval in listed["approvals"]] == [str(waiting.approval_id)]
    assert (approved["state"], approved["decided_by"]) == ("approved", "api:back-office")
    assert (source["key"], uploaded["outcome"]) == ("handbook", "new")
    assert [(document["id"], document["name"], document["size"]) for document in documents["documents"]] == [
        (uploaded["id"], "hours.txt", 15)
    ]
    assert [passage["text"] for passage in found["passages"]] == ["We are open on Sundays."]


async def test_the_guides_commands_do_what_it_says(api: str, slug: str, env: dict[str, str]) -> None:
    section = re.search(r"```\n(.*?)```", GUIDE, re.DOTALL)
    assert section

    answers = await run(section[1], api, slug, env)

    attention, employees, made, draft, checked, published, versions, changes, team, preview = answers
    assert attention["matters"] == []
    assert [each["key"] for each in employees["employees"]] == ["ada"]
    assert (made["key"], made["published_version"]) == ("otis", 0)
    assert (draft["revision"], draft["content"]["greeting"]) == (2, "Hello! What are you looking for?")
    assert (checked["is_ready"], published["number"], versions["published"]) == (True, 1, 1)
    assert "greeting" in [each["field"] for each in changes["differences"]]
    assert (team["members"], preview["messages"]) == ([], 0)


async def test_keys_are_made_listed_and_revoked_by_command(slug: str, env: dict[str, str]) -> None:
    name, of = "back-office", ("--tenant", slug)

    made = await konstruct("api-key", "create", name, *of, "--scope", "knowledge:read", env=env)
    again = await konstruct("api-key", "create", name, *of, "--scope", "knowledge:read", env=env)
    wrong = await konstruct("api-key", "create", "another", *of, "--scope", "everything", env=env)
    revoked = await konstruct("api-key", "revoke", name, *of, env=env)
    listed = await konstruct("api-key", "list", *of, env=env)

    assert (made.status, re.fullmatch(r"kst_[\w-]{43}\n", made.said) is not None) == (0, True)
    assert "not shown again" in made.complained
    assert (again.status, again.said) == (1, "")
    assert "choose another name" in again.complained
    assert (wrong.status, "knowledge:write" in wrong.complained) == (1, True)
    assert (revoked.status, revoked.said) == (0, "back-office opens nothing any more.\n")
    assert re.fullmatch(r"back-office  made \S+  revoked \S+  knowledge:read\n", listed.said)
    assert made.said.strip() not in listed.said
