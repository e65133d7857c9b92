"""Clicks on approvals' cards: only those who may decide do, once, and everybody else is told why not."""

import asyncio
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

import pytest
from pydantic import SecretStr
from sqlmodel import select
from temporalio.client import Client, WorkflowExecutionStatus

from konstruct import connections
from konstruct.adapters.slack import SlackMessenger, open_session
from konstruct.adapters.slack_cards import APPROVE, DENY
from konstruct.contracts import approvals as approval_contracts
from konstruct.db import Database
from konstruct.identity import new_id
from konstruct.ports import ApprovalCard
from konstruct.tables import Approval, ToolCall
from konstruct.tables.base import utc_now
from tests.gateway.conftest import MakeEvents, OpenOffice, Quarantine, webhooks
from tests.gateway.office import Office
from tests.support import approvals
from tests.support.approvals import Waiting
from tests.support.http import serve
from tests.support.slack_double import Delivery, SlackDouble

MAY, MAY_TOO, MAY_NOT = "UGRACE", "ULINUS", "UEVE"


@dataclass(frozen=True)
class Desk:
    """Where cards are shown and clicked."""

    slack: SlackDouble
    office: Office
    url: str | None
    """Where clicks go; without, over Socket Mode."""

    async def show(self, waiting: Waiting) -> str:
        """Returns the card's ts."""
        card = ApprovalCard(
            waiting.approval_id, waiting.fingerprint, "Ada", "refund_order", "It moves money.", "{}", utc_now()
        )
        async with open_session() as session, self.office.session() as of_tenant:
            account = await connections.open_account(of_tenant, self.office.vault, self.office.connection_id)
            return await SlackMessenger(session, self.slack.api_url).show_approval(account, "C1", card)

    async def click(
        self, waiting: Waiting, user: str = MAY, action: str = APPROVE, *, value: str | None = None
    ) -> Delivery:
        ts = await self.show(waiting)
        return await self.slack.person_clicks(
            "C1",
            ts,
            user,
            action_id=action,
            value=waiting.value if value is None else value,
            url=self.url,
            team=self.office.workspace.team_id,
        )

    async def told(self, user: str = MAY, count: int = 1) -> str:
        whispers = await self.slack.wait_for_whisper(count)
        channel, who, sentence = whispers[-1]
        assert (channel, who) == ("C1", user)
        return sentence

    async def approval(self, waiting: Waiting) -> Approval:
        [row] = [row for row in await self.office.rows(Approval) if row.id == waiting.approval_id]
        return row


@pytest.fixture
async def desk(slack: SlackDouble, office: Office, gateway: str) -> Desk:
    await approvals.let_decide(office, MAY, MAY_TOO)
    return Desk(slack, office, f"{gateway}/slack/interactivity")


@pytest.fixture
async def waiting(desk: Desk) -> Waiting:
    return await approvals.ask(desk.office)


async def is_told(client: Client, office: Office, approval_id: UUID) -> bool:
    described = await client.get_workflow_handle(
        approval_contracts.workflow_id(office.tenant_id, approval_id)
    ).describe()
    return described.status is WorkflowExecutionStatus.RUNNING


@pytest.mark.parametrize(("action", "state"), [(APPROVE, "approved"), (DENY, "denied")])
async def test_who_may_decide_does_and_the_workflow_is_told(
    desk: Desk, waiting: Waiting, temporal_client: Client, action: str, state: str
) -> None:
    click = await desk.click(waiting, action=action)

    assert (click.status, click.body) == (200, "")
    decided = await desk.approval(waiting)
    assert (decided.state, decided.decided_by) == (state, f"slack:{MAY}")
    assert await is_told(temporal_client, desk.office, waiting.approval_id)
    assert desk.slack.world.whispers == []


async def test_a_click_comes_over_socket_mode_too(
    slack: SlackDouble, new_office: OpenOffice, make_events: MakeEvents
) -> None:
    office = await new_office()
    office.workspace.add_channel("C1")
    await approvals.let_decide(office, MAY)
    waiting = await approvals.ask(office)
    desk = Desk(slack, office, url=None)

    async with make_events(slack_app_token=SecretStr(slack.app_token)):
        await desk.click(waiting)
        await desk.click(waiting)
        assert "approved by" in await desk.told()

    assert (await desk.approval(waiting)).state == "approved"


async def test_who_may_not_decide_is_told_so_and_nobody_else_is(desk: Desk, waiting: Waiting) -> None:
    click = await desk.click(waiting, MAY_NOT)

    assert click.status == 200
    assert "not among those who may decide" in await desk.told(MAY_NOT)
    assert (await desk.approval(waiting)).state == "waiting"
    assert len(desk.slack.bot_messages("C1")) == 1


async def test_where_nobody_was_named_nobody_may(desk: Desk, waiting: Waiting) -> None:
    await approvals.let_decide(desk.office)

    await desk.click(waiting)

    assert "not among those" in await desk.told()
    assert (await desk.approval(waiting)).state == "waiting"


async def test_ids_of_people_are_those_of_the_chosen_connection_alone(desk: Desk, waiting: Waiting) -> None:
    await approvals.let_decide(desk.office, MAY, connection="another")

    await desk.click(waiting)

    assert "not decided in this workspace" in await desk.told()
    assert (await desk.approval(waiting)).state == "waiting"


async def test_of_two_at_once_one_decides_and_the_other_is_told_who(desk: Desk, waiting: Waiting) -> None:
    clicks = await asyncio.gather(desk.click(waiting, MAY, APPROVE), desk.click(waiting, MAY_TOO, DENY))

    assert {click.status for click in clicks} == {200}
    [(_, loser, sentence)] = await desk.slack.wait_for_whisper()
    decided = await desk.approval(waiting)
    assert decided.decided_by == f"slack:{MAY if loser == MAY_TOO else MAY_TOO}"
    assert decided.decided_by in sentence


async def test_a_double_click_decides_once(desk: Desk, waiting: Waiting) -> None:
    for _ in range(2):
        assert (await desk.click(waiting)).status == 200

    assert f"approved by slack:{MAY}" in await desk.told()
    assert len(await desk.office.events("approval.approved")) == 1


async def test_what_expired_cannot_be_decided(desk: Desk) -> None:
    waiting = await approvals.ask(desk.office, expires_in=timedelta(seconds=-1))

    await desk.click(waiting)

    assert "expired" in await desk.told()
    assert (await desk.approval(waiting)).decided_by is None


async def test_a_decision_on_something_else_does_not_count(desk: Desk, waiting: Waiting) -> None:
    await desk.click(waiting, value=f"{waiting.approval_id}:{'0' * 32}")

    assert "something else" in await desk.told()
    assert (await desk.approval(waiting)).state == "waiting"


@pytest.mark.parametrize("value", ["", "x", "'; drop table approvals; --", "0" * 36 + ":abc", "é:é", "\u2028"])
async def test_a_button_that_is_none_of_ours_is_answered_with_a_sentence(
    desk: Desk, waiting: Waiting, quarantine: Quarantine, value: str
) -> None:
    click = await desk.click(waiting, value=value)

    assert click.status == 200
    assert "cannot be used" in await desk.told()
    assert await quarantine() == []


async def test_an_approval_that_is_gone_is_answered_with_a_sentence(desk: Desk, waiting: Waiting) -> None:
    await desk.click(waiting, value=f"{new_id()}:{waiting.fingerprint}")

    assert "no such approval" in await desk.told()


async def test_another_tenants_approval_cannot_be_decided(desk: Desk, waiting: Waiting, new_office: OpenOffice) -> None:
    """Though the same person may decide in both."""
    theirs = await new_office()
    theirs.workspace.add_channel("C1")
    await approvals.let_decide(theirs, MAY)

    click = await Desk(desk.slack, theirs, desk.url).click(waiting)

    assert click.status == 200
    assert "no such approval" in await desk.told()
    assert (await desk.approval(waiting)).state == "waiting"


async def test_without_temporal_the_decision_stands(desk: Desk, waiting: Waiting, make_events: MakeEvents) -> None:
    nowhere = await Client.connect("127.0.0.1:1", lazy=True)

    async with make_events(temporal_client=nowhere) as events, serve(webhooks(events, desk.slack)) as url:
        click = await Desk(desk.slack, desk.office, f"{url}/slack/interactivity").click(waiting)

    assert click.status == 200
    assert (await desk.approval(waiting)).state == "approved"


async def test_without_a_database_the_click_is_not_acknowledged(
    desk: Desk, waiting: Waiting, make_events: MakeEvents
) -> None:
    nowhere = Database(SecretStr("postgresql://konstruct_app@127.0.0.1:1/konstruct"))

    async with make_events(database=nowhere) as events, serve(webhooks(events, desk.slack)) as url:
        click = await Desk(desk.slack, desk.office, f"{url}/slack/interactivity").click(waiting)

    assert click.status == 503
    assert (await desk.approval(waiting)).state == "waiting"


async def test_what_only_an_operator_can_mend_is_kept_aside_and_told_to_nobody(
    desk: Desk, waiting: Waiting, quarantine: Quarantine
) -> None:
    async with desk.office.session() as session:
        for call in await session.scalars(select(ToolCall)):
            call.sealed_arguments = b"no longer whole"

    click = await desk.click(waiting)

    assert click.status == 200
    [kept] = await quarantine()
    assert "cannot be opened" in kept.reason
    assert (await desk.approval(waiting)).state == "waiting"
    assert desk.slack.calls_of("chat.postEphemeral") == []


async def test_slack_is_answered_before_it_is_asked_to_tell_anybody(
    desk: Desk, waiting: Waiting, make_events: MakeEvents
) -> None:
    """Slack waits for three seconds, and here it would have to wait for itself."""
    desk.slack.hold_next("chat.postEphemeral")

    async with (
        make_events(cosmetic_time_limit=timedelta(minutes=1)) as events,
        serve(webhooks(events, desk.slack)) as url,
    ):
        click = await Desk(desk.slack, desk.office, f"{url}/slack/interactivity").click(waiting, MAY_NOT)
        await desk.slack.wait_for_call("chat.postEphemeral")

    assert click.status == 200


async def test_what_is_whispered_calls_nobody(desk: Desk, waiting: Waiting) -> None:
    await approvals.let_decide(desk.office, "U<!channel>")
    await desk.click(waiting, "U<!channel>")
    await approvals.let_decide(desk.office, MAY)
    await desk.click(waiting)

    assert "<" not in await desk.told()
