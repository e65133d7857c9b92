"""Speech to text over OpenAI's format: what goes there, and what comes of trouble."""

import base64
from collections.abc import AsyncIterator
from decimal import Decimal

import pytest
from pydantic import SecretStr

from konstruct import models
from konstruct.adapters.litellm import LiteLLMTranscriber
from konstruct.errors import BadInput, Misconfigured, Unavailable
from konstruct.file_ports import Heard
from konstruct.settings import Settings
from tests.support.model_doubles import Behaviour, Fault, ModelDoubles

OGG = b"OggS" + b"\1" * 100


@pytest.fixture
async def doubles() -> AsyncIterator[ModelDoubles]:
    async with ModelDoubles(keys={"openai": {"sk-1"}}).running() as running:
        yield running


def transcriber(doubles: ModelDoubles, key: str = "sk-1") -> LiteLLMTranscriber:
    settings = Settings(
        openai_api_key=SecretStr(key),
        openai_base_url=doubles.base_url("openai"),
        transcription_model="openai/whisper-1",
    )
    link = models.speech_link(settings)
    assert link is not None
    return LiteLLMTranscriber(link, time_limit=20)


async def test_a_recording_is_written_down(doubles: ModelDoubles) -> None:
    doubles.transcriptions.next("openai", Behaviour(lambda _: "Where is my order?"))
    said = await transcriber(doubles).transcribe("Canary of a name.ogg", "audio/ogg", OGG)
    assert said == Heard("Where is my order?", Decimal(7))
    [call] = doubles.transcriptions.calls
    assert (call.model, call.key) == ("whisper-1", "sk-1")
    sent = {"name": "voice.ogg", "type": "audio/ogg", "content": base64.b64encode(OGG).decode()}
    assert call.body["file"] == sent


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (Fault.RATE_LIMITED, Unavailable),
        (Fault.SERVER_ERROR, Unavailable),
        (Fault.UNAUTHORIZED, Misconfigured),
        (Fault.CONTEXT_EXCEEDED, BadInput),
    ],
)
async def test_trouble_that_passes_is_told_apart(doubles: ModelDoubles, fault: Fault, error: type[Exception]) -> None:
    doubles.transcriptions.always("openai", Behaviour(fault=fault))
    with pytest.raises(error) as raised:
        await transcriber(doubles).transcribe("a.ogg", "audio/ogg", OGG)
    assert doubles.url not in str(raised.value)
    assert raised.value.__cause__ is None
    assert len(doubles.transcriptions.calls) == 1


async def test_nobody_there_may_be_there_later() -> None:
    settings = Settings(
        openai_api_key=SecretStr("sk-1"),
        openai_base_url="http://127.0.0.1:9/v1",
        transcription_model="openai/whisper-1",
    )
    link = models.speech_link(settings)
    assert link is not None
    with pytest.raises(Unavailable):
        await LiteLLMTranscriber(link).transcribe("a.ogg", "audio/ogg", OGG)


async def test_what_nobody_understands_is_not_sent(doubles: ModelDoubles) -> None:
    with pytest.raises(BadInput):
        await transcriber(doubles).transcribe("a.amr", "audio/amr", b"#!AMR")
    assert doubles.transcriptions.calls == []


def test_which_model_listens_is_a_setting() -> None:
    assert models.speech_link(Settings(openai_api_key=SecretStr("sk-1"))) is None
    assert models.speech_link(Settings(transcription_model="openai/whisper-1")) is None
    with pytest.raises(BadInput, match="speech goes to openai"):
        models.speech_link(Settings(transcription_model="anthropic/claude-sonnet-5"))
