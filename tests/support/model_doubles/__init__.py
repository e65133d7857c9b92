"""Model providers that run on loopback: one HTTP server that speaks OpenAI's, Anthropic's and Ollama's formats.

async with ModelDoubles(keys={"anthropic": {"sk-ant-1"}}).running() as models:
    models.next("anthropic", Behaviour(fault=Fault.OVERLOADED))
    hanging = models.always("openai", Behaviour(fault=Fault.HANG_MID_STREAM))
    ...
    models.embeddings.next("ollama", Behaviour(fault=Fault.SERVER_ERROR))
    ...
    call = await models.wait_for_call(1, provider="openai")
    hanging.released.set()
"""

from tests.support.model_doubles.behaviour import Behaviour, Fault, Json, Vectors, content_text, echo
from tests.support.model_doubles.embeddings import bag_of_words
from tests.support.model_doubles.script import ModelCall, Provider
from tests.support.model_doubles.server import ModelDoubles

__all__ = [
    "Behaviour",
    "Fault",
    "Json",
    "ModelCall",
    "ModelDoubles",
    "Provider",
    "Vectors",
    "bag_of_words",
    "content_text",
    "echo",
]
