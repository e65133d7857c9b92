"""What Slack still knows of answers that we do not: each with its id, its words and its time; notices are none."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from konstruct.adapters.slack import SlackMessenger
from konstruct.ports import ChannelAccount, Thread
from tests.konstruct.adapters.slack_place import outgoing
from tests.support.slack_double import SlackDouble


async def test_answers_that_stand_in_the_thread_are_told_in_their_order(
    slack: SlackDouble, messenger: SlackMessenger, account: ChannelAccount, thread: Thread
) -> None:
    since = datetime.now(UTC) - timedelta(minutes=1)
    first, notice = outgoing("It is at **nine** & ten."), replace(outgoing("Wait, please."), is_notice=True)
    known, second = outgoing("Hello."), outgoing("And on Sundays.")
    for message in (known, first, notice, second):
        await messenger.send(account, thread, message)

    found = await messenger.answers_since(account, thread, since, {known.message_id})

    assert [(each.message_id, each.text) for each in found] == [
        (first.message_id, "It is at **nine** & ten."),
        (second.message_id, "And on Sundays."),
    ]
    posted = slack.bot_messages("C1", thread_ts=thread.root)
    assert [each.external_id for each in found] == [posted[1]["ts"], posted[3]["ts"]]
    assert all(since < each.at < datetime.now(UTC) + timedelta(minutes=1) for each in found)


async def test_a_notice_is_found_as_every_message_is(
    messenger: SlackMessenger, account: ChannelAccount, thread: Thread
) -> None:
    notice = replace(outgoing("Wait, please."), is_notice=True)
    ts = await messenger.send(account, thread, notice)
    assert await messenger.find(account, thread, notice) == ts
