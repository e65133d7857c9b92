"""Words as they can be searched without being readable: stemmed by Postgres, then hashed under the contact's key."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import text as sql
from sqlalchemy.ext.asyncio import AsyncSession

from konstruct.vault import ContactCipher

# English stems and stop words for every language: a word of another one is cut the same way when it is looked for.
_STEMS = sql(
    "select given.place, stem.lexeme, stem.positions"
    " from unnest(cast(:texts as text[])) with ordinality given (content, place),"
    " unnest(to_tsvector('english', given.content)) stem"
)


async def stems(session: AsyncSession, texts: Sequence[str]) -> list[dict[str, list[int]]]:
    """For each text its word stems with the places where they stand. Texts are sent as values; nothing keeps them."""
    found: list[dict[str, list[int]]] = [{} for _ in texts]
    # Without what Postgres takes in no text: NUL, and halves of characters.
    sent = [text.replace("\0", " ").encode("utf-8", "replace").decode() for text in texts]
    for place, lexeme, positions in await session.execute(_STEMS, {"texts": sent}):
        found[place - 1][lexeme] = positions
    return found


@dataclass(frozen=True)
class Hidden:
    """``vector``: a tsvector's text. ``length``: how many words it holds."""

    vector: str
    length: int


def hidden(cipher: ContactCipher, stemmed: Mapping[str, Sequence[int]]) -> Hidden:
    parts = (f"'{cipher.hide(stem)}':{','.join(map(str, places))}" for stem, places in stemmed.items())
    return Hidden(" ".join(parts), sum(map(len, stemmed.values())))
