"""What the vendors check of tools, calls and results in a request, in their own words. Pure functions.

Each returns what is wrong, or None.
"""

import re
from collections.abc import Iterator, Sequence
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import SchemaError

from tests.support.model_doubles.behaviour import Json

NAME = re.compile(r"[a-zA-Z0-9_-]+")


def openai(body: Json) -> str | None:
    tools = body.get("tools")
    if tools is None and "tool_choice" in body:
        return "Invalid value for 'tool_choice': 'tool_choice' is only allowed when 'tools' are specified."
    if tools is not None and not 1 <= len(tools) <= 128:
        return "Invalid 'tools': array too short or too long. Expected 1 to 128 items."
    problems = (_openai_tool(tool, f"tools[{number}]") for number, tool in enumerate(tools or []))
    return _first(problems) or _openai_reasoning(body) or _openai_talk(body["messages"])


def anthropic(body: Json) -> str | None:
    tools = body.get("tools") or []
    if not tools and "tool_choice" in body:
        return "tool_choice: tool_choice may only be specified while providing tools."
    problem = _first(_anthropic_tool(tool, f"tools.{number}.custom") for number, tool in enumerate(tools))
    if problem:
        return problem
    if len({tool["name"] for tool in tools}) < len(tools):
        return "tools: Tool names must be unique."
    return _anthropic_talk(body["messages"], has_tools=bool(tools))


def ollama(body: Json) -> str | None:
    for tool in body.get("tools") or []:
        if problem := _function_tool(tool, "tools"):
            return problem
    for message in body.get("messages") or []:
        if message.get("role") not in {"system", "user", "assistant", "tool"}:
            return f'invalid role: {message.get("role")}, must be one of ["system", "user", "assistant", "tool"]'
        for call in message.get("tool_calls") or []:
            if not isinstance(call.get("function", {}).get("arguments"), dict):
                return "json: cannot unmarshal into Go struct field ToolCallFunction.arguments of type map[string]any"
    return None


def _first(problems: Iterator[str | None]) -> str | None:
    return next((problem for problem in problems if problem), None)


def _function_tool(tool: Json, where: str) -> str | None:
    function = tool.get("function")
    if tool.get("type") != "function" or not isinstance(function, dict):
        return f"Missing required parameter: '{where}.function'."
    if not isinstance(function.get("description", ""), str):
        return f"Invalid type for '{where}.function.description': expected a string."
    return _schema(function.get("parameters"), f"Invalid schema for function '{function.get('name')}'")


def _openai_tool(tool: Json, where: str) -> str | None:
    if problem := _function_tool(tool, where):
        return problem
    function = tool["function"]
    if problem := _name(function.get("name"), 64, f"Invalid '{where}.function.name'"):
        return problem
    if len(function.get("description", "")) > 1_024:
        return f"Invalid '{where}.function.description': string too long. Expected a string with maximum length 1024."
    if "properties" not in function["parameters"]:
        return f"Invalid schema for function '{function['name']}': In context=(), object schema missing properties."
    return None


def _openai_reasoning(body: Json) -> str | None:
    # The models that think unless they are told not to.
    thinks = re.match(r"gpt-5\.[4-9]", body["model"])
    effort = body.get("reasoning_effort", "none" if body["model"].startswith("gpt-5.4") else "medium")
    if body.get("tools") and thinks and effort != "none":
        return f"Function tools with reasoning_effort are not supported for {body['model']} in /v1/chat/completions."
    return None


def _openai_talk(messages: list[Json]) -> str | None:
    """Every call answered at once, and nothing answered that was not called."""
    unanswered: list[str] = []
    for number, message in enumerate(messages):
        if message.get("role") == "tool":
            if message.get("tool_call_id") not in unanswered:
                return "Messages with role 'tool' must be a response to a preceeding message with 'tool_calls'."
            unanswered.remove(message["tool_call_id"])
            continue
        if unanswered:
            break
        if "tool_calls" in message:
            where = f"messages[{number}].tool_calls"
            if problem := _openai_calls(message, where):
                return problem
            unanswered = [call["id"] for call in message["tool_calls"]]
        elif not isinstance(message.get("content"), str | list):
            return f"Invalid value for 'content': expected a string, got null (messages[{number}])."
    if unanswered:
        return (
            "An assistant message with 'tool_calls' must be followed by tool messages responding to each "
            f"'tool_call_id'. The following tool_call_ids did not have response messages: {', '.join(unanswered)}"
        )
    return None


def _openai_calls(message: Json, where: str) -> str | None:
    if message.get("role") != "assistant" or not message["tool_calls"]:
        return f"[] is too short - '{where}'"
    for number, call in enumerate(message["tool_calls"]):
        if not isinstance(call.get("id"), str) or not 1 <= len(call["id"]) <= 40:
            return f"Invalid '{where}[{number}].id': string too long. Expected a string with maximum length 40."
        if problem := _name(call["function"].get("name"), 64, f"Invalid '{where}[{number}].function.name'"):
            return problem
        if not isinstance(call["function"].get("arguments"), str):
            return f"Invalid type for '{where}[{number}].function.arguments': expected a string."
    return None


def _anthropic_tool(tool: Json, where: str) -> str | None:
    problem = _name(tool.get("name"), 128, f"{where}.name")
    return problem or _schema(tool.get("input_schema"), f"{where}.input_schema")


def _anthropic_talk(messages: list[Json], *, has_tools: bool) -> str | None:
    if messages[0].get("role") != "user":
        return 'messages: first message must use the "user" role'
    seen: set[str] = set()
    called: list[str] = []
    for number, message in enumerate(messages):
        if number and message["role"] == messages[number - 1]["role"]:
            return 'messages: roles must alternate between "user" and "assistant"'
        blocks = message["content"] if isinstance(message["content"], list) else []
        uses = [block for block in blocks if block["type"] == "tool_use"]
        results = [block for block in blocks if block["type"] == "tool_result"]
        if (uses or results) and not has_tools:
            return "Requests which include `tool_use` or `tool_result` blocks must define tools"
        problem = _anthropic_blocks(blocks, f"messages.{number}.content")
        problem = problem or _anthropic_results(called, [block["tool_use_id"] for block in results], blocks, number)
        if problem:
            return problem
        called = [block["id"] for block in uses]
        if len(set(called) - seen) < len(called):
            return "messages: `tool_use` ids must be unique"
        seen.update(called)
    return f"messages: `tool_use` ids were found without `tool_result` blocks: {', '.join(called)}" if called else None


def _anthropic_results(called: Sequence[str], answered: list[str], blocks: list[Json], number: int) -> str | None:
    if extra := [each for each in answered if each not in called]:
        return (
            f"messages.{number}.content.0: unexpected `tool_use_id` found in `tool_result` blocks: {extra[0]}. Each "
            "`tool_result` block must have a corresponding `tool_use` block in the previous message."
        )
    if missing := [each for each in called if each not in answered]:
        return (
            f"messages.{number - 1}: `tool_use` ids were found without `tool_result` blocks immediately after: "
            f"{', '.join(missing)}. Each `tool_use` block must have a corresponding `tool_result` block in the next "
            "message."
        )
    if len(set(answered)) < len(answered):
        return "messages: each tool_use must have a single result."
    kinds = [block["type"] for block in blocks]
    if answered and "tool_result" in kinds[len(answered) :]:
        return f"messages.{number}.content: `tool_result` blocks must come first."
    return None


def _anthropic_blocks(blocks: list[Json], where: str) -> str | None:
    for number, block in enumerate(blocks):
        if block["type"] == "text" and not block["text"].strip():
            return "messages: text content blocks must be non-empty"
        if block["type"] == "tool_use" and not isinstance(block.get("input"), dict):
            return f"{where}.{number}.tool_use.input: Input should be a valid dictionary"
        if block["type"] == "tool_use" and (
            problem := _name(block.get("name"), 200, f"{where}.{number}.tool_use.name")
        ):
            return problem
        call_id = block.get("id", block.get("tool_use_id", "x"))
        if problem := _name(call_id, 1_000, f"{where}.{number}.{block['type']}.id"):
            return problem
    return None


def _name(name: object, longest: int, where: str) -> str | None:
    if isinstance(name, str) and NAME.fullmatch(name) and len(name) <= longest:
        return None
    return f"{where}: String should match pattern '^[a-zA-Z0-9_-]{{1,{longest}}}$'"


def _schema(schema: Any, where: str) -> str | None:
    if not isinstance(schema, dict) or schema.get("type") != "object":
        return f"{where}: schema must be a JSON Schema of 'type: \"object\"'."
    try:
        Draft202012Validator.check_schema(schema)
    except SchemaError:
        return f"{where}: JSON schema is invalid. It must match JSON Schema draft 2020-12."
    return None
