"""Words by which somebody asks to be left alone."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from konstruct.scope.sentences import SENTENCES
from konstruct.scope.stopping import opts_out


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("STOP", "en"),
        ("  stop!! ", "en"),
        ("Stop.", "en"),
        ("🛑 stop 🛑", "en"),
        ("ＳＴＯＰ", "en"),
        ("Unsubscribe", "en"),
        ("Bitte abmelden", "de"),
        ("BAJA", "es"),
        ("Désabonner", "fr"),
        ("desabonner", "fr"),
        ("Sair", "pt"),
        ("Abonelikten çık", "tr"),
        ("إيقاف", "ar"),
        ("ايقاف", "ar"),
        ("बंद करें", "hi"),
        ("退订", "zh"),
        ("配信停止", "ja"),
        ("Отписаться", "ru"),
        ("수신거부", "en"),
    ],
)
def test_a_stop_word_alone_is_heard(text: str, language: str) -> None:
    assert opts_out(text) == language
    assert language in SENTENCES


@pytest.mark.parametrize(
    "text",
    [
        "Stop it, you are funny",
        "Does the bus stop near you?",
        "don't stop",
        "cancel",
        "no",
        "Ende",
        "basta",
        "wait",
        "STOP order 12",
        "",
        "...",
        "stop" * 40,
    ],
)
def test_what_says_anything_else_is_none(text: str) -> None:
    assert opts_out(text) is None


@given(st.text(max_size=80))
def test_no_text_is_too_odd(text: str) -> None:
    assert opts_out(text) in {None, *SENTENCES}
