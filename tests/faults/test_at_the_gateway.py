"""The gateways' faults, a few of each, on one lab; and the programs that are wrong on purpose, which are found out."""

from collections.abc import AsyncIterator
from typing import Final

import pytest

from tests.faults import at_the_gateway, clocks, forgeries, repetitions
from tests.faults.catalogue import Entry, Outcome, Trial
from tests.faults.lab import Lab
from tests.faults.sharing import OnLab, gateways_lab

pytestmark = [pytest.mark.stack, pytest.mark.timeout(600)]
SEED = 20261129
# The gateway is started anew as seldom as can be: those come first that all want the same one.
ENTRIES: Final[tuple[Entry, ...]] = tuple(
    sorted(
        (*at_the_gateway.ENTRIES, *repetitions.ENTRIES, *clocks.ENTRIES, *forgeries.ENTRIES),
        key=lambda entry: ("F1", "F11", "F13", "F10", "F12-gateway", "F2").index(entry.id),
    )
)
TWINS: Final = {
    "F1": "lost",
    "F13": "accepted",
    # Last, as it takes from the database what keeps conversations apart.
    "F11": "conversations_too_many",
}
"""By entry, what its program that is wrong on purpose must be found to do. The other entries' are tried by
``make faults`` alone, as they take longer."""


@pytest.fixture(scope="module")
async def lab() -> AsyncIterator[Lab]:
    async with gateways_lab(SEED, gateways=1) as lab:
        yield lab


async def tried(trial: Trial | None, lab: Lab, times: int) -> Outcome:
    assert isinstance(trial, OnLab)
    return await trial.on(lab, times, SEED)


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.id)
async def test_nothing_is_amiss(lab: Lab, entry: Entry) -> None:
    outcome = await tried(entry.run, lab, entry.short)
    assert outcome.amiss == {}, outcome.counts()


async def test_who_believes_any_tenant_is_found_out(lab: Lab) -> None:
    trial = OnLab(forgeries.forged, forgeries.BELIEVES_ANY_TENANT)
    outcome = await trial.on(lab, 32, SEED)
    assert outcome.amiss.get("changed"), outcome.counts()


@pytest.mark.parametrize(("id_", "found"), TWINS.items(), ids=TWINS)
async def test_what_is_wrong_on_purpose_is_found_out(lab: Lab, id_: str, found: str) -> None:
    [entry] = [entry for entry in ENTRIES if entry.id == id_]
    outcome = await tried(entry.twin, lab, entry.short)
    assert outcome.amiss.get(found), outcome.counts()
