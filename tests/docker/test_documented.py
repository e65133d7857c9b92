"""docs/deploying.md names what there is: files, services, values, and numbers that are the code's."""

import re
import shlex

import pytest
from helm_python.chart import Chart

from konstruct import db
from tests.docker.composed import CHECKOUT, DOCKER, read
from tests.docker.test_chart import CHART, EXAMPLES, values
from tests.docker.test_prepare import GIVEN
from tests.konstruct.migration_rules import FIRST_JUDGED

GUIDE = (CHECKOUT / "docs" / "deploying.md").read_text()
SERVICES = set(read()["services"])
COMPOSED = [shlex.split(line) for line in re.findall(r"docker compose ([^`]+)", GUIDE.replace("\\\n", " "))]
OF_ONE_SERVICE = {"exec", "run"}


def test_every_file_that_it_names_exists() -> None:
    named = set(re.findall(r"\b(?:docker|konstruct/migrations)/[\w./-]*[\w]", GUIDE))
    made = {"docker/.env", "docker/konstruct.env", "docker/backups"}
    assert len(named) > 10
    for name in named - made:
        assert (CHECKOUT / name).exists(), name


@pytest.mark.parametrize("words", COMPOSED, ids=" ".join)
def test_a_command_of_the_composition_names_its_files_and_services(words: list[str]) -> None:
    files = [words[place + 1] for place, word in enumerate(words) if word == "--file"]
    assert files
    assert files[0] == "docker/compose.yaml"
    assert all((CHECKOUT / name).exists() for name in files)
    rest = words[2 * len(files) :]
    assert rest[0] in {"build", "up", "exec", "run"}
    if rest[0] in OF_ONE_SERVICE:
        assert SERVICES & set(rest)
    for scaled in re.findall(r"--scale (\w+)=", " ".join(rest)):
        assert scaled in SERVICES


def test_what_is_given_to_the_script_that_draws_secrets_is_what_its_test_gives() -> None:
    assert f"docker/prepare.sh {' '.join(GIVEN)}" in GUIDE


def test_every_value_of_the_chart_that_it_names_exists() -> None:
    with Chart.load(str(CHART)) as chart:
        defaults = chart.values
    for section, name in re.findall(r"`(\w+)\.(\w+)`", GUIDE):
        if section in defaults:
            assert name in defaults[section], f"{section}.{name}"
    assert "trustedProxies" in defaults
    assert {path.name for path in EXAMPLES} == {"cluster.yaml", "managed.yaml"}
    assert all(
        values(path)["secrets"] == {"product": "konstruct", "migration": "konstruct-migration"} for path in EXAMPLES
    )


def test_its_numbers_are_those_of_the_code() -> None:
    assert db.LONGEST_LOCK_WAIT.total_seconds() == 4
    assert "waits four seconds for a lock" in GUIDE
    assert f"from {FIRST_JUDGED} on" in GUIDE
    with Chart.load(str(CHART)) as chart:
        assert f"A worker has {chart.values['grace']['worker']} seconds to end" in GUIDE
    assert f"`{(DOCKER / 'ready.py').relative_to(CHECKOUT)}`" in GUIDE
