"""Ports of this machine for servers of a test, which no other test and no other process of the tests draws."""

import os

from konstruct.embedded.loopback import free_port

_CANDIDATES = range(10_000, 20_000)
"""Beside those that the product's own processes draw from."""


def own_candidates() -> range:
    """The part of this process: pytest-xdist names and counts those that run tests side by side."""
    count = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    number = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    size = len(_CANDIDATES) // count
    return _CANDIDATES[number * size : (number + 1) * size]


def free_ports(*names: str) -> dict[str, int]:
    return {name: free_port() for name in names}
