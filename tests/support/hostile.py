"""Requests as somebody makes them who means harm, or whose program is broken: much like real ones, and not quite."""

import json
import random
import string
from collections.abc import Mapping, Sequence
from copy import deepcopy
from typing import Any, Final
from uuid import UUID

ODD: Final[list[Any]] = [
    *[None, True, False, 0, -1, 10**30, 1.5e300, "", " ", "\0", "\ud800", "é" * 300, "' or 1=1 --", "../../etc/passwd"],
    *["${jndi:ldap://x}", "<!channel>", [], {}, [[]], [None], {"": ""}, {"id": {"id": {"id": "x"}}}, "x" * 20_000],
    *["\u202e", "1749416383", "99999999999999999999", "US.1", "wamid.", "NaN", [1, "two", {"three": 3}]],
]


def mutated(value: Any, chance: random.Random) -> Any:
    """The same with one to four things of it replaced, doubled, renamed or gone."""
    document = json.loads(json.dumps(value))
    for _ in range(chance.randint(1, 4)):
        at, name = chance.choice(list(places(document)) or [([document], 0)])
        what = chance.randrange(5)
        if what == 0:
            at[name] = deepcopy(chance.choice(ODD))
        elif what == 1 and isinstance(at, dict):
            at[chance.choice([name.upper(), f"{name}s", "type", "id", "\0", ""])] = at.pop(name)
        elif what == 2 and isinstance(at, list):
            at.extend(deepcopy(at[name]) for _ in range(chance.randint(1, 3)))
        elif what == 3:
            del at[name]
        else:
            at[name] = nested(at[name], chance.choice([1, 5, 40]))
    return document


def places(value: Any) -> list[tuple[Any, Any]]:
    found: list[tuple[Any, Any]] = []
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, part in inner:
        found.append((value, name))
        found += places(part)
    return found


def nested(value: Any, depth: int) -> Any:
    for _ in range(depth):
        value = [value] if depth % 2 else {"value": value}
    return value


def mangled(body: bytes, chance: random.Random) -> bytes:
    """Bytes of it flipped, cut, doubled, or something else altogether."""
    what = chance.randrange(6)
    if what == 0:
        at = chance.randrange(len(body))
        return body[:at] + bytes([chance.randrange(256)]) + body[at + 1 :]
    if what == 1:
        return body[: chance.randrange(len(body))]
    if what == 2:
        return body + body
    if what == 3:
        return chance.choice([b"", b"[" * 5000, b"{}" * 10, b"\xff" * 50, b"null", b'"' + body[:100], b"9" * 6000])
    if what == 4:
        return chance.randbytes(chance.randrange(200))
    return body.replace(b'"', b"'")


def hostile(shapes: list[Any], chance: random.Random) -> bytes:
    document = chance.choice(shapes)
    if chance.random() < 0.7:
        return json.dumps(mutated(document, chance)).encode()
    return mangled(json.dumps(document).encode(), chance)


def forged_signature(chance: random.Random, real: bytes) -> bytes:
    """Anything but the right one."""
    made = [
        real[:-1] + (b"0" if real[-1:] != b"0" else b"1"),
        real.upper(),
        real[: chance.randrange(len(real))],
        chance.randbytes(70).replace(b"\r", b"").replace(b"\n", b""),
        "sha256=ü".encode(),
        b"",
        b"sha256=" + "".join(chance.choices(string.hexdigits, k=64)).lower().encode(),
    ]
    return chance.choice([one for one in made if one != real])


def like(schema: Mapping[str, Any], chance: random.Random, parts: Mapping[str, Any], ids: Sequence[str]) -> Any:
    """What a JSON schema takes, or nearly. ``parts``: what it refers to; ``ids``: of things that there are."""
    if "$ref" in schema:
        return like(parts[schema["$ref"].rpartition("/")[2]], chance, parts, ids)
    if choices := schema.get("enum") or schema.get("anyOf") or schema.get("oneOf"):
        chosen = chance.choice(choices)
        return chosen if "enum" in schema else like(chosen, chance, parts, ids)
    match schema.get("type"):
        case "object":
            wanted = schema.get("required", ())
            known = schema.get("properties", {})
            taken = {name: each for name, each in known.items() if name in wanted or chance.random() < 0.4}
            return {name: like(each, chance, parts, ids) for name, each in taken.items()}
        case "array":
            least = schema.get("minItems", 0)
            many = range(chance.randint(least, least + 2))
            return [like(schema.get("items", {}), chance, parts, ids) for _ in many]
        case "integer" | "number":
            least = schema.get("minimum", schema.get("exclusiveMinimum", 0))
            return chance.choice([least, schema.get("maximum", least + 7), least + 1])
        case "boolean":
            return chance.random() < 0.5
        case "null":
            return None
    return schema.get("const", _text_like(schema, chance, ids))


def _text_like(schema: Mapping[str, Any], chance: random.Random, ids: Sequence[str]) -> str:
    match schema.get("format"):
        case "uuid":
            return chance.choice(ids) if ids and chance.random() < 0.7 else str(UUID(int=chance.getrandbits(128)))
        case "date-time" | "date":
            return chance.choice(["2026-11-29T10:00:00Z", "0001-01-01T00:00:00+14:00", "9999-12-31", "2026-02-30"])
    texts = ["ada", "handbook", "x", "anna@example.com", "1", "en", "UTC", "https://127.0.0.1/x", "2026-11-29"]
    said = chance.choice([*texts, *ids[:50], *(odd for odd in ODD if isinstance(odd, str))])
    return said.ljust(schema.get("minLength", 0), "x")[: schema.get("maxLength", 10_000) + chance.choice([0, 0, 0, 1])]
