"""Events of a conversation in a few plain words, for pages and transcripts. What strangers wrote is not in them."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from konstruct.record.events import Event

_PURPOSES: Final[Mapping[str, str]] = {
    "reply": "answer",
    "judge": "judging the turn",
    "facts": "learning facts",
    "summary": "a summary for memory",
    "people": "a packet for people",
    "speech": "understanding speech",
}
_CAUSES: Final[Mapping[str, str]] = {
    "rule": "a rule",
    "employee": "the employee's own choice",
    "agent": "somebody of the desk",
    "contact": "the contact's wish",
}
_THEN: Final[Mapping[str, str]] = {
    "hand_off": "the conversation goes to people",
    "tell": "people are told, and it is answered all the same",
    "ask_approval": "the answer is held back for a person's yes",
}
_TURNS: Final[Mapping[str, str]] = {
    "turn.superseded": "Something came in between: this attempt was dropped",
    "turn.handed_off": "The turn ended with the hand-off",
    "turn.held_back": "The answer waits for a person's yes",
    "turn.away": "It is outside of the employee's hours: its away reply was sent",
    "turn.rested": "Left to people: the plan includes no more",
    "turn.out_of_scope": "Turned down without a model, as what the connection is not for",
    "turn.put_off": "Put off, since the month's budget for models is used up",
    "turn.delayed": "No model answered: it is tried again, later each time",
    "turn.restored": "A backup was restored: what was under way was settled by what the channel says",
    "turn.stopped": "A person stopped the turn",
    "turn.failed": "No answer could be given for too long",
    "turn.expired": "No answer could be given for too long",
}
_ENDS: Final[Mapping[str, str]] = {
    "handed_back": "{who} handed it back to the employee",
    "nobody_came": "Nobody came in time: the employee goes on",
    "erased": "It ended, since the contact was erased",
}
_SENTENCES: Final[Mapping[str, Callable[[Event], str]]] = {
    "handoff.opened": lambda event: _handed_off(event, "People were asked to take over"),
    "handoff.told": lambda event: _handed_off(event, "People were told"),
    "handoff.claimed": lambda event: f"{event.actor_name} took the conversation over",
    "handoff.released": lambda event: f"{event.actor_name} put it back into the queue",
    "handoff.transferred": lambda event: f"{event.actor_name} passed it on to {_named(event, 'to')}",
    "handoff.resolved": lambda event: f"{event.actor_name} resolved it",
    "handoff.handed_back": lambda event: _ended(event),
    "handoff.noted": lambda event: f"{event.actor_name} wrote a note",
    "handoff.draft_asked": lambda event: f"{event.actor_name} had a reply drafted",
    "handoff.summary_asked": lambda event: f"{event.actor_name} had a summary written",
    "approval.asked": lambda event: f"A person's yes was asked for: {_code(event, 'tool')}",
    "approval.approved": lambda event: f"{event.actor_name} said yes to {_code(event, 'tool')}",
    "approval.denied": lambda event: f"{event.actor_name} said no to {_code(event, 'tool')}",
    "approval.expired": lambda event: f"Nobody decided in time about {_code(event, 'tool')}",
    "consult.asked": lambda event: f"{event.actor_name} asked {_named(event, 'colleague')}",
    "consult.answered": lambda event: f"{event.actor_name} answered",
    "consult.expired": lambda event: f"{_named(event, 'colleague')} did not answer in time",
    "rating.asked": lambda event: "The contact was asked how they were helped",
    "rating.given": lambda event: f"The contact gave {event.detail.get('score')} of 5",
    "rating.changed": lambda event: f"The contact changed it to {event.detail.get('score')} of 5",
    "conversation.exported": lambda event: f"{event.actor_name} exported the conversation",
    "rule.fired": lambda event: _fired(event),
    "memory.learned": lambda event: f"{_many(event, 'facts', 'fact')} learned",
    "memory.forgotten": lambda event: "Something was forgotten, as the contact wished",
    "memory.passed_over": lambda event: "What could not be remembered was passed over",
    "memory.summarised": lambda event: "The older part was summarised",
    "message.edited": lambda event: "The contact changed a message",
    "message.deleted": lambda event: "The contact took a message back",
    "message.quarantined": lambda event: f"A message was set aside after {event.detail.get('tries')} tries",
    "message.tried_again": lambda event: f"{event.actor_name} had a message that was set aside tried again",
    "message.refused": lambda event: "A message was over a limit and is not answered",
    "message.cut": lambda event: "What was being shown of an answer was cut off",
    "messages.let_go": lambda event: "Old messages were let go of, as retention says",
    "contact.opted_out": lambda event: "The contact wants to hear nothing more",
    "contact.opted_in": lambda event: "The contact writes again, and is answered",
    "judged": lambda event: _judged(event),
}


def sentence(event: Event) -> str:
    """What happened, without what was said. An action that is new here is called by its name."""
    if event.said is not None:
        return event.said.name
    if event.model is not None:
        return f"{event.model.name}, for {_PURPOSES.get(event.model.purpose, event.model.purpose)}"
    if event.tool is not None:
        return f"{event.actor_name} used {event.tool.tool}"
    if event.action in _TURNS:
        reason = event.detail.get("reason")
        return _TURNS[event.action] + (f": {reason}" if isinstance(reason, str) and reason else "")
    say = _SENTENCES.get(event.action)
    return say(event) if say else f"{event.action.replace('.', ': ').replace('_', ' ')}, by {event.actor_name}"


def _handed_off(event: Event, what: str) -> str:
    cause, rule = str(event.detail.get("cause", "")), event.detail.get("rule")
    return f"{what}: {f'the rule {rule}' if rule else _CAUSES.get(cause, cause.replace('_', ' '))}"


def _ended(event: Event) -> str:
    how = str(event.detail.get("how", ""))
    said = _ENDS.get(how, "{who} handed it back to the employee").format(who=event.actor_name)
    return f"{said}, which writes at once" if event.detail.get("at_once") and how == "handed_back" else said


def _fired(event: Event) -> str:
    then = str(event.detail.get("then", ""))
    rule = event.detail.get("rule")
    return f"{f'The rule {rule}' if rule else 'The wish for a person'} fired: {_THEN.get(then, then)}"


def _judged(event: Event) -> str:
    judged = event.judged
    if judged is None:
        return "The turn was judged"
    found = [f"mood {judged.mood}"]
    found += ["asks for a person"] if judged.asked_for_human else []
    found += ["was not helped again"] if judged.has_failed else []
    found += ["outside the policy"] if judged.outside_policy else []
    found += [f"about {', '.join(judged.topics)}"] if judged.topics else []
    found += [f"{judged.confidence:.0%} sure of the answer"] if judged.confidence is not None else []
    return f"The turn was judged: {', '.join(found)}"


def _named(event: Event, field: str) -> str:
    key = event.detail.get(field)
    return event.names.get(str(key), str(key)) if key else "somebody"


def _code(event: Event, field: str) -> str:
    return str(event.detail.get(field, ""))


def _many(event: Event, field: str, one: str) -> str:
    many: Any = event.detail.get(field)
    count = len(many) if isinstance(many, list) else 1
    return f"{count} {one}" if count == 1 else f"{count} {one}s"
