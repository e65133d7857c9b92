"""Placeholder."""

from konstruct.ports import Embedder
from konstruct.settings import Settings


class ConfiguredEmbedders:
    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def get(self, name: str) -> Embedder | None:
        return None
