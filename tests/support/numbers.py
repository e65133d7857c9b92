"""What the registry of this process counts, before and after: every test of a process adds to it."""

from prometheus_client import CollectorRegistry

from konstruct.observing.metrics import REGISTRY


class Counted:
    """What has been added since this was made."""

    def __init__(self, registry: CollectorRegistry = REGISTRY) -> None:
        self._registry = registry
        self._before = self._all()

    def of(self, name: str, **labels: str) -> float:
        """The sum of all samples of that name with these labels among theirs."""
        return sum(
            value - self._before.get((said, theirs), 0)
            for (said, theirs), value in self._all().items()
            if said == name and labels.items() <= dict(theirs).items()
        )

    def _all(self) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
        return {
            (sample.name, frozenset(sample.labels.items())): sample.value
            for family in self._registry.collect()
            for sample in family.samples
        }
