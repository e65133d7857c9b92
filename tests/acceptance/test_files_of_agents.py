"""What agents send along arrives once, on either channel, whatever is killed meanwhile; and colleagues see it."""

import secrets
from typing import Any

import aiohttp
import pytest

from tests.acceptance.desks import ANNA, Desk, Place
from tests.acceptance.test_whatsapp import Business, business, standing_business
from tests.acceptance.town import Town, shown_text
from tests.support.model_doubles import Json
from tests.support.pictures import picture
from tests.support.processes import kill, until

__all__ = ["business", "standing_business"]

pytestmark = pytest.mark.stack

PDF = b"%PDF-1.7 the offer"


async def send(
    desk: Desk, handoff_id: str, *files: tuple[str, bytes], text: str = "", key: str = ""
) -> tuple[int, Any]:
    form = aiohttp.FormData({"agent": "anna", "text": text}, default_to_multipart=True)
    for name, content in files:
        form.add_field("files", content, filename=name, content_type="application/octet-stream")
    headers = {"Authorization": f"Bearer {desk.key}", "Idempotency-Key": key or secrets.token_hex(8)}
    url = f"{desk.gateway}/api/v1/handoffs/{handoff_id}/files"
    async with aiohttp.ClientSession() as session, session.post(url, data=form, headers=headers) as answer:
        return answer.status, await answer.json()


async def taken_over(desk: Desk, place: Place) -> tuple[str, Json]:
    card = await desk.card(place)
    await desk.press(card, ANNA, "claim")
    card = await desk.card(place, "Anna Berg has it")
    handoff_id = str((await desk.handoff(place))["id"])
    return handoff_id, card


async def test_in_slack_files_arrive_once_behind_the_words_though_the_worker_dies(town: Town, desk: Desk) -> None:
    talk = desk.office.talk()
    await desk.asked(talk)
    handoff_id, card = await taken_over(desk, talk)
    before = len(talk.messages())

    status, _ = await send(desk, handoff_id, ("offer.pdf", PDF), ("box.png", picture()), text="Here.", key="k")
    await kill(town.up.child("konstruct", "worker"))
    again, said = await send(desk, handoff_id, ("offer.pdf", PDF), ("box.png", picture()), text="Here.", key="k")

    assert (status, again, said["is_new"]) == (201, 200, False)
    await until(lambda: len(talk.messages()) >= before + 3, timeout=90)
    lines = await desk.thread(card, "[File: offer.pdf, PDF, 18 bytes]", "[File: box.png, PNG,")
    assert sum("offer.pdf" in line for line in lines) == 1
    # What would come twice had come before this.
    assert (await send(desk, handoff_id, ("last.pdf", PDF)))[0] == 201
    await until(lambda: any(file["name"] == "last.pdf" for each in talk.messages() for file in each.get("files", ())))
    words, *files = talk.messages()[before:]
    assert "Here." in shown_text(words)
    sent = [desk.office.workspace.files[file["id"]] for message in files for file in message["files"]]
    assert [(file.name, file.content) for file in sent] == [
        ("offer.pdf", PDF),
        ("box.png", picture()),
        ("last.pdf", PDF),
    ]


async def test_on_whatsapp_a_file_arrives_once_though_the_worker_dies_in_the_middle_of_the_send(
    town: Town, business: Business
) -> None:
    line, desk = business.line(), business.desk
    await line.say("I want to talk to a person, please.")
    handoff_id, card = await taken_over(desk, line)
    # That a person was asked for is said by then.
    before = len(await town.graph.wait_for_sent(business.number, line.person, timeout=40))

    released = town.graph.hold_next("messages", accepted=True)
    assert (await send(desk, handoff_id, ("offer.pdf", PDF)))[0] == 201
    await town.graph.wait_for_sent(business.number, line.person, before + 1, timeout=40)
    await kill(town.up.child("konstruct", "worker"))
    released.set()
    await town.graph.reported_all()
    assert (await send(desk, handoff_id, ("box.png", picture()), text="And the box."))[0] == 201

    offer, words, box = (await line.heard(before + 3))[before:]
    assert (offer.body["type"], offer.body["document"]["filename"]) == ("document", "offer.pdf")
    assert town.graph.world.media[offer.body["document"]["id"]].content == PDF
    assert "And the box." in words.text
    assert town.graph.world.media[box.body["image"]["id"]].content == picture()
    await desk.thread(card, "[File: offer.pdf", "[File: box.png")


async def test_what_whatsapp_does_not_take_is_said_and_nothing_goes_out(town: Town, business: Business) -> None:
    line, desk = business.line(), business.desk
    await line.say("I want to talk to a person, please.")
    handoff_id, _ = await taken_over(desk, line)
    before = len(await town.graph.wait_for_sent(business.number, line.person, timeout=40))

    status, said = await send(desk, handoff_id, ("offer.pdf", PDF), ("box.webp", picture(format="WEBP")), text="Here.")
    assert status == 422
    assert "“box.webp” cannot be sent here" in said["error"]
    await line.say("Hello?")
    await desk.thread(await desk.card(line), "Hello?")
    assert len(town.graph.sent(business.number, line.person)) == before
