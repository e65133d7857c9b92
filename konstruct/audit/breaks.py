"""Where a trail does not hold, in words that an operator understands; and whether one event continues another."""

from dataclasses import dataclass
from uuid import UUID

from konstruct.audit import chain
from konstruct.audit.chain import Link


@dataclass(frozen=True)
class Break:
    what: str
    chain_id: UUID | None = None
    seq: int | None = None
    event_id: UUID | None = None
    seal: int | None = None

    def __str__(self) -> str:
        names = {"chain": self.chain_id, "seq": self.seq, "event": self.event_id, "seal": self.seal}
        place = ", ".join(f"{name} {value}" for name, value in names.items() if value is not None)
        return f"{place}: {self.what}" if place else self.what


class Broken(Exception):
    """Ends a verification at the first break."""

    def __init__(self, found: Break) -> None:
        super().__init__(str(found))
        self.found = found


@dataclass
class Place:
    """How far a chain has been followed."""

    chain_id: UUID
    seq: int = 0
    hash: bytes = chain.START

    def follow(self, link: Link, own: bytes, *, gaps: bool = False) -> None:
        """Goes on to the next event, whose hash is said to be ``own``.

        Args:
            gaps: Events may be missing in between; what stands side by side must fit all the same.

        Raises:
            Broken: it is not as it was written, or does not continue the chain.
        """
        if link.hash() != own:
            raise self._broken(link, "its hash is not that of what it says, so something in it was changed")
        if link.seq <= self.seq or (not gaps and link.seq != self.seq + 1):
            before = f"seq {self.seq}" if self.seq else "the chain's start"
            raise self._broken(link, f"it stands right behind {before}, so what was in between was removed")
        if link.seq == self.seq + 1 and link.prev != self.hash:
            raise self._broken(link, f"it does not continue seq {self.seq}, so one of the two was changed")
        self.seq, self.hash = link.seq, own

    def _broken(self, link: Link, what: str) -> Broken:
        return Broken(Break(what, link.chain_id, link.seq, link.id))
