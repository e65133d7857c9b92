"""What is collected only where the samples of real channels are at hand, and a Stripe that runs."""

import os
from collections.abc import AsyncIterator

import pytest

from tests.support.stripe_double import StripeDouble, stripe_double

collect_ignore = [] if os.environ.get("KONSTRUCT_CORPORA") else ["test_graph_corpora.py"]


@pytest.fixture
async def stripe() -> AsyncIterator[StripeDouble]:
    """Its time stands still, so that sums are exact."""
    async with stripe_double() as double:
        double.clock.freeze(1_800_000_000)
        yield double
