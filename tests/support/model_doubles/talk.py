"""What is in a request's messages about tools, whichever the wire format."""

from tests.support.model_doubles.behaviour import Json, content_text


def turn(messages: list[Json]) -> tuple[str, int]:
    """The newest question, and how many times tools were called for it so far."""
    asked: list[str] = []
    steps = 0
    for message in reversed(messages):
        if message.get("role") == "assistant":
            if asked:
                break
            steps += calls_tools(message)
        elif message.get("role") == "user" and (text := content_text(message.get("content")).strip()):
            asked.insert(0, text)
    return "\n".join(asked), steps


def tool_results(messages: list[Json]) -> list[str]:
    """All of them, oldest first."""
    found: list[str] = []
    for message in messages:
        if message.get("role") == "tool":
            found.append(content_text(message.get("content")))
        elif isinstance(message.get("content"), list):
            blocks = [block for block in message["content"] if block.get("type") == "tool_result"]
            found += [content_text(block.get("content")) for block in blocks]
    return found


def calls_tools(message: Json) -> bool:
    content = message.get("content")
    in_blocks = isinstance(content, list) and any(block.get("type") == "tool_use" for block in content)
    return in_blocks or bool(message.get("tool_calls"))
