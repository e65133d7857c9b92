"""Notes among what agents write in a card's thread, as Slack delivers it: none of any of them goes to the contact."""

import random
import re

import pytest

from konstruct.handoffs import entries
from tests.gateway.office import Office
from tests.gateway.people import Floor, open_floor
from tests.support.handoffs import claim, hand_off
from tests.support.slack_double import SlackDouble

BEFORE = (
    *(
        "",
        " ",
        "\t",
        "\u3000",
        "\u200b",
        "\ufeff",
        "\u3164",
        "• ",
        "◦ ",
        "- ",
        "1. ",
        "&gt; ",
        "*",
        "_",
        "~",
        "`",
        "```",
    ),
    *("(", '"', "“", "» ", "… ", "🔒 ", ":lock: ", "<@ULINUS> ", "<@ULINUS|linus>: ", "<!here> ", "*&gt;* "),
)
MARKS = ("//", "///", "／／", "⁄⁄", "/\u200b/")
MESSAGES = 60


@pytest.fixture
async def floor(slack: SlackDouble, office: Office, gateway: str) -> Floor:
    return await open_floor(slack, office, gateway)


def mixed(chance: random.Random, number: int) -> tuple[str, list[str], list[str]]:
    """A message, what of it is for the contact, and what is not."""
    lines: list[str] = []
    said: list[str] = []
    noted: list[str] = []
    for line in range(chance.randint(1, 7)):
        word = f"{number}x{line}"
        if chance.random() < 0.5:
            noted.append(f"secret{word}")
            before = "".join(chance.choice(BEFORE) for _ in range(chance.randint(0, 4)))
            lines.append(f"{before}{chance.choice(MARKS)}{chance.choice((' ', ''))}{noted[-1]} https://a.example //")
        else:
            said.append(f"hello{word}")
            lines.append(f"{said[-1]} https://b.example // and more")
    return "\n".join(lines), said, noted


@pytest.mark.parametrize("seed", range(3))
async def test_whatever_agents_write_notes_stay_and_all_else_goes_once_and_in_order(floor: Floor, seed: int) -> None:
    chance = random.Random(seed)  # Lines, not secrets.
    handoff_id = await hand_off(floor.office, await floor.office.say("I want a person"))
    await floor.show(handoff_id)
    await claim(floor.office, handoff_id)
    said: list[str] = []
    noted: list[str] = []
    for number in range(MESSAGES):
        text, for_contact, for_people = mixed(chance, number)
        written = await floor.write(handoff_id, text)
        assert [delivery.status for delivery in written.deliveries] == [200]
        said += for_contact
        noted += for_people

    outgoing = "\n".join(await floor.said())
    assert "secret" not in outgoing
    assert re.findall(r"hello\w+", outgoing) == said
    async with floor.office.session() as session:
        rows = [row for row in await entries.of_handoff(session, handoff_id) if row.kind == "note"]
        kept = "\n".join([await entries.text(session, floor.office.vault, row.id) for row in rows])
    assert re.findall(r"secret\w+", kept) == noted
