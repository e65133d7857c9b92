"""The tools that every tenant has: what a model is told of them. What they do is in ``activities.builtin_tools``."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from konstruct.desk.people import Person
from konstruct.ports import ToolSpec
from konstruct.tools.policy import Approval, Risk

SEARCH_KNOWLEDGE: Final = "search_knowledge"
REMEMBER: Final = "remember"
FORGET: Final = "forget"
CURRENT_TIME: Final = "current_time"
HAND_OFF: Final = "hand_off"
ASK_COLLEAGUE: Final = "ask_colleague"
SEND_FILE: Final = "send_file"
READ_RESULT: Final = "read_result"
SEND_REPLY: Final = "send_reply"


@dataclass(frozen=True)
class Builtin:
    spec: ToolSpec
    risk: Risk
    is_untrusted: bool = False
    approval: Approval | None = None
    """When a person is asked first, where that is not what its risk says."""


def _object(properties: Mapping[str, Any], *required: str) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": list(required), "additionalProperties": False}


def _builtin(name: str, description: str, parameters: dict[str, Any], risk: Risk, **terms: Any) -> Builtin:
    return Builtin(ToolSpec(name, description, parameters), risk, **terms)


BUILTINS: Final[dict[str, Builtin]] = {
    each.spec.name: each
    for each in (
        _builtin(
            SEARCH_KNOWLEDGE,
            "Looks up what the business's own documents say. Use it before you state a fact about the business, its"
            " products, prices or rules. Each passage has a number: put it in brackets, like [1], after what you take"
            " from it.",
            _object({"query": {"type": "string", "minLength": 2, "maxLength": 1000}}, "query"),
            "reads",
            is_untrusted=True,
        ),
        _builtin(
            REMEMBER,
            "Keeps one fact about the person you talk with for all later conversations, as a short sentence that will"
            " still be understood in months.",
            _object({"fact": {"type": "string", "minLength": 3, "maxLength": 500}}, "fact"),
            "memory",
        ),
        _builtin(
            FORGET,
            "Forgets what is remembered of the person, when they ask for it. First call it with what it is about; it"
            " answers with what is remembered of that, each with an id. Then call it with the ids that are meant.",
            _object(
                {
                    "about": {"type": "string", "minLength": 2, "maxLength": 500},
                    "ids": {"type": "array", "items": {"type": "string", "maxLength": 40}, "maxItems": 50},
                }
            ),
            "memory",
        ),
        _builtin(CURRENT_TIME, "Tells the date and time where the business is.", _object({}), "harmless"),
        _builtin(
            HAND_OFF,
            "Asks for a person of the business to take over this conversation: when the person you talk with wants one,"
            " or when you cannot help.",
            _object({"reason": {"type": "string", "minLength": 3, "maxLength": 500}}, "reason"),
            "harmless",
        ),
        _builtin(
            ASK_COLLEAGUE,
            "Asks one colleague at the business something that you have to know to help the person you talk with. The"
            " colleague sees nothing of this conversation: write all that they need, and nothing more. Their answer may"
            " take hours and comes as a note of the system; the conversation goes on meanwhile.",
            _object(
                {"colleague": {"type": "string"}, "question": {"type": "string", "minLength": 3, "maxLength": 2000}},
                *("colleague", "question"),
            ),
            "sends",
            # It reaches the business's own people alone, who see it as what somebody wrote.
            approval="never",
        ),
        _builtin(
            SEND_FILE,
            "Sends a file along with your next answer to the person you talk with: one of the business's own documents,"
            ' by the "document" that a passage is of, or a text that you write, as "name" (ending in .txt, .md, .csv or'
            ' .json) and "text". A file of the same name takes the place of the one before.',
            _object(
                {
                    "document": {"type": "string", "minLength": 1, "maxLength": 300},
                    "name": {"type": "string", "minLength": 1, "maxLength": 100},
                    "text": {"type": "string", "minLength": 1, "maxLength": 100_000},
                }
            ),
            # It goes to whoever gets the answer, and with it: no more is done than by answering.
            "harmless",
        ),
        _builtin(
            READ_RESULT,
            "Reads on in a result that was too long to be shown whole.",
            _object(
                {"result": {"type": "string", "maxLength": 60}, "from": {"type": "integer", "minimum": 0}},
                *("result", "from"),
            ),
            "reads",
            is_untrusted=True,
        ),
        _builtin(
            SEND_REPLY,
            "Sends an answer that a rule of the employee holds back until a person says yes. No model is shown this.",
            _object({"text": {"type": "string"}}, "text"),
            "sends",
        ),
    )
}

CHOOSABLE: Final = frozenset(BUILTINS) - {READ_RESULT, SEND_REPLY}
"""What an employee is given by name; reading on in a result goes along with whatever may be so long."""


def asking_spec(colleagues: Sequence[Person]) -> ToolSpec:
    """``ask_colleague`` as a model is shown it where these can be asked."""
    spec = BUILTINS[ASK_COLLEAGUE].spec
    who = {
        "type": "string",
        "enum": [person.key for person in colleagues],
        "description": ", ".join(f"{person.key} is {person.name}" for person in colleagues),
    }
    return replace(
        spec, parameters={**spec.parameters, "properties": {**spec.parameters["properties"], "colleague": who}}
    )
