"""Rehearsals over the API: a program tries a draft out in one of its own, and each message is said once."""

from uuid import uuid4

from sqlmodel import select

from konstruct.designs import drafting
from konstruct.rehearsals import steps
from konstruct.rehearsals.steps import Line, Thought
from konstruct.tables import Conversation, Rehearsal
from konstruct.vault import Vault
from tests.gateway.programs import Answer, Program, program_of
from tests.support.approvals import ask
from tests.support.office import Office

AT = "/employees/ada/rehearsal"


async def say(program: Program, text: str, key: str = "1") -> Answer:
    return await program.call("POST", f"{AT}/messages", {"text": text}, headers={"Idempotency-Key": key})


async def rehearsals(office: Office) -> list[Rehearsal]:
    async with office.session() as session:
        return list(await session.scalars(select(Rehearsal).order_by(Rehearsal.created_at)))  # type: ignore[arg-type]


async def test_a_message_is_said_once_and_waits_for_its_answer(program: Program, office: Office) -> None:
    nothing = await program.get(AT)
    said, again = await say(program, "When are you open?"), await say(program, "When are you open?")
    shown = (await program.get(AT)).body

    assert (nothing.status, "no rehearsal" in nothing.body["error"]) == (404, True)
    assert (said.status, said.body["is_new"], again.body) == (202, True, {**said.body, "is_new": False})
    assert [(line["author"], line["text"]) for line in shown["lines"]] == [("you", "When are you open?")]
    assert (shown["is_waiting"], shown["acts"], shown["is_behind"]) == (True, False, False)
    [rehearsal] = await rehearsals(office)
    async with office.session() as session:
        conversation = await session.get_one(Conversation, (office.tenant_id, rehearsal.conversation_id))
    assert conversation.is_rehearsal
    assert [event.actor for event in await office.events("rehearsal.started")] == ["api:back-office"]


async def test_two_programs_do_not_meet(program: Program, api: str, office: Office) -> None:
    second = await program_of(office, api, name="second")
    await say(program, "Of the first")
    other = await say(second, "Of the second")

    assert other.body["is_new"]
    assert [line["text"] for line in (await program.get(AT)).body["lines"]] == ["Of the first"]
    assert [line["text"] for line in (await second.get(AT)).body["lines"]] == ["Of the second"]


async def test_how_an_answer_came_about_is_told(program: Program, office: Office, vault: Vault) -> None:
    said = await say(program, "When are you open?")
    [rehearsal] = await rehearsals(office)
    turn_id = uuid4()
    thought = Thought(
        0, "demo/model", {"demo/model": [Line("system", "Be kind.")]}, ["remember"], problem="Slow today."
    )
    async with office.session() as session:
        await steps.keep(session, vault, rehearsal, turn_id, thought)
        message = (await office.messages("inbound"))[-1]
        row = await session.get_one(type(message), (office.tenant_id, message.id))
        row.turn_id, row.state = turn_id, "taken"

    under_way = (await program.get(AT)).body["under_way"]

    assert said.status == 202
    [told] = under_way["thoughts"]
    assert (told["model"], told["tools"], told["problem"]) == ("demo/model", ["remember"], "Slow today.")
    assert told["prompts"] == {"demo/model": [{"role": "system", "content": "Be kind.", "calls": []}]}


async def test_another_one_is_begun_with_the_draft_as_it_is(program: Program, office: Office) -> None:
    await say(program, "Hello")
    async with office.session() as session:
        draft = await drafting.read(session, "ada")
        await drafting.save(session, "ada", {**draft.content, "greeting": "Hi"}, revision=draft.revision, actor="test")

    behind = (await program.get(AT)).body
    begun = await program.post(AT, {"acts": True})

    assert behind["is_behind"]
    assert (begun.status, begun.body["lines"], begun.body["acts"], begun.body["is_behind"]) == (201, [], True, False)
    assert len(await rehearsals(office)) == 2
    simulating = await program.call("PUT", f"{AT}/acts", {"acts": False})
    assert (simulating.status, simulating.body["acts"]) == (200, False)
    assert [event.actor for event in await office.events("rehearsal.simulates")] == ["api:back-office"]


async def test_it_is_stopped_and_forgotten(program: Program, office: Office) -> None:
    await say(program, "Hello")

    assert (await program.post(f"{AT}/stop")).status == 204
    assert (await program.call("DELETE", AT)).status == 204
    shown = (await program.get(AT)).body
    assert "Hello" not in str(shown)
    assert [event.actor for event in await office.events("contact.erased")] == ["api:back-office"]


async def test_what_cannot_answer_is_not_tried_out(program: Program) -> None:
    made = await program.call("POST", "/employees", {"name": "Otis"}, headers={"Idempotency-Key": "o"})
    path = f"/employees/{made.body['key']}/rehearsal"

    answer = await program.call("POST", f"{path}/messages", {"text": "Hi"}, headers={"Idempotency-Key": "1"})

    assert (answer.status, "cannot be tried out yet" in answer.body["error"]) == (422, True)
    await program.post(f"/employees/{made.body['key']}/archive")
    assert (await program.post(path, {})).status == 409


async def test_a_contacts_approval_is_not_decided_here(program: Program, office: Office) -> None:
    waiting = await ask(office)
    decision = {"is_yes": True, "fingerprint": waiting.fingerprint}

    answer = await program.post(f"{AT}/approvals/{waiting.approval_id}", decision)

    assert answer.status == 404
    assert (await program.get(f"/approvals/{waiting.approval_id}")).body["state"] == "waiting"
