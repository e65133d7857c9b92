"""What a service says, without the secret that opens it: a service may repeat it, as in a complaint about it."""

import base64
from collections.abc import Mapping
from typing import Final
from urllib.parse import quote

from pydantic import JsonValue, SecretStr

MASK: Final = "[secret]"


def without(told: JsonValue, secrets: Mapping[str, SecretStr]) -> JsonValue:
    if isinstance(told, dict):
        return {name: without(value, secrets) for name, value in told.items()}
    if isinstance(told, list):
        return [without(each, secrets) for each in told]
    return masked(told, secrets) if isinstance(told, str) else told


def masked(text: str, secrets: Mapping[str, SecretStr]) -> str:
    for secret in secrets.values():
        key = secret.get_secret_value()
        for form in (key, base64.b64encode(key.encode()).decode(), quote(key, safe="")):
            text = text.replace(form, MASK)
    return text
