"""How a request to Stripe is written and refused: forms with brackets, errors, pages of lists, expansion.

- Form encoding, nested by brackets: https://docs.stripe.com/api
- Errors, their types and codes: https://docs.stripe.com/api/errors and https://docs.stripe.com/error-codes
- Pages of a list: https://docs.stripe.com/api/pagination
- Expansion, at most four levels deep, `data` of a list among them: https://docs.stripe.com/expand
"""

import copy
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

Json = dict[str, Any]

DEEPEST_EXPANSION = 4
_STEP = re.compile(r"\[([^\]]*)\]")


@dataclass
class Refusal(Exception):
    """An error as Stripe answers it."""

    message: str
    status: int = 400
    type: str = "invalid_request_error"
    code: str | None = None
    param: str | None = None
    more: Json = field(default_factory=dict)
    is_before_execution: bool = False
    """Nothing of it is kept under an idempotency key."""

    def body(self) -> Json:
        told = {"code": self.code, "message": self.message, "param": self.param, "type": self.type, **self.more}
        if self.code:
            told["doc_url"] = f"https://stripe.com/docs/error-codes/{self.code.replace('_', '-')}"
        return {"error": {name: value for name, value in told.items() if value is not None}}


def missing(kind: str, given: object, *, param: str = "id", status: int = 400) -> Refusal:
    """For an id that names nothing: 404 where it is in the path, 400 where it is a parameter."""
    return Refusal(f"No such {kind}: '{given}'", status=status, code="resource_missing", param=param)


def check_url(given: str | None, param: str) -> None:
    if given and not given.startswith(("http://", "https://")):
        raise Refusal("Not a valid URL", code="url_invalid", param=param)


def unfold(pairs: Iterable[tuple[str, str]]) -> Json:
    """``items[0][price]=x`` and ``expand[]=y`` as what they stand for."""
    found: Json = {}
    for name, value in pairs:
        first, bracket, rest = name.partition("[")
        steps = [first, *_STEP.findall(bracket + rest)]
        place = found
        for step, following in zip(steps, [*steps[1:], None], strict=True):
            key = str(len(place)) if step == "" else step
            if following is None:
                place[key] = value
                break
            inner = place.setdefault(key, {})
            if not isinstance(inner, dict):
                raise Refusal(f"Invalid parameter: {name}", param=first, is_before_execution=True)
            place = inner
    return {name: _as_list(value) for name, value in found.items()}


def _as_list(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    inner = {name: _as_list(each) for name, each in value.items()}
    if inner and all(name.isdigit() for name in inner):
        return [inner[name] for name in sorted(inner, key=int)]
    return inner


def shown(value: Any) -> Any:
    """A copy without what the double keeps for itself (names that begin with an underscore)."""
    if isinstance(value, dict):
        return {name: shown(each) for name, each in value.items() if not name.startswith("_")}
    if isinstance(value, list):
        return [shown(each) for each in value]
    return copy.copy(value)


def listed(found: Sequence[Json], params: Mapping[str, Any], url: str) -> Json:
    """A page, newest first. ``found`` is in the order of creation."""
    limit = params.get("limit", 10)
    if not 1 <= limit <= 100:
        raise Refusal("Limit must be between 1 and 100.", code="parameter_invalid_integer", param="limit")
    newest = list(reversed(found))
    ids = [each["id"] for each in newest]
    for cursor in ("starting_after", "ending_before"):
        if cursor in params and params[cursor] not in ids:
            raise missing("object", params[cursor], param=cursor)
    if "starting_after" in params:
        newest = newest[ids.index(params["starting_after"]) + 1 :]
        page, is_more = newest[:limit], len(newest) > limit
    elif "ending_before" in params:
        newest = newest[: ids.index(params["ending_before"])]
        page, is_more = newest[-limit:], len(newest) > limit
    else:
        page, is_more = newest[:limit], len(newest) > limit
    return {"object": "list", "url": url, "has_more": is_more, "data": page}


def sublist(items: list[Json], url: str) -> Json:
    return {"object": "list", "data": items, "has_more": False, "total_count": len(items), "url": url}


def expand(answer: Json, paths: Sequence[str], objects: Mapping[str, Json]) -> None:
    for path in paths:
        steps = path.split(".")
        if len(steps) > DEEPEST_EXPANSION:
            raise Refusal(f"You cannot expand more than {DEEPEST_EXPANSION} levels of a property. Property: {path}")
        _expand(answer, steps, path, objects)


def _expand(place: Any, steps: Sequence[str], path: str, objects: Mapping[str, Json]) -> None:
    if not steps or place is None:
        return
    if isinstance(place, list):
        for each in place:
            _expand(each, steps, path, objects)
        return
    if not isinstance(place, dict) or steps[0] not in place:
        raise Refusal(f"This property cannot be expanded ({path}).", param="expand[0]")
    found = place[steps[0]]
    if isinstance(found, str):
        if found not in objects:
            raise Refusal(f"This property cannot be expanded ({path}).", param="expand[0]")
        found = place[steps[0]] = shown(objects[found])
    _expand(found, steps[1:], path, objects)
