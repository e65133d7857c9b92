"""Whoever runs the product sees what it does: one message as one trace, numbers at each process, and what is away."""

from collections.abc import AsyncIterator
from contextlib import suppress

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from konstruct.embedded.loopback import free_port, require_free_port
from konstruct.errors import Misconfigured
from tests.acceptance.conftest import made_folder
from tests.acceptance.town import Office, Town, running_town
from tests.support.collector_double import CollectorDouble, Span
from tests.support.ports import free_ports
from tests.support.processes import kill, paused, until

PROCESSES = ("gateway", "portal", "worker", "background")
SAID = "Where does the heron nest in winter?"


def four_free_ports() -> int:
    while True:
        first = free_port()
        with suppress(Misconfigured):
            for port in range(first, first + 4):
                require_free_port("127.0.0.1", port, "")
            return first


@pytest.fixture(scope="module")
async def collector() -> AsyncIterator[CollectorDouble]:
    async with CollectorDouble().running() as collector:
        yield collector


@pytest.fixture(scope="module")
async def watched(collector: CollectorDouble) -> AsyncIterator[Town]:
    exported = {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url, "OTEL_BSP_SCHEDULE_DELAY": "100"}
    # FastAPI, left to itself, would export as well.
    exported |= {"FASTAPI_OTEL_AUTO_CONFIGURE": "true"}
    ports = free_ports("gateway_port", "portal_port", "ui_port", "refusing_port", "crm_port")
    with made_folder() as folder:
        async with running_town(folder, exported, **ports, metrics_port=four_free_ports()) as town:
            yield town


@pytest.fixture(scope="module")
async def office(watched: Town) -> Office:
    return await watched.new_office(name="Ada", role="Front desk", prompt="Acme sells bicycles.")


def address(town: Town, process: str, path: str) -> str:
    return f"http://127.0.0.1:{int(town.env['KONSTRUCT_METRICS_PORT']) + PROCESSES.index(process)}{path}"


async def asked(town: Town, process: str, path: str) -> httpx.Response:
    async with httpx.AsyncClient(trust_env=False, timeout=20) as client:
        return await client.get(address(town, process, path))


async def numbers(town: Town, process: str) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    """All samples that a process shows, by name and labels."""
    answer = await asked(town, process, "/metrics")
    assert answer.status_code == 200
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }


def of(found: dict[tuple[str, frozenset[tuple[str, str]]], float], name: str, **labels: str) -> float:
    """The sum of all samples of that name with these labels among theirs."""
    return sum(
        value for (said, theirs), value in found.items() if said == name and labels.items() <= dict(theirs).items()
    )


async def test_one_message_is_one_trace_from_webhook_to_channel(
    watched: Town, collector: CollectorDouble, office: Office
) -> None:
    talk = office.talk()
    await talk.mention(SAID)
    [answer] = await talk.heard()
    [conversation] = [row for row in await office.rows("conversations") if row["root"] == talk.root]

    def is_of_it(span: Span) -> bool:
        return span.attributes.get("konstruct.conversation_id") == str(conversation["id"])

    deliver = await collector.wait_for("deliver", is_of_it)
    think = await collector.wait_for("think", is_of_it)
    webhook = await collector.wait_for("POST /slack/events", lambda span: span.span_id == think.parent_id)
    assert (webhook.service, webhook.kind, webhook.parent_id) == ("konstruct-gateway", "SERVER", "")
    assert webhook.attributes["http.response.status_code"] == "200"
    for activity in (think, deliver):
        assert (activity.service, activity.kind, activity.trace_id) == (
            "konstruct-worker",
            "CONSUMER",
            webhook.trace_id,
        )
        assert activity.parent_id == webhook.span_id
        assert activity.attributes["konstruct.tenant_id"] == conversation["tenant_id"]

    model = next(span for span in collector.children(think) if span.name.startswith("chat "))
    assert model.kind == "CLIENT"
    assert model.attributes["gen_ai.operation.name"] == "chat"
    assert model.attributes["gen_ai.provider.name"] == "anthropic"
    assert model.attributes["gen_ai.request.model"] == "claude-sonnet-4-6"
    assert model.attributes["gen_ai.response.model"]
    assert int(model.attributes["gen_ai.usage.input_tokens"]) > 0
    assert int(model.attributes["gen_ai.usage.output_tokens"]) > 0

    [send] = [span for span in collector.children(deliver) if span.name == "send slack"]
    calls = collector.children(send)
    assert calls
    for call in calls:
        assert (call.name, call.kind) == ("POST", "CLIENT")
        assert call.attributes["server.address"] == "127.0.0.1"
        assert call.attributes["http.response.status_code"] == "200"

    of_trace = [span for span in collector.spans if span.trace_id == webhook.trace_id]
    assert {span.service for span in of_trace} == {"konstruct-gateway", "konstruct-worker"}
    # No other library made spans beside ours.
    assert {span.name for span in of_trace if span.kind == "SERVER"} == {"POST /slack/events"}
    assert "fastapi" not in "".join(span.name for span in collector.spans)
    for span in collector.spans:
        # Neither a path nor a query, which FastAPI's own would have; and nothing of probes.
        assert not any(name.startswith("url.") for name in span.attributes), span
        assert not span.name.endswith("/health/live")
        for private in (
            "heron",
            answer,
            "Ada",
            talk.user,
            talk.channel,
            office.workspace.bot_token,
            "chat.postMessage",
        ):
            assert private not in span.whole, span


async def test_all_four_processes_show_what_they_did(watched: Town, office: Office) -> None:
    talk = office.talk()
    await talk.mention("Hello!")
    await talk.heard()
    async with httpx.AsyncClient(trust_env=False) as client:
        await client.get(f"http://127.0.0.1:{watched.env['KONSTRUCT_PORTAL_PORT']}/sign-in?next=%2Fsecret")
        await client.get(f"http://127.0.0.1:{watched.env['KONSTRUCT_GATEWAY_PORT']}/api/v1/approvals/heron?secret=1")
    gateway, portal = await numbers(watched, "gateway"), await numbers(watched, "portal")
    assert of(gateway, "konstruct_http_requests_total", service="gateway", route="/slack/events", status="200") >= 1
    assert of(gateway, "konstruct_http_request_seconds_count", route="/slack/events") >= 1
    assert of(gateway, "konstruct_messages_received_total", channel="slack") >= 1
    assert of(gateway, "konstruct_http_requests_total", route="/api/v1/approvals/{approval_id}", status="401") == 1
    assert of(portal, "konstruct_http_requests_total", service="portal", route="/sign-in", method="GET") >= 1

    async def is_counted() -> bool:
        return of(await numbers(watched, "worker"), "konstruct_activities_total", activity="deliver", outcome="ok") >= 1

    await until(is_counted)
    worker = await numbers(watched, "worker")
    assert of(worker, "konstruct_activities_total", activity="think", outcome="ok") >= 1
    assert of(worker, "konstruct_turns_total", outcome="answered") >= 1
    assert of(worker, "konstruct_turn_seconds_count") >= 1
    asked_of = {"provider": "anthropic", "model": "claude-sonnet-4-6"}
    assert of(worker, "konstruct_model_calls_total", **asked_of, outcome="ok") >= 1
    assert of(worker, "konstruct_model_tokens_total", **asked_of, kind="input") > 0
    assert of(worker, "konstruct_model_tokens_total", **asked_of, kind="output") > 0
    assert of(worker, "konstruct_sends_total", channel="slack", outcome="ok") >= 1
    # Temporal's own, on the same page.
    assert of(worker, "temporal_activity_schedule_to_start_latency_seconds_count", task_queue="conversations") >= 1
    background = await numbers(watched, "background")
    assert ("konstruct_waiting", frozenset({("kind", "handoffs")})) in background
    for process in PROCESSES:
        found = await numbers(watched, process)
        assert of(found, "konstruct_build_info") == 1
        assert of(found, "process_cpu_seconds_total") > 0
        assert (await asked(watched, process, "/health/live")).status_code == 200
        tenants = [row["tenant_id"] for row in await office.rows("conversations")]
        shown = (await asked(watched, process, "/metrics")).text
        assert not any(private in shown for private in (office.slug, talk.user, talk.channel, *tenants))


@pytest.mark.parametrize("part", ["redis", "database"])
async def test_a_worker_is_ready_only_while_its_stores_answer(watched: Town, part: str) -> None:
    async def is_ready() -> bool:
        answers = [await asked(watched, process, "/health/ready") for process in ("worker", "background")]
        return all(answer.status_code == 200 for answer in answers)

    await until(is_ready, 60)
    async with paused(watched.up.process.pid):
        # Whatever would start it again has to wait.
        await kill(watched.up.child("valkey-server" if part == "redis" else "postgres"))
        for process in ("worker", "background"):
            answer = await asked(watched, process, "/health/ready")
            assert answer.status_code == 503
            assert answer.json()[part] == "away"
            assert answer.json()["worker"] == "ok"
            assert set(answer.json().values()) == {"ok", "away"}
            assert (await asked(watched, process, "/health/live")).status_code == 200
    await until(is_ready, 60)
