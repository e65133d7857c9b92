"""docker/compose.yaml as it is read on a machine whose docker/.env has been filled in."""

import re
from pathlib import Path
from typing import Any, Final

from ruamel.yaml import YAML

CHECKOUT: Final = Path(__file__).parents[2]
DOCKER: Final = CHECKOUT / "docker"
COMPOSE: Final = DOCKER / "compose.yaml"
_VARIABLE: Final = re.compile(r"(?<!\$)\$\{(\w+)(?:(:[?-])([^}]*))?\}")


def read(path: Path = COMPOSE) -> dict[str, Any]:
    """With what is merged in, and variables as they stand."""
    document: dict[str, Any] = YAML(typ="safe", pure=True).load(path)
    return document


def variables(text: str) -> dict[str, str]:
    """Each variable with what is said when it is missing; an empty sentence where a default stands in for it."""
    return {name: said if sign == ":?" else "" for name, sign, said in _VARIABLE.findall(text)}


def filled(value: str, known: dict[str, str]) -> str:
    """As compose fills it in: with a default where there is one, and a dollar for two."""

    def fill(found: re.Match[str]) -> str:
        name, sign, said = found.groups()
        return known.get(name) or (said if sign == ":-" else "")

    return _VARIABLE.sub(fill, value).replace("$$", "$")


def environment(service: dict[str, Any], known: dict[str, str]) -> dict[str, str]:
    return {name: filled(str(value), known) for name, value in service.get("environment", {}).items()}


def env_file(path: Path) -> dict[str, str]:
    """The names of a file of settings and their values, those that are commented out aside."""
    lines = [line for line in path.read_text().splitlines() if re.match(r"\w+=", line)]
    return dict(line.split("=", 1) for line in lines)
