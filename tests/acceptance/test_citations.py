"""What people in Slack are told of where an answer came from: the document, its link, and never another tenant's."""

import json
from typing import Any

import pytest

from tests.acceptance.town import Office, Town
from tests.support.commands import konstruct
from tests.support.model_doubles import Behaviour, tool_results

pytestmark = pytest.mark.stack

ASKED = "How long is the warranty of a bell?"


async def knowing_office(town: Town, hours: str) -> Office:
    """Its employee may look into a page of the web site, and into a file that is called as the other tenant's is."""
    help_page = {"kind": "page", "url": town.website.at("/warranty"), "title": "Help"}
    office = await town.new_office(
        tools=["search_knowledge"],
        knowledge=["help", "files"],
        sections={"knowledge": {"help": help_page, "files": {"kind": "files", "title": "Files"}}},
    )
    folder = town.folder / office.slug
    folder.mkdir()
    (folder / "hours.md").write_text(f"# Opening hours\n\n{hours}")
    for arguments in (("upload", str(folder / "hours.md"), "--wait"), ("sync", "help", "--wait")):
        outcome = await konstruct("knowledge", *arguments, "--tenant", office.slug, env=town.env)
        assert outcome.status == 0, outcome
    return office


def quotes(wanted: str) -> Behaviour:
    """Answers with the passage that holds what is wanted, and names it by the number under which it was shown."""

    def answer(messages: list[Any]) -> str:
        shown = tool_results(messages)[-1]
        number = next(part for part in shown.split("\n\n") if wanted in part).partition("]")[0].rpartition("[")[2]
        return f"{wanted} [{number}], and [99] says so too."

    return Behaviour(answer)


async def test_an_answer_names_the_page_that_it_came_from(town: Town) -> None:
    town.website.publish({"/warranty": "Bells have a warranty of two years."})
    office = await knowing_office(town, "We open at nine.")
    talk = office.talk()
    wanted = "Bells have a warranty of two years."
    town.models.turns("anthropic", ASKED, Behaviour(calls=[("search_knowledge", {"query": ASKED})]), quotes(wanted))

    await talk.mention(ASKED)

    [answer] = await talk.heard()
    said, _, sources = answer.partition("\n\n")
    assert said == f"{wanted} [1], and says so too."
    assert sources.startswith("[1] [")
    assert sources.endswith(f"]({town.website.at('/warranty')})")


async def test_documents_of_two_tenants_have_nothing_in_common_but_a_name(town: Town) -> None:
    town.website.publish({"/warranty": "Bells have a warranty of two years."})
    ours, theirs = await knowing_office(town, "We open at nine."), await knowing_office(town, "We open at eleven.")
    for office, hours in ((ours, "We open at nine."), (theirs, "We open at eleven.")):
        talk, question = office.talk(), f"When do you open, {office.slug}?"
        call = Behaviour(calls=[("search_knowledge", {"query": question})])
        town.models.turns("anthropic", question, call, quotes(hours))

        await talk.mention(question)

        [answer] = await talk.heard()
        assert answer.startswith(f"{hours} [1]")
        assert answer.endswith("[1] Opening hours")
    shown = [json.dumps(call.body) for call in town.models.calls]
    assert [hours in "".join(shown) for hours in ("at nine", "at eleven")] == [True, True]
    assert not [body for body in shown if "at nine" in body and "at eleven" in body]
