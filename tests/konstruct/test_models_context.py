"""Cutting conversations to a window."""

import pytest

from konstruct import models
from konstruct.models.context import MARKER, count_prompt
from konstruct.ports import ChatMessage, Image, Role, ToolCall, ToolSpec


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


def test_pictures_take_room_and_go_with_what_was_said_of_them() -> None:
    shown = tuple(Image("image/jpeg", b"") for _ in range(2))
    looking = ChatMessage("user", "Look", images=shown)
    messages = [say("system", "You are Ada."), looking, say("assistant", "Nice."), say("user", "Why?")]
    assert count_prompt(messages) > 3_200
    assert models.fit(messages, 5_000, 100) == messages
    assert models.fit(messages, 3_000, 100) == [messages[0], messages[3]]
    assert models.fit(messages[:2], 3_000, 100)[-1].images == shown


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


def step(number: int, *results: str, arguments: str = '{"query": "hours"}') -> list[ChatMessage]:
    """Calls of a model, with what the tools said."""
    calls = tuple(ToolCall(f"call_{number}_{place}", "search", arguments) for place in range(len(results)))
    answered = [ChatMessage("tool", said, tool_call_id=call.id) for call, said in zip(calls, results, strict=True)]
    return [ChatMessage("assistant", "", calls), *answered]


def check_pairs(messages: list[ChatMessage]) -> None:
    """Each call followed at once by its result, each result after its call, and the user first."""
    assert messages[1].role == "user"
    waiting: list[str] = []
    for message in messages:
        if message.role == "tool":
            waiting.remove(message.tool_call_id)
        else:
            assert waiting == []
            waiting = [call.id for call in message.tool_calls]
    assert waiting == []


LONG = "word " * 100
SEARCH = ToolSpec("search", "Looks things up. " * 10, {"type": "object", "properties": {"query": {"type": "string"}}})


def with_tools() -> list[ChatMessage]:
    """Three turns, each with two steps of two calls; the last one is not over."""
    messages = [say("system", "You are Ada.")]
    for turn in range(3):
        messages += [
            say("user", f"question {turn} {LONG}"),
            *step(2 * turn, LONG, LONG),
            *step(2 * turn + 1, LONG, LONG),
        ]
        messages += [say("assistant", f"answer {turn} {LONG}")] if turn < 2 else []
    return messages


@pytest.mark.parametrize("window", range(750, 4_500, 51))
def test_whatever_the_window_calls_keep_their_results(window: int) -> None:
    messages = with_tools()
    fitted = models.fit(messages, window, 60, [SEARCH])
    assert count_prompt(fitted, [SEARCH]) <= window - 60
    check_pairs(fitted)
    assert any(message.role == "user" and message.content.startswith("question 2") for message in fitted)


def test_steps_that_fit_are_left_as_they_are() -> None:
    messages = [*talk(1), *step(1, "ten", "noon"), *step(2, "")]
    assert models.fit(messages, 10_000, 100, [SEARCH]) == messages


def test_what_was_done_for_the_question_outlives_the_turns_before_it() -> None:
    messages = with_tools()
    this_turn = messages[-7:]
    room = count_prompt([messages[0], *this_turn], [SEARCH])
    assert models.fit(messages, room + 60, 60, [SEARCH]) == [messages[0], *this_turn]


def test_a_result_too_long_is_cut_and_the_question_is_not() -> None:
    messages = [*talk(3), *step(1, "BEGIN " + "x" * 50_000 + " END", "short")]
    fitted = models.fit(messages, 2_000, 100, [SEARCH])
    _, question, _, long, short = fitted
    assert (question, short) == (messages[7], messages[-1])
    assert long.content.startswith("BEGIN")
    assert long.content.endswith("END")
    assert MARKER in long.content
    assert 0.9 * 1_900 <= count_prompt(fitted, [SEARCH]) <= 1_900


def test_results_too_long_together_are_cut_to_one_length() -> None:
    messages = [*talk(0), *step(1, "a" * 30_000, "b" * 60_000), *step(2, "c" * 10_000)]
    fitted = models.fit(messages, 3_000, 100)
    lengths = [models.count_tokens(message.content) for message in fitted if message.role == "tool"]
    assert max(lengths) - min(lengths) < 10
    assert count_prompt(fitted) <= 2_900
    check_pairs(fitted)


def test_when_there_is_no_room_for_all_steps_the_oldest_go() -> None:
    steps = [step(number, LONG, LONG) for number in range(6)]
    messages = [*talk(1), *(message for each in steps for message in each)]
    fitted = models.fit(messages, 700, 60)
    assert fitted[:2] == [messages[0], messages[3]]
    check_pairs(fitted)
    assert fitted[-2].tool_call_id == steps[-1][1].tool_call_id
    assert 0 < sum(bool(message.tool_calls) for message in fitted) < 6


def test_a_call_longer_than_the_window_goes_and_the_question_stays() -> None:
    messages = [*talk(1), *step(1, "ten", arguments='{"query": "' + "x" * 20_000 + '"}')]
    assert models.fit(messages, 1_000, 60) == messages[:4]


def test_tools_take_room_in_the_prompt() -> None:
    messages = talk(40)
    tools = [ToolSpec(f"tool_{number}", LONG, {"type": "object", "properties": {}}) for number in range(3)]
    without, beside = models.fit(messages, 2_000, 100), models.fit(messages, 2_000, 100, tools)
    assert len(beside) < len(without)
    assert count_prompt(beside, tools) <= 1_900
