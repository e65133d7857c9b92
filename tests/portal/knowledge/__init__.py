"""Pages of knowledge: what their tests share."""

from tests.support.members import Enrolled

RETURNS = "A bike can be returned within thirty days, unridden and with its papers."


def at(person: Enrolled, path: str = "") -> str:
    return f"/t/{person.slug}/knowledge{path}"
