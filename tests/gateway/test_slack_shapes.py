"""Whatever shape a signed event has, Slack gets a 200: a refusal would only bring it again."""

import json
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.gateway.office import Office
from tests.support.slack_double import SlackDouble

scalars = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=9)
)
anything: st.SearchStrategy[Any] = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3)
)
TYPES = st.sampled_from(
    ["message", "app_mention", "app_home_opened", "agent_session_stopped", "tokens_revoked", "function_executed"]
)
SUBTYPES = st.sampled_from([None, "file_share", "message_changed", "message_deleted", "bot_message"])
MESSAGES = st.fixed_dictionaries(
    {"ts": st.just("1.000001") | anything, "user": st.just("U1") | anything, "text": st.just("hello") | anything},
    optional={
        "blocks": anything,
        "files": anything,
        "attachments": anything,
        "thread_ts": anything,
        "subtype": anything,
    },
)
INNER = st.builds(
    lambda message, event: message | event,
    MESSAGES,
    st.fixed_dictionaries(
        {"type": TYPES | anything, "channel": st.just("D1") | anything},
        optional={
            "subtype": SUBTYPES | anything,
            "channel_type": st.just("im") | anything,
            "message": MESSAGES | anything,
            "previous_message": MESSAGES | anything,
            "deleted_ts": anything,
            "tab": st.just("messages") | anything,
            "tokens": anything,
            "bot_id": anything,
        },
    ),
)


@given(data=st.data())
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_a_signed_event_of_any_shape_is_answered_200(
    slack: SlackDouble, office: Office, data: st.DataObject
) -> None:
    envelope = slack.envelope(data.draw(INNER | anything))
    changed = data.draw(
        st.dictionaries(st.sampled_from([*envelope, "enterprise", "team", "user"]), anything, max_size=1)
    )

    assert (await slack.send(envelope | changed)).status == 200


@given(body=st.binary(max_size=200) | anything.map(lambda value: json.dumps(value).encode()))
@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_a_signed_body_of_any_kind_is_answered_200(slack: SlackDouble, gateway: str, body: bytes) -> None:
    assert (await slack.post(f"{gateway}/slack/events", body)).status == 200
    form = "application/x-www-form-urlencoded"
    assert (await slack.post(f"{gateway}/slack/interactivity", body, content_type=form)).status == 200
