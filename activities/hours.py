"""What is answered outside an employee's hours: its own sentence, and no model is asked."""

from activities.begun import Answered, Begun
from konstruct import employees
from konstruct.contracts.conversation import ThinkRequest
from konstruct.tables.base import utc_now


def away(request: ThinkRequest, begun: Begun) -> Answered | None:
    """None within its hours, and for what was begun within them: a turn that has used tools, an answer that a person
    released, or news of what was asked for before."""
    turn = begun.turn
    asks = any(said.author == "contact" and said.seq in turn.asked_seqs for said in turn.said)
    if request.step or begun.released or not asks:
        return None
    text = employees.away(turn.employee, turn.time_zone, utc_now())
    if begun.seen is not None:
        # A draft can be tried out at any hour; what contacts would read now is noted.
        begun.seen.away = text or ""
        return None
    return None if text is None else Answered(text, "", is_away=True)
