"""Cutting conversations to a window."""

import pytest

from konstruct import models
from konstruct.models.context import MARKER, count_prompt
from konstruct.ports import ChatMessage, Role


def say(role: Role, text: str) -> ChatMessage:
    return ChatMessage(role, text)


def talk(turns: int, words: int = 20) -> list[ChatMessage]:
    """A system prompt, then ``turns`` questions with answers, then the newest question."""
    messages = [say("system", "You are Ada.")]
    for turn in range(turns):
        messages.append(say("user", f"question {turn} " + "word " * words))
        messages.append(say("assistant", f"answer {turn} " + "word " * words))
    return [*messages, say("user", "the newest question")]


def test_what_fits_is_left_as_it_is() -> None:
    messages = talk(3)
    assert models.fit(messages, 10_000, 100) == messages


def test_the_oldest_go_first() -> None:
    messages = talk(10)
    fitted = models.fit(messages, 500, 100)
    assert 3 < len(fitted) < len(messages)
    assert fitted == [messages[0], *messages[-(len(fitted) - 1) :]]


@pytest.mark.parametrize("window", range(120, 1_000, 17))
def test_whatever_the_window_the_prompt_fits_and_begins_and_ends_as_it_must(window: int) -> None:
    messages = talk(10)
    fitted = models.fit(messages, window, 60)
    assert count_prompt(fitted) <= window - 60
    assert fitted[0] == messages[0]
    assert fitted[1].role == "user"
    assert fitted[-1] == messages[-1]


def test_a_conversation_never_begins_with_the_assistant() -> None:
    greeting = [say("system", "You are Ada."), say("assistant", "Welcome!"), say("user", "Hi")]
    assert models.fit(greeting, 10_000, 100) == [greeting[0], greeting[2]]


def test_the_system_prompt_stays_even_when_nothing_else_fits() -> None:
    prompt = say("system", "rules " * 1_000)
    fitted = models.fit([prompt, *talk(3)[1:]], 500, 100)
    assert fitted == [prompt, say("user", "the newest question")]


def test_a_note_inside_the_conversation_keeps_its_place() -> None:
    messages = [*talk(1), say("system", "A colleague took over here."), say("user", "And now?")]
    assert models.fit(messages, 10_000, 100) == messages


@pytest.mark.parametrize("letter", ["a", "ж", "語", "🙂"])
def test_a_message_too_long_by_itself_loses_its_middle(letter: str) -> None:
    text = "BEGIN " + letter * 50_000 + " END"
    prompt, last = models.fit([say("system", "You are Ada."), say("user", text)], 2_048, 160)
    assert last.content.startswith("BEGIN")
    assert last.content.endswith("END")
    assert MARKER in last.content
    assert 0.95 * (2_048 - 160) <= count_prompt([prompt, last]) <= 2_048 - 160


def test_a_prompt_of_rules_alone_stays() -> None:
    assert models.fit([say("system", "You are Ada.")], 100, 10) == [say("system", "You are Ada.")]


def test_counting_takes_text_that_is_no_valid_unicode() -> None:
    assert models.count_tokens("broken \ud83d half") > 0
