"""Every workflow that a worker takes."""

from typing import Final

from workflows import queues, versioned

WORKFLOWS: Final[tuple[type, ...]] = tuple(
    each
    for name, each in vars(queues).items()
    # Those are others once more, with a promise about builds.
    if isinstance(each, type) and name.endswith("Workflow") and each.__module__ != versioned.__name__
)
