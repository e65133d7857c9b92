"""Whoever was sent to Slack is known again; whoever was not, is not."""

from dataclasses import replace
from datetime import timedelta
from uuid import uuid4

import pytest
from sqlmodel import update

from konstruct.connecting import slack_attempts
from konstruct.connecting.slack_attempts import Begun, Who
from konstruct.errors import BadInput, Conflict, NotAllowed
from konstruct.tables import SlackAttempt
from tests.support.office import Office

REDIRECT = "https://portal.example/channels/slack/callback"


@pytest.fixture
def who() -> Who:
    return Who(uuid4(), uuid4())


@pytest.fixture
async def begun(office: Office, who: Who) -> Begun:
    async with office.session() as session:
        return await slack_attempts.begin(
            session, office.tenant_id, who, employee_id=office.employee_id, redirect_uri=REDIRECT
        )


async def use(office: Office, state: str, who: Who, in_hand: str) -> SlackAttempt:
    async with office.session() as session:
        return await slack_attempts.use(session, state, who, in_hand)


async def test_an_attempt_is_good_once(office: Office, who: Who, begun: Begun) -> None:
    assert slack_attempts.tenant_of(begun.state) == office.tenant_id
    attempt = await use(office, begun.state, who, begun.in_hand)
    assert (attempt.employee_id, attempt.redirect_uri) == (office.employee_id, REDIRECT)

    with pytest.raises(Conflict, match="used already"):
        await use(office, begun.state, who, begun.in_hand)


async def test_somebody_else_uses_nothing_up(office: Office, who: Who, begun: Begun) -> None:
    for other in (replace(who, user_id=uuid4()), replace(who, session_id=uuid4())):
        with pytest.raises(NotAllowed):
            await use(office, begun.state, other, begun.in_hand)
    for in_hand in ("", "of another browser", begun.state, "ü"):
        with pytest.raises(NotAllowed, match="another browser"):
            await use(office, begun.state, who, in_hand)

    await use(office, begun.state, who, begun.in_hand)


async def test_what_was_not_begun_here_is_nothing(office: Office, who: Who, begun: Begun) -> None:
    for forged in (f"{office.tenant_id.hex}.forged", begun.state + "x", begun.state.upper()):
        with pytest.raises(BadInput, match="nothing that was begun"):
            await use(office, forged, who, begun.in_hand)
    for nonsense in ("", "x", "zz.zz", "é.é", "{}"):
        with pytest.raises(BadInput):
            slack_attempts.tenant_of(nonsense)


async def test_it_is_good_for_minutes(office: Office, who: Who, begun: Begun) -> None:
    async with office.session() as session:
        await session.execute(update(SlackAttempt).values(expires_at=SlackAttempt.expires_at - timedelta(minutes=11)))
    with pytest.raises(BadInput, match="more than ten minutes"):
        await use(office, begun.state, who, begun.in_hand)


async def test_only_digests_are_kept(office: Office, begun: Begun) -> None:
    [attempt] = await office.rows(SlackAttempt)
    kept = repr(attempt.model_dump())
    assert begun.state not in kept
    assert begun.in_hand not in kept
    assert begun.state not in repr(begun)
