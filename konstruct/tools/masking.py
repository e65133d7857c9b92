"""What a service says, without the secret that opens it: a service may repeat it, as in a complaint about it."""

import base64
import json
from collections.abc import Iterator, Mapping
from html import escape
from typing import Final
from urllib.parse import quote, quote_plus

from pydantic import JsonValue, SecretStr

MASK: Final = "[secret]"
_SHORTEST_PART: Final = 6
"""Of a user and password, what is shorter stands in too many words."""


def without(told: JsonValue, secrets: Mapping[str, SecretStr]) -> JsonValue:
    if isinstance(told, dict):
        return {masked(name, secrets): without(value, secrets) for name, value in told.items()}
    if isinstance(told, list):
        return [without(each, secrets) for each in told]
    return masked(told, secrets) if isinstance(told, str) else told


def masked(text: str, secrets: Mapping[str, SecretStr]) -> str:
    for secret in secrets.values():
        # The longest first: of one that holds another, nothing is to be left over.
        for form in sorted(set(_forms(secret.get_secret_value())) - {""}, key=len, reverse=True):
            text = text.replace(form, MASK)
    return text


def longest(secrets: Mapping[str, SecretStr]) -> int:
    """Characters of the longest way to write one of them: so much more is looked at before a text is cut."""
    return max((len(form) for secret in secrets.values() for form in _forms(secret.get_secret_value())), default=0)


def _forms(secret: str) -> Iterator[str]:
    """As it is, and as it is written in headers, addresses, JSON and HTML; and the password of ``user:password``."""
    password = secret.partition(":")[2]
    for key in (secret, password) if len(password) >= _SHORTEST_PART else (secret,):
        encoded = base64.b64encode(key.encode()).decode()
        in_address, in_json = quote(key, safe=""), json.dumps(key)[1:-1]
        yield from (key, encoded, encoded.rstrip("="), in_address, quote_plus(key), in_address.lower())
        yield from (in_json, in_json.replace("/", "\\/"), json.dumps(key, ensure_ascii=False)[1:-1])
        yield from (escape(key), escape(key, quote=False))
