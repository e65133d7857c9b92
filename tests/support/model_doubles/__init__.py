"""Model providers that run on loopback: one HTTP server that speaks OpenAI's, Anthropic's and Ollama's formats.

async with ModelDoubles(keys={"anthropic": {"sk-ant-1"}}).running() as models:
    models.next("anthropic", Behaviour(fault=Fault.OVERLOADED))
    hanging = models.always("openai", Behaviour(fault=Fault.HANG_MID_STREAM))
    ...
    models.embeddings.next("ollama", Behaviour(fault=Fault.SERVER_ERROR))
    ...
    call = await models.wait_for_call(1, provider="openai")
    hanging.released.set()

Models that call tools, once for each question with that text, and then answer from what the tools said:

    models.turns(
        "anthropic",
        "opening hours",
        Behaviour(calls=[("search_knowledge", {"query": "opening hours"}), ("get_time", {})]),
        Behaviour(lambda messages: f"I found: {tool_results(messages)[-1]}"),
    )

Tools, calls and results that the vendor would refuse are refused, with 400. What a call was asked is in ``call.body``,
``call.messages`` and ``call.tool_names``.
"""

from tests.support.model_doubles.behaviour import Behaviour, Fault, Json, Vectors, content_text, echo
from tests.support.model_doubles.embeddings import bag_of_words
from tests.support.model_doubles.script import ModelCall, Provider
from tests.support.model_doubles.server import ModelDoubles
from tests.support.model_doubles.talk import calls_tools, tool_results

__all__ = [
    "Behaviour",
    "Fault",
    "Json",
    "ModelCall",
    "ModelDoubles",
    "Provider",
    "Vectors",
    "bag_of_words",
    "calls_tools",
    "content_text",
    "echo",
    "tool_results",
]
