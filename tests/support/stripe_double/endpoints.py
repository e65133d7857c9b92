"""The table of what the API answers: a method, a path, the type of its parameters, and the function that does it."""

import importlib
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from tests.support.stripe_double.wire import Json, listed
from tests.support.stripe_double.world import World


class Params(dict[str, Any]):
    """Notes which were looked at, so that the double never passes over one as if it had done what was asked for."""

    def __init__(self, given: Json) -> None:
        super().__init__(given)
        self.unread = set(given)

    def __getitem__(self, name: str) -> Any:
        self.unread.discard(name)
        return super().__getitem__(name)

    def __contains__(self, name: object) -> bool:
        self.unread.discard(str(name))
        return super().__contains__(name)

    def get(self, name: str, default: Any = None) -> Any:
        self.unread.discard(name)
        return super().get(name, default)

    def keys(self) -> Any:
        """For `dict(params)`: whoever takes them all looks at them all."""
        self.unread.clear()
        return super().keys()

    def __iter__(self) -> Iterator[str]:
        self.unread.clear()
        return super().__iter__()


@dataclass
class Call:
    world: World
    params: Json
    ids: dict[str, str] = field(default_factory=dict)

    def named(self, step: str, kind: str) -> Json:
        """The object that the path names."""
        return self.world.find(kind, self.ids[step], status=404)


Handler = Callable[[Call], Json]


@dataclass(frozen=True)
class Endpoint:
    method: str
    path: str
    form_name: str
    """In `stripe.params`."""
    handler: Handler

    @cached_property
    def form(self) -> type:
        package, _, name = self.form_name.rpartition(".")
        found: type = getattr(importlib.import_module(f"stripe.params.{package}".rstrip(".")), name)
        return found

    @cached_property
    def pattern(self) -> re.Pattern[str]:
        return re.compile(re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", self.path))

    @property
    def is_literal(self) -> bool:
        return "{" not in self.path


ENDPOINTS: list[Endpoint] = []


def endpoint(method: str, path: str, form_name: str) -> Callable[[Handler], Handler]:
    def register(handler: Handler) -> Handler:
        ENDPOINTS.append(Endpoint(method, path, form_name, handler))
        return handler

    return register


def collection(path: str, kind: str, form_name: str, *filters: str) -> None:
    """A list by the fields of that name."""

    def answer(call: Call) -> Json:
        wanted: dict[str, Any] = {name: call.params[name] for name in filters if name in call.params}
        return listed(call.world.all_of(kind, **wanted), call.params, path)

    endpoint("GET", path, form_name)(answer)


def retrieval(path: str, kind: str, form_name: str) -> None:
    step = path.rpartition("{")[2].rstrip("}")
    endpoint("GET", path, form_name)(lambda call: call.named(step, kind))


def route(method: str, path: str) -> tuple[Endpoint, dict[str, str]] | None:
    """Words of a path come before what may be any id."""
    for one in sorted(ENDPOINTS, key=lambda each: not each.is_literal):
        if one.method == method and (found := one.pattern.fullmatch(path)):
            return one, found.groupdict()
    return None
