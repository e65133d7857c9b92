"""Valkey, Temporal and the local model, each on its own."""

import os
import signal
import sys
from datetime import timedelta
from functools import partial
from pathlib import Path

import httpx
import pytest
import redis.asyncio
from redis.exceptions import AuthenticationError
from temporalio import workflow
from temporalio.client import Client
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from konstruct.embedded import temporal, valkey
from konstruct.embedded.loopback import free_port, http_answers
from konstruct.embedded.process import Program
from konstruct.embedded.supervisor import Supervisor
from tests.embedded.conftest import CHECKOUT, Sentences, children
from tests.support.workers import polling

pytestmark = pytest.mark.stack


async def test_valkey_serves_those_who_know_its_password(
    data_dir: Path, supervisor: Supervisor, sentences: Sentences
) -> None:
    server = valkey.prepared(data_dir)
    await supervisor.start(server.program)

    async with redis.asyncio.from_url(server.url) as client:
        await client.set("greeting", "hello")
        assert await client.get("greeting") == b"hello"
        assert (await client.config_get("maxmemory-policy"))["maxmemory-policy"] == "volatile-lru"
        pid = (await client.info("server"))["process_id"]
    async with redis.asyncio.from_url(f"redis://{server.url.partition('@')[2]}") as stranger:
        with pytest.raises(AuthenticationError):
            await stranger.ping()

    os.kill(pid, signal.SIGKILL)
    await sentences.heard("Valkey is ready again")

    async with redis.asyncio.from_url(server.url) as client:
        assert await client.get("greeting") is None


def test_valkeys_password_is_in_a_private_file_alone(data_dir: Path) -> None:
    server = valkey.prepared(data_dir)
    password = server.url.partition("@")[0].rpartition(":")[2]

    assert password not in " ".join(server.program.command)
    assert (data_dir / "valkey" / "valkey.conf").stat().st_mode & 0o777 == 0o600
    assert valkey.prepared(data_dir).url != server.url


@workflow.defn
class GreetingWorkflow:
    @workflow.run
    async def run(self, name: str) -> str:
        return f"Hello {name}"


async def greet(address: str, workflow_id: str) -> str:
    client = await Client.connect(address, namespace="trial")
    runner = UnsandboxedWorkflowRunner()
    async with polling(Worker(client, task_queue="trial", workflows=[GreetingWorkflow], workflow_runner=runner)):
        return await client.execute_workflow(
            GreetingWorkflow.run, "Ada", id=workflow_id, task_queue="trial", execution_timeout=timedelta(seconds=30)
        )


async def test_temporal_runs_a_workflow_and_remembers_it(data_dir: Path, sentences: Sentences) -> None:
    async with Supervisor(sentences) as supervisor:
        server = temporal.prepared(data_dir, "trial", free_port())
        await supervisor.start(server.program)
        assert await http_answers(f"http://127.0.0.1:{server.ui_port}/")
        assert await greet(server.address, "first") == "Hello Ada"

        os.kill(children(os.getpid())["temporal"], signal.SIGKILL)
        await sentences.heard("Temporal is ready again")
        assert await greet(server.address, "second") == "Hello Ada"

    async with Supervisor(sentences) as supervisor:
        server = temporal.prepared(data_dir, "trial", free_port())
        await supervisor.start(server.program)
        client = await Client.connect(server.address, namespace="trial")
        for workflow_id in ("first", "second"):
            assert await client.get_workflow_handle(workflow_id).result() == "Hello Ada"


async def test_the_local_model_answers_in_openais_format(tmp_path: Path, supervisor: Supervisor) -> None:
    port = free_port()
    address = f"http://127.0.0.1:{port}"
    await supervisor.start(
        Program(
            name="The local model",
            command=(sys.executable, "-m", "konstruct.embedded.model", "--port", str(port)),
            log=tmp_path / "logs" / "model.log",
            ready=partial(http_answers, f"{address}/health"),
            environment=os.environ | {"PYTHONPATH": str(CHECKOUT)},
        )
    )

    question = {
        "model": "smollm2",
        "messages": [{"role": "user", "content": "Say hello."}],
        "max_tokens": 12,
        "temperature": 0,
    }
    async with httpx.AsyncClient(base_url=address, timeout=60) as client:
        answer = (await client.post("/v1/chat/completions", json=question)).raise_for_status().json()
        prompts_of_others = await client.get("/slots")

    assert answer["model"] == "smollm2"
    assert answer["choices"][0]["message"]["content"].strip()
    assert answer["usage"]["completion_tokens"] <= 12
    assert prompts_of_others.is_client_error or prompts_of_others.is_server_error
