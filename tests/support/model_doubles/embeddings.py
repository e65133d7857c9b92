"""Vectors as the providers write them, and how a pretended model makes them: texts that share words are near."""

import hashlib
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal, Protocol

from tests.support.model_doubles.behaviour import Json, Vectors, tokens

EmbeddingProvider = Literal["openai", "ollama"]

DIMENSIONS: Final = 256
LONGEST: Final = 8_192
"""Tokens that OpenAI takes of one text; Ollama cuts a longer one without a word."""
TEXTS_AT_ONCE: Final = 2_048


@dataclass(frozen=True)
class EmbeddingRequest:
    model: str
    texts: list[str]

    @property
    def token_count(self) -> int:
        return sum(len(tokens(text)) for text in self.texts)


def bag_of_words(text: str) -> list[float]:
    """Of length 1, the same for the same words in any process."""
    vector = [0.0] * DIMENSIONS
    for word in re.findall(r"\w+", text.lower()) or [""]:
        digest = hashlib.sha256(word.encode("utf-8", "replace")).digest()
        vector[digest[0] % DIMENSIONS] += 1.0
    length = math.hypot(*vector)
    return [number / length for number in vector]


class EmbeddingWire(Protocol):
    def read(self, body: Json) -> EmbeddingRequest | str:
        """A string says what is wrong with the request."""

    def write(self, request: EmbeddingRequest, vectors: Vectors) -> Json: ...


class OpenAIEmbeddings:
    def read(self, body: Json) -> EmbeddingRequest | str:
        texts = body.get("input")
        texts = [texts] if isinstance(texts, str) else texts
        if not body.get("model"):
            return "you must provide a model parameter"
        if not isinstance(texts, list) or not texts or not all(isinstance(text, str) and text for text in texts):
            return "'$.input' is invalid. Please check the API reference."
        if len(texts) > TEXTS_AT_ONCE:
            return f"'$.input' is invalid: array is too long, at most {TEXTS_AT_ONCE} are allowed."
        if any(len(tokens(text)) > LONGEST for text in texts):
            return f"This model's maximum context length is {LONGEST} tokens. Please reduce the length of the input."
        if body.get("encoding_format", "float") != "float":
            return "The double writes floats only."
        return EmbeddingRequest(body["model"], texts)

    def write(self, request: EmbeddingRequest, vectors: Vectors) -> Json:
        data = [{"object": "embedding", "index": index, "embedding": vector} for index, vector in vectors]
        usage = {"prompt_tokens": request.token_count, "total_tokens": request.token_count}
        return {"object": "list", "data": data, "model": request.model, "usage": usage}


class OllamaEmbeddings:
    def read(self, body: Json) -> EmbeddingRequest | str:
        texts = body.get("input")
        texts = [texts] if isinstance(texts, str) else texts
        if not body.get("model"):
            return "model is required"
        if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
            return "invalid input type"
        return EmbeddingRequest(body["model"], texts)

    def write(self, request: EmbeddingRequest, vectors: Vectors) -> Json:
        durations = {"total_duration": 5_000_000, "load_duration": 1_000_000}
        counted = {"prompt_eval_count": request.token_count}
        return {"model": request.model, "embeddings": [vector for _, vector in vectors]} | durations | counted


EMBEDDING_WIRES: Final[Mapping[EmbeddingProvider, EmbeddingWire]] = {
    "openai": OpenAIEmbeddings(),
    "ollama": OllamaEmbeddings(),
}
