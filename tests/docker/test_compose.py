"""What docker/compose.yaml promises of every container: nothing open, nothing unlimited, no secret of its own."""

import re
from datetime import timedelta
from typing import Any

import pytest
from ruamel.yaml import YAML

from konstruct.cli import app
from konstruct.embedded.temporal import CONFIGURATION
from konstruct.ending import EDGE_ENDS_WITHIN, WORKER_ENDS_WITHIN
from konstruct.settings import Settings
from tests.architecture.test_readme import commands
from tests.docker.composed import CHECKOUT, COMPOSE, DOCKER, env_file, read, variables

SERVICES: dict[str, Any] = read()["services"]
ONCE = {"temporal-schema", "temporal-namespace", "migrate", "backup"}
"""These do one thing and end."""
PRODUCT = {name for name, service in SERVICES.items() if service["image"].startswith("konstruct:")}
ALL = pytest.mark.parametrize("name", SERVICES)


@ALL
def test_a_container_may_do_nothing_that_it_need_not(name: str) -> None:
    service = SERVICES[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service.get("cap_add", []) == (["NET_BIND_SERVICE"] if name == "caddy" else [])
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert not {"privileged", "pid", "ipc", "network_mode", "devices"} & set(service)
    assert not [volume for volume in service.get("volumes", []) if "docker.sock" in str(volume)]


@ALL
def test_a_container_has_its_limits_and_comes_back(name: str) -> None:
    service = SERVICES[name]
    assert re.fullmatch(r"\d+[mg]", service["mem_limit"])
    assert service["logging"]["options"]["max-size"]
    if name in ONCE:
        assert service["restart"] in ("on-failure:5", "no")
    else:
        assert service["restart"] == "unless-stopped"


@pytest.mark.parametrize(
    ("name", "ends_within"),
    [
        ("gateway", EDGE_ENDS_WITHIN),
        ("portal", EDGE_ENDS_WITHIN),
        ("worker", WORKER_ENDS_WITHIN),
        ("background", WORKER_ENDS_WITHIN),
    ],
)
def test_a_process_ends_itself_and_says_so_before_it_is_killed(name: str, ends_within: timedelta) -> None:
    assert ends_within + timedelta(seconds=4) < timedelta(seconds=int(SERVICES[name]["stop_grace_period"].strip("s")))


@ALL
def test_who_is_not_healthy_is_known(name: str) -> None:
    service = SERVICES[name]
    if name in ONCE:
        assert service.get("healthcheck", {"disable": True}) == {"disable": True}
    elif name in PRODUCT:
        # The image's own asks the process's port.
        assert "healthcheck" not in service
    else:
        assert service["healthcheck"]["test"][0] == "CMD"


@ALL
def test_the_image_is_one_release_and_not_whatever_is_newest(name: str) -> None:
    image, _, tag = SERVICES[name]["image"].partition(":")
    assert image
    assert re.match(r"\d+\.\d+\.\d+|\$\{KONSTRUCT_VERSION:\?", tag)


def test_caddy_alone_can_be_reached_and_what_is_stored_reaches_nobody() -> None:
    assert {name for name, service in SERVICES.items() if "ports" in service} == {"caddy"}
    networks = read()["networks"]
    assert networks["stored"] == {"internal": True}
    by_network = {
        network: {name for name, service in SERVICES.items() if network in service["networks"]} for network in networks
    }
    assert by_network["edge"] == {"caddy", "gateway", "portal"}
    assert by_network["outside"] == {"gateway", "portal", "worker", "background"}
    assert by_network["stored"] == set(SERVICES) - {"caddy"}
    caddy = SERVICES["caddy"]["networks"]["edge"]["ipv4_address"]
    for name in PRODUCT:
        assert SERVICES[name]["environment"]["FORWARDED_ALLOW_IPS"] == caddy


def test_each_waits_for_what_it_needs() -> None:
    for name, service in SERVICES.items():
        for needed, how in service.get("depends_on", {}).items():
            wanted = "service_completed_successfully" if needed in ONCE else "service_healthy"
            assert how == {"condition": wanted}, (name, needed)
    for name in PRODUCT - {"migrate", "backup"}:
        assert {"migrate", "valkey", "temporal-namespace"} <= set(SERVICES[name]["depends_on"])


def test_what_is_missing_in_the_file_of_settings_is_said_in_a_sentence() -> None:
    asked = variables(COMPOSE.read_text())
    assert [name for name, sentence in asked.items() if not sentence] == ["BACKUPS_DIR"]
    assert set(asked) == set(env_file(DOCKER / "env.example"))


@pytest.mark.parametrize("name", ["env.example", "konstruct.env.example"])
def test_no_example_has_a_value_that_somebody_might_leave_as_it_is(name: str) -> None:
    assert set(env_file(DOCKER / name).values()) == {""}


def test_each_process_has_the_login_that_is_for_it() -> None:
    owners = {
        name: re.findall(r"//(\w+):", SERVICES[name]["environment"].get("KONSTRUCT_DATABASE_OWNER_URL", ""))
        for name in PRODUCT
    }
    assert owners.pop("migrate") == ["konstruct_migrator"]
    assert owners.pop("backup") == ["konstruct_backup"]
    assert set(map(tuple, owners.values())) == {()}
    for name in PRODUCT:
        assert SERVICES[name]["environment"]["KONSTRUCT_DATABASE_URL"].startswith("postgresql://konstruct_app:")


def test_commands_and_settings_of_the_product_exist() -> None:
    ran = {name: SERVICES[name]["command"] for name in PRODUCT - {"backup"}}
    assert {command[0] for command in ran.values()} <= commands(app)
    assert ran["background"] == ["worker", "--background"]
    known = {f"KONSTRUCT_{name.upper()}" for name in Settings.model_fields}
    for name in PRODUCT:
        set_here = {each for each in SERVICES[name]["environment"] if each.startswith("KONSTRUCT_")}
        assert set_here <= known
    offered = re.findall(r"^#?(KONSTRUCT_\w+)=", (DOCKER / "konstruct.env.example").read_text(), re.MULTILINE)
    assert set(offered) <= known


def test_whatever_is_mounted_exists() -> None:
    named = set(read()["volumes"])
    for service in SERVICES.values():
        for volume in service.get("volumes", []):
            source = volume.split(":")[0]
            if source.startswith("."):
                assert (DOCKER / source).resolve().is_relative_to(CHECKOUT)
                assert (DOCKER / source).exists()
            else:
                assert source in named or source.startswith("${BACKUPS_DIR")


def test_temporal_is_tuned_as_it_is_on_one_machine() -> None:
    written = YAML(typ="safe", pure=True).load(DOCKER / "temporal" / "dynamic-config.yaml")
    here = {name: str(value).lower() for name, [held] in written.items() for value in held.values()}
    embedded = dict(argument.split("=", 1) for argument in CONFIGURATION if "=" in argument)
    assert here == embedded
