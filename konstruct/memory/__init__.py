"""What is remembered of a person, across conversations and channels: sayings word by word, and facts learned from them.

Everything is sealed under the contact's key, and its words are hashed under it; vectors are kept apart. Nothing here
asks a model: what a model made of a conversation is handed in.
"""

from konstruct.memory.keeping import Fact, forget, forget_person, remember, supersede, unlearn
from konstruct.memory.notes import notes, short_notes
from konstruct.memory.recalling import Question, Recalled, count_sayings, known_models, recall
from konstruct.memory.vectors import Unembedded, keep_vectors, to_embed, without_vector

__all__ = [
    "Fact",
    "Question",
    "Recalled",
    "Unembedded",
    "count_sayings",
    "forget",
    "forget_person",
    "keep_vectors",
    "known_models",
    "notes",
    "recall",
    "remember",
    "short_notes",
    "supersede",
    "to_embed",
    "unlearn",
    "without_vector",
]
