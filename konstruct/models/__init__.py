"""The model pool: which models may be used, what fits into them, and asking them in order.

Reaches models through ``ports.ChatModel`` only; no vendor's SDK and no prompt text may be here.
"""

from konstruct.models.asking import Answer, ModelCall, ask
from konstruct.models.calls import read_arguments
from konstruct.models.context import count_tokens, fit
from konstruct.models.links import (
    Access,
    EmbeddingLink,
    SpeechLink,
    chain,
    embedding_link,
    providers,
    refused,
    speech_link,
)

__all__ = [
    "Access",
    "Answer",
    "EmbeddingLink",
    "ModelCall",
    "SpeechLink",
    "ask",
    "chain",
    "count_tokens",
    "embedding_link",
    "fit",
    "providers",
    "read_arguments",
    "refused",
    "speech_link",
]
