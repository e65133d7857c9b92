"""Files as people send them, and pictures as the providers of models get them."""

import base64
import secrets

from tests.support.model_doubles import Json, ModelCall
from tests.support.slack_double import HostedFile


def hosted(name: str, mimetype: str, content: bytes) -> HostedFile:
    """With Slack."""
    return HostedFile(f"F{secrets.token_hex(5).upper()}", name, mimetype, content)


def images_of(call: ModelCall) -> list[bytes]:
    """In the provider's own form, and in no other."""
    if call.provider == "ollama":
        return [base64.b64decode(image) for message in call.messages for image in message.get("images", [])]
    parts: list[Json] = [
        part for message in call.messages if isinstance(message["content"], list) for part in message["content"]
    ]
    if call.provider == "openai":
        urls = [part["image_url"]["url"] for part in parts if part["type"] == "image_url"]
        assert all(url.startswith("data:image/jpeg;base64,") for url in urls)
        return [base64.b64decode(url.partition(",")[2]) for url in urls]
    sources = [part["source"] for part in parts if part["type"] == "image"]
    assert all((source["type"], source["media_type"]) == ("base64", "image/jpeg") for source in sources)
    return [base64.b64decode(source["data"]) for source in sources]
