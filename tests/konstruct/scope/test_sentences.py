"""What contacts are told without a model, and in which language."""

import pytest

from konstruct.escalation.wishes import asks_for_human
from konstruct.scope import sentences
from konstruct.scope.languages import language_of
from konstruct.scope.sentences import SENTENCES
from konstruct.scope.stopping import opts_out

LONGEST_TITLE = 20
"""Characters of a button in WhatsApp."""


@pytest.mark.parametrize("language", SENTENCES)
def test_what_the_button_says_is_a_wish_for_a_person_and_fits_on_it(language: str) -> None:
    title = SENTENCES[language].person
    assert asks_for_human(title)
    assert len(title) <= LONGEST_TITLE
    assert opts_out(title) is None


@pytest.mark.parametrize("language", SENTENCES)
def test_the_redirect_names_what_the_connection_is_for_and_offers_a_person(language: str) -> None:
    told = sentences.only(language, ["bicycles", "repairs"])
    assert "bicycles; repairs" in told
    assert SENTENCES[language].person in told


@pytest.mark.parametrize("language", SENTENCES)
def test_no_sentence_asks_anything_so_that_what_comes_next_is_no_answer(language: str) -> None:
    assert {"?", "？", "؟"}.isdisjoint(sentences.only(language, ["bicycles"]))


def test_a_language_without_sentences_gets_the_english_ones() -> None:
    assert sentences.only("xx", ["bicycles"]) == sentences.only("en", ["bicycles"])


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("Can you write me a poem?", "en"),
        ("Schreib mir bitte ein Gedicht", "de"),
        ("¿Cuál es la capital de Francia?", "es"),
        ("Écris-moi une histoire pour ma fille", "fr"),
        ("Scrivimi una poesia per mia sorella", "it"),
        ("Você não pode escrever um poema?", "pt"),
        ("Schrijf een gedicht voor mijn broer", "nl"),
        ("Bana bir şiir yazar mısın?", "tr"),
        ("Napisz mi wiersz o wiośnie, proszę", "pl"),
        ("Напиши стихотворение", "ru"),
        ("اكتب لي قصيدة", "ar"),
        ("एक कविता लिखो", "hi"),
        ("给我写一首诗", "zh"),
        ("詩を書いてください", "ja"),
        ("프랑스의 수도는?", "en"),
        ("12345", "en"),
        ("", "en"),
    ],
)
def test_the_language_is_told(text: str, language: str) -> None:
    assert language_of(text) == language
