"""Approvals and questions on their pages: shown whole, decided once by who may, on exactly what was shown."""

import asyncio
import html
import re
from datetime import timedelta
from typing import Any

import httpx
import pytest
from temporalio.client import Client, WorkflowExecutionStatus

from konstruct import consults
from konstruct.accounts.permissions import Role
from konstruct.contracts import approvals as contracts
from konstruct.db import Database
from konstruct.settings import Settings
from konstruct.tables import Approval, Tenant
from konstruct.vault import Vault
from tests.portal.channels import sign_in
from tests.portal.conftest import browser
from tests.support import approvals
from tests.support.approvals import Waiting
from tests.support.consults import PEOPLE, QUESTION, ask, row, set_desk
from tests.support.members import Enrolled, enrolled
from tests.support.office import Office

_ALERT: re.Pattern[str] = re.compile(r'class="alert" data-tone="danger".*?<p>(.*?)</p>', re.DOTALL)


@pytest.fixture
async def waiting(office: Office) -> Waiting:
    return await approvals.ask(office)


async def member(office: Office, role: Role = "owner", **more: Any) -> Enrolled:
    return await enrolled(office.database, office.vault, role, office.tenant_id, **more)


async def page(portal: httpx.AsyncClient, who: Enrolled, path: str = "") -> str:
    sign_in(portal, who)
    answer = await portal.get(f"/t/{who.slug}/approvals{path}")
    assert answer.status_code == 200
    return answer.text


async def decided(
    portal: httpx.AsyncClient, who: Enrolled, waiting: Waiting, decision: str = "yes", **more: str
) -> httpx.Response:
    sign_in(portal, who)
    data = {"fingerprint": waiting.fingerprint, "decision": decision} | more
    return await portal.post(f"/t/{who.slug}/approvals/{waiting.approval_id}/decide", data=data)


def told(answer: httpx.Response) -> str:
    [sentence] = _ALERT.findall(answer.text)
    return html.unescape(str(sentence))


async def state(office: Office, waiting: Waiting) -> Approval:
    async with office.session() as session:
        return await session.get_one(Approval, (office.tenant_id, waiting.approval_id))


async def test_what_is_asked_is_shown_whole_with_what_cannot_be_seen_spelt_out(
    portal: httpx.AsyncClient, office: Office
) -> None:
    waiting = await approvals.ask(office, {"text": "x" * 50_000 + "end", "odd": "a\u202eb", "html": "<b>"})
    shown = await page(portal, await member(office))
    assert "x" * 50_000 + "end" in shown
    assert r"a\u202eb" in shown
    assert "&lt;b&gt;" in shown
    assert "It moves money." in shown
    assert "refund_order" in shown
    assert waiting.fingerprint in shown
    assert "Changes something" in shown


@pytest.mark.parametrize(("decision", "becomes", "call"), [("yes", "approved", "ready"), ("no", "denied", "denied")])
async def test_a_member_decides_and_the_employee_is_told(
    portal: httpx.AsyncClient,
    office: Office,
    waiting: Waiting,
    temporal_client: Client,
    decision: str,
    becomes: str,
    call: str,
) -> None:
    agent = await member(office, "agent", name="Chiara Rossi")

    answer = await decided(portal, agent, waiting, decision, note="As agreed.")

    assert answer.status_code == 303
    kept = await state(office, waiting)
    assert (kept.state, kept.decided_by) == (becomes, agent.actor)
    workflow_id = contracts.workflow_id(office.tenant_id, waiting.approval_id)
    told_of = await temporal_client.get_workflow_handle(workflow_id).describe()
    assert told_of.status is WorkflowExecutionStatus.RUNNING
    [event] = await office.events(f"approval.{becomes}")
    assert event.actor == agent.actor
    assert "As agreed." not in str(event.detail)
    shown = await page(portal, agent, "/history")
    assert "Chiara Rossi" in shown
    assert "As agreed." in shown
    assert "Chiara Rossi said" in await page(portal, agent, f"/{waiting.approval_id}")
    assert "Nothing waits for a yes" in await page(portal, agent)


async def test_what_was_changed_since_it_was_shown_is_not_decided(
    portal: httpx.AsyncClient, office: Office, waiting: Waiting
) -> None:
    owner = await member(office)

    answer = await decided(portal, owner, Waiting(waiting.approval_id, "f" * 32), note="Keep this")

    assert answer.status_code == 409
    assert "something else than what is asked" in told(answer)
    assert 'value="Keep this"' in answer.text
    assert (await state(office, waiting)).state == "waiting"


async def test_of_two_who_decide_at_once_the_second_reads_who_did(
    portal: httpx.AsyncClient, settings: Settings, office: Office, waiting: Waiting
) -> None:
    people = [await member(office, "agent", name=name) for name in ("Ana Duarte", "Ben Okafor")]
    async with browser(settings) as other:
        answers = await asyncio.gather(
            decided(portal, people[0], waiting, "yes"), decided(other, people[1], waiting, "no")
        )
    assert sorted(each.status_code for each in answers) == [303, 409]
    kept = await state(office, waiting)
    first = next(each for each in people if each.actor == kept.decided_by)
    [late] = [each for each in answers if each.status_code == 409]
    assert f"{first.name} said {'yes' if kept.state == 'approved' else 'no'} to it before you" in told(late)


async def test_the_same_decision_once_more_changes_nothing_and_is_no_mistake(
    portal: httpx.AsyncClient, office: Office, waiting: Waiting
) -> None:
    owner = await member(office)
    assert (await decided(portal, owner, waiting)).status_code == 303
    assert (await decided(portal, owner, waiting)).status_code == 303
    assert len(await office.events("approval.approved")) == 1
    assert (await decided(portal, owner, waiting, "no")).status_code == 409


async def test_what_has_expired_is_not_decided(portal: httpx.AsyncClient, office: Office) -> None:
    late = await approvals.ask(office, expires_in=timedelta(seconds=-1))
    owner = await member(office)
    answer = await decided(portal, owner, late)
    assert answer.status_code == 409
    assert "expired" in told(answer)
    assert "refund_order" not in await page(portal, owner)


async def test_a_decision_is_yes_or_no(portal: httpx.AsyncClient, office: Office, waiting: Waiting) -> None:
    answer = await decided(portal, await member(office), waiting, "perhaps")
    assert answer.status_code == 422
    assert (await state(office, waiting)).state == "waiting"


async def test_viewers_see_it_and_decide_nothing(portal: httpx.AsyncClient, office: Office, waiting: Waiting) -> None:
    viewer = await member(office, "viewer")
    assert "/decide" not in await page(portal, viewer)
    assert (await decided(portal, viewer, waiting)).status_code == 403
    assert (await state(office, waiting)).state == "waiting"


async def test_where_a_tenant_names_who_decides_an_agent_must_be_among_them(
    portal: httpx.AsyncClient, office: Office, waiting: Waiting
) -> None:
    await approvals.let_decide(office, "UCHIARA")
    async with office.session() as session:
        tenant = await session.get_one(Tenant, office.tenant_id)
        tenant.desk = {"people": {"chiara": {"name": "Chiara", "slack": "UCHIARA", "email": "Chiara@desk.example"}}}
    other = await member(office, "agent")
    assert "/decide" not in await page(portal, other)
    answer = await decided(portal, other, waiting)
    assert answer.status_code == 403
    assert "Others were named" in told(answer)
    named = await member(office, "agent", email="chiara@desk.example")
    assert "/decide" in await page(portal, named)
    assert (await decided(portal, named, waiting)).status_code == 303
    # Whoever may change the list need not be on it.
    second = await approvals.ask(office, contact="U2")
    assert (await decided(portal, await member(office, "admin"), second)).status_code == 303


async def test_another_tenants_approval_is_not_there(
    portal: httpx.AsyncClient, database: Database, vault: Vault, waiting: Waiting, office: Office
) -> None:
    stranger = await enrolled(database, vault)
    assert "refund_order" not in await page(portal, stranger)
    assert (await decided(portal, stranger, waiting)).status_code == 404
    assert (await state(office, waiting)).state == "waiting"


async def test_a_held_back_answer_is_shown_as_text(portal: httpx.AsyncClient, office: Office) -> None:
    waiting = await approvals.ask(office, {"text": "You get 20 €.\nOn Monday."})
    async with office.session() as session:
        approval = await session.get_one(Approval, (office.tenant_id, waiting.approval_id))
        approval.tool = "send_reply"
    shown = await page(portal, await member(office))
    assert "You get 20 €.\nOn Monday.</blockquote>" in shown
    assert "wants to send this answer" in shown


async def test_history_is_narrowed_down_and_comes_in_pages(portal: httpx.AsyncClient, office: Office) -> None:
    owner = await member(office)
    for number in range(32):
        waiting = await approvals.ask(office, contact=f"U{number}")
        async with office.session() as session:
            row = await session.get_one(Approval, (office.tenant_id, waiting.approval_id))
            row.state = "denied" if number else "expired"
    first = await page(portal, owner, "/history")
    assert first.count('<details class="decided"') == 30
    [older] = re.findall(r'rel="next" href="([^"]+)"', first)
    rest = (await portal.get(html.unescape(older))).text
    assert rest.count('<details class="decided"') == 2
    only = await page(portal, owner, "/history?state=expired")
    assert only.count('<details class="decided"') == 1
    assert "No decision is like that" in await page(portal, owner, "/history?state=approved")


async def test_the_part_that_is_looked_at_again_comes_alone(
    portal: httpx.AsyncClient, office: Office, waiting: Waiting
) -> None:
    owner = await member(office)
    sign_in(portal, owner)
    part = (await portal.get(f"/t/{owner.slug}/approvals", headers={"hx-request": "true"})).text
    assert "<html" not in part
    assert str(waiting.approval_id) in part


@pytest.fixture
async def colleague(office: Office) -> Enrolled:
    """Ben, whom the desk knows by his address."""
    people = {**PEOPLE, "ben": {**PEOPLE["ben"], "email": f"ben-{office.tenant_id}@desk.example"}}
    await set_desk(office, people=people)
    return await member(office, "agent", email=f"ben-{office.tenant_id}@desk.example")


async def answered(portal: httpx.AsyncClient, who: Enrolled, consult_id: object, text: str) -> httpx.Response:
    sign_in(portal, who)
    return await portal.post(f"/t/{who.slug}/approvals/questions/{consult_id}", data={"text": text})


async def test_whoever_was_asked_answers_here(portal: httpx.AsyncClient, office: Office, colleague: Enrolled) -> None:
    asked = await ask(office)
    shown = await page(portal, colleague, "/questions")
    assert QUESTION in html.unescape(shown)
    assert "asks you" in shown

    answer = await answered(portal, colleague, asked.consult_id, "Yes, up to 50 €.")

    assert answer.status_code == 303
    kept = await row(office, asked.consult_id)
    assert kept.state == "answered"
    async with office.session() as session:
        assert (await consults.read(session, office.vault, asked.consult_id)).answer == "Yes, up to 50 €."
    # The same again changes nothing, and another one is too late.
    assert (await answered(portal, colleague, asked.consult_id, "Yes, up to 50 €.")).status_code == 303
    late = await answered(portal, colleague, asked.consult_id, "No.")
    assert late.status_code == 409
    assert "Yes, up to 50 €." in await page(portal, colleague, "/questions")


async def test_nobody_else_answers(portal: httpx.AsyncClient, office: Office, colleague: Enrolled) -> None:
    asked = await ask(office)
    other = await member(office)
    assert "<textarea" not in await page(portal, other, "/questions")
    answer = await answered(portal, other, asked.consult_id, "Me!")
    assert answer.status_code == 403
    assert "Ben Okoro was asked this" in told(answer)
    viewer = await member(office, "viewer")
    assert (await answered(portal, viewer, asked.consult_id, "Me!")).status_code == 403
    assert (await row(office, asked.consult_id)).state == "waiting"


async def test_an_empty_answer_is_told_of(portal: httpx.AsyncClient, office: Office, colleague: Enrolled) -> None:
    asked = await ask(office)
    answer = await answered(portal, colleague, asked.consult_id, "  ")
    assert answer.status_code == 422
    assert "There is no answer in this" in told(answer)
