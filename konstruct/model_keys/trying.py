"""Finding out whether access to a provider works, by the smallest call that is billed: one word of an answer.

Over plain HTTP, so that it can be done where somebody waits for the answer with the key still in the form: an SDK of
the providers is loaded by workers alone, and a key that waited for one would have to be kept before it was tried.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal
from urllib.parse import urlsplit
from uuid import UUID

from konstruct import pacing, tenant_settings
from konstruct.db import Database
from konstruct.errors import WebError, WebRefused
from konstruct.model_keys.keeping import Candidate
from konstruct.ports import Limiter
from konstruct.settings import Settings
from konstruct.source_ports import Web, WebAnswer, WebRequest

NAMES: Final = {"anthropic": "Anthropic", "openai": "OpenAI", "ollama": "Ollama"}

_TIME_LIMIT: Final = 20.0
_MOST_BYTES: Final = 4_000_000
_LONGEST_KEY: Final = 500
# The cheapest ones; a key that may use others alone is told so by the provider, which is an answer, too.
_CHEAPEST: Final = {"anthropic": "claude-haiku-4-5", "openai": "gpt-4.1-mini"}
_GREETING: Final = [{"role": "user", "content": "Say yes."}]


@dataclass(frozen=True)
class Trouble:
    """Why access does not work: a sentence for whoever typed it in, and the field that it is about."""

    field: Literal["api_key", "base_url", "falls_back"]
    sentence: str
    is_refusal: bool = False
    """Whether the provider answered, and said no to the key; else nobody knows about the key."""


def places(settings: Settings) -> list[str]:
    """What may be asked besides https on the public internet: where the deployment has its providers."""
    found = [urlsplit(address) for address in (settings.anthropic_base_url, settings.openai_base_url)]
    usual = {"http": 80, "https": 443}
    return [f"{each.hostname}:{each.port or usual[each.scheme]}" for each in found if each.scheme in usual]


def misread(candidate: Candidate) -> Trouble | None:
    """What can be told of it without asking anybody."""
    if candidate.provider == "ollama" and not candidate.base_url:
        return Trouble("base_url", "Enter the address of your Ollama server, such as https://ollama.example.com.")
    if candidate.base_url is not None and not _is_address(candidate.base_url):
        return Trouble("base_url", "Enter an address that begins with https:// and ends before any question mark.")
    if candidate.falls_back and candidate.base_url is not None:
        return Trouble("falls_back", "Nobody else's server stands in for yours: leave one of the two out.")
    if candidate.provider == "ollama":
        return None
    key = candidate.api_key.get_secret_value() if candidate.api_key else ""
    if not key:
        return Trouble("api_key", "Paste the key here.")
    if len(key) > _LONGEST_KEY or not key.isascii() or not key.isprintable() or " " in key:
        return Trouble("api_key", "This is no key: one is a single word of letters, digits and signs.")
    if candidate.provider == "openai" and key.startswith("sk-ant-"):
        return Trouble("api_key", "This is a key of Anthropic, not of OpenAI.")
    if candidate.provider == "anthropic" and not key.startswith("sk-ant-") and key.startswith("sk-"):
        return Trouble("api_key", "This is a key of OpenAI, not of Anthropic: those begin with sk-ant-.")
    return None


async def try_out(
    candidate: Candidate, settings: Settings, web: Web, vendors: Web, *, model: str | None = None
) -> Trouble | None:
    """None where it works.

    Args:
        web: asks addresses that a tenant gave.
        vendors: asks those that the deployment has configured.
        model: one that the tenant means to use, which is asked rather than the cheapest.
    """
    if (trouble := misread(candidate)) is not None:
        return trouble
    asked = web if candidate.base_url else vendors
    usual = {"anthropic": settings.anthropic_base_url, "openai": settings.openai_base_url}
    address = (candidate.base_url or usual[candidate.provider]).rstrip("/")
    try:
        if candidate.provider == "ollama":
            return await _try_ollama(asked, address)
        if candidate.provider == "anthropic":
            return await _try_anthropic(asked, address, candidate, model)
        return await _try_openai(asked, address, candidate, model)
    except WebRefused as error:
        return Trouble("base_url" if candidate.base_url else "api_key", str(error))
    except WebError as error:
        field: Literal["api_key", "base_url"] = "base_url" if candidate.base_url else "api_key"
        return Trouble(field, f"{error} Nothing was changed; try again in a moment.")


async def try_for(
    database: Database,
    limiter: Limiter,
    tenant_id: UUID,
    candidate: Candidate,
    settings: Settings,
    web: Web,
    vendors: Web,
) -> Trouble | None:
    """As ``try_out``, with a model that the tenant means to use, and not more often than it may."""
    if (trouble := misread(candidate)) is not None:
        return trouble
    await pacing.count(limiter, tenant_id, pacing.MODEL_KEYS)
    async with database.tenant_session(tenant_id) as session:
        names = (await tenant_settings.read(session)).models
    model = next((name.partition("/")[2] for name in names if name.startswith(f"{candidate.provider}/")), None)
    return await try_out(candidate, settings, web, vendors, model=model)


async def _try_anthropic(web: Web, address: str, candidate: Candidate, model: str | None) -> Trouble | None:
    headers = {"x-api-key": _key(candidate), "anthropic-version": "2023-06-01"}
    body = {"model": model or _CHEAPEST["anthropic"], "max_tokens": 1, "messages": _GREETING}
    return _judged("Anthropic", await _ask(web, f"{address}/v1/messages", headers, body))


async def _try_openai(web: Web, address: str, candidate: Candidate, model: str | None) -> Trouble | None:
    name = "The server" if candidate.base_url else "OpenAI"
    headers = {"authorization": f"Bearer {_key(candidate)}"}
    listed = await _ask(web, f"{address}/models", headers)
    # A compatible server need not list its models, and one that lists them to everybody has said nothing of the key.
    if listed.status != 404 and (trouble := _judged(name, listed)) is not None:
        return trouble
    if candidate.base_url:
        model = model or _first_model(listed)
        if model is None:
            return None
    # Newer models of OpenAI's know the limit by another name than most servers do.
    limit = {"max_tokens": 1} if candidate.base_url else {"max_completion_tokens": 16}
    body = {"model": model or _CHEAPEST["openai"], "messages": _GREETING, **limit}
    return _judged(name, await _ask(web, f"{address}/chat/completions", headers, body))


async def _try_ollama(web: Web, address: str) -> Trouble | None:
    answer = await _ask(web, f"{address}/api/tags", {})
    tags = _json(answer).get("models")
    if answer.status != 200 or not isinstance(tags, list):
        return Trouble("base_url", f"There is no Ollama at this address: it answers with status {answer.status}.")
    if not tags:
        return Trouble("base_url", "This Ollama holds no model yet: run “ollama pull llama3.2” there first.")
    return None


async def _ask(web: Web, url: str, headers: Mapping[str, str], body: Mapping[str, object] | None = None) -> WebAnswer:
    content = None if body is None else json.dumps(body).encode()
    sent = {**headers, "content-type": "application/json"} if content else headers
    request = WebRequest("GET" if content is None else "POST", url, sent, content)
    return await web.request(request, time_limit=_TIME_LIMIT, most_bytes=_MOST_BYTES)


def _judged(name: str, answer: WebAnswer) -> Trouble | None:
    """Of what the provider says of an error only its own names are looked at; its text may hold parts of the key."""
    told = json.dumps(_json(answer)).lower()
    if answer.status == 402 or "insufficient_quota" in told or "credit balance" in told:
        sentence = f"{name} knows this key, but its account has no credit left: add some there, then try again."
        return Trouble("api_key", sentence, is_refusal=True)
    if answer.status == 401:
        sentence = f"{name} does not take this key: it is mistyped, or was revoked. Make a new one there."
        return Trouble("api_key", sentence, is_refusal=True)
    if answer.status == 403:
        sentence = f"{name} knows this key, but it may not ask models: give it that permission there."
        return Trouble("api_key", sentence, is_refusal=True)
    if answer.status >= 500:
        return Trouble("api_key", f"{name} is having trouble (status {answer.status}): try again in a few minutes.")
    if 300 <= answer.status < 400:
        return Trouble("base_url", f"{name} sends us elsewhere (status {answer.status}): enter its last address.")
    # Whoever is told of a limit, or of a model that there is not, was let in.
    return None


def _first_model(listed: WebAnswer) -> str | None:
    entries = _json(listed).get("data")
    names = [entry.get("id") for entry in entries if isinstance(entry, dict)] if isinstance(entries, list) else []
    return next((name for name in names if isinstance(name, str) and "embed" not in name), None)


def _json(answer: WebAnswer) -> dict[str, Any]:
    try:
        found = json.loads(answer.content)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _key(candidate: Candidate) -> str:
    return candidate.api_key.get_secret_value() if candidate.api_key else ""


def _is_address(text: str) -> bool:
    try:
        parts = urlsplit(text)
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and bool(parts.hostname) and not (parts.query or parts.fragment)
