"""Traces are exported where the environment says so, all of them; and whatever becomes of them stops nobody."""

import asyncio
import os
import sys
from collections.abc import Mapping

import pytest

from tests.support.collector_double import CollectorDouble
from tests.support.commands import CHECKOUT


async def ended(env: Mapping[str, str]) -> None:
    """Runs the process, which has to end well."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.konstruct.adapters.telemetry_process"),
        cwd=CHECKOUT,
        env={"PATH": os.environ["PATH"], **env},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    said, complained = await process.communicate()
    assert process.returncode == 0, complained.decode()
    assert said.endswith(b"Done.\n")


async def test_all_that_was_done_is_exported_at_the_end() -> None:
    async with CollectorDouble().running() as collector:
        await ended({"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url})
    assert [span.name for span in collector.spans] == ["work"] * 1_000
    assert {span.service for span in collector.spans} == {"konstruct-test"}


async def test_the_environment_may_name_the_service() -> None:
    async with CollectorDouble().running() as collector:
        await ended({"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url, "OTEL_SERVICE_NAME": "mine"})
    assert {span.service for span in collector.spans} == {"mine"}


@pytest.mark.parametrize(
    "more", [{}, {"OTEL_SDK_DISABLED": "true"}, {"OTEL_TRACES_EXPORTER": "none"}], ids=["unset", "disabled", "none"]
)
async def test_nothing_is_exported_unless_somebody_wants_it(more: dict[str, str]) -> None:
    async with CollectorDouble().running() as collector:
        await ended({**more, **({"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url} if more else {})})
    assert collector.asked == 0


async def test_a_collector_that_takes_nothing_stops_nobody() -> None:
    async with CollectorDouble(is_broken=True).running() as collector:
        await ended({"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url})
    assert collector.asked > 0
    assert collector.spans == []


async def test_a_collector_that_is_not_there_stops_nobody() -> None:
    await ended({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1"})
