"""Files that agents send: judged before anything is kept, taken along once, and removed where nothing takes them."""

import io
import secrets
import zipfile
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

import pytest

from activities.fetching import Removing
from konstruct import consent
from konstruct.adapters.reading.pictures import SubprocessPictures
from konstruct.channels import CHANNELS
from konstruct.db import Database
from konstruct.errors import BadInput, Conflict, NotFound, Unavailable
from konstruct.files import keeping, showing, types
from konstruct.handoffs import enclosing
from konstruct.handoffs.enclosing import Enclosing, Upload
from konstruct.handoffs.entries import Enclosure, Origin, Written
from konstruct.handoffs.owning import Agent
from konstruct.identity import new_id
from konstruct.inbox import Accepted
from konstruct.tables import File, FileRemoval, Message
from konstruct.tables.base import utc_now
from konstruct.vault import Vault
from tests.support.doubles import KeptFiles
from tests.support.handoffs import GRACE, LINUS, an_origin, owned, seat, write
from tests.support.office import Office, open_office
from tests.support.pictures import picture

PDF = Upload("offer.pdf", "application/pdf", b"%PDF-1.7 canary")
PHOTO = Upload("box.png", "image/png", picture())


@dataclass
class Desk:
    office: Office
    store: KeptFiles
    enclosing: Enclosing
    asked: Accepted
    handoff_id: UUID

    async def ready(self, *uploads: Upload, origin: Origin | None = None, by: Agent = GRACE) -> list[Enclosure]:
        return await self.enclosing.make_ready(
            self.office.tenant_id, self.handoff_id, by, uploads, origin or an_origin()
        )

    async def send(self, *uploads: Upload, text: str = "", origin: Origin | None = None) -> Written:
        origin = origin or an_origin()
        ready = await self.ready(*uploads, origin=origin)
        return await write(self.office, self.handoff_id, text, origin=origin, files=ready)

    async def words(self) -> list[Message]:
        return [message for message in await self.office.messages("outbound") if message.author == "agent"]

    async def nothing_is_kept(self) -> bool:
        rows = [*await self.office.rows(File), *await self.office.rows(FileRemoval)]
        return not self.store.kept and not rows and not await self.words()


async def desk_at(office: Office) -> Desk:
    await seat(office)
    asked = await office.say("I want a person")
    store = KeptFiles()
    made = Enclosing(office.database, office.vault, store, SubprocessPictures(at_once=1))
    return Desk(office, store, made, asked, await owned(office, asked))


@pytest.fixture
async def desk(office: Office) -> Desk:
    return await desk_at(office)


@pytest.fixture
async def whatsapp(database: Database, vault: Vault) -> Desk:
    return await desk_at(await open_office(database, vault, kind="whatsapp", account=secrets.token_hex(8)))


class TestSending:
    async def test_files_go_behind_the_text_each_by_itself(self, desk: Desk) -> None:
        written = await desk.send(PDF, PHOTO, text="Here they are.")

        words = await desk.words()
        assert written.message_ids == [each.id for each in words]
        assert [(each.body, each.state, each.signed) for each in words] == [
            ("Here they are.", "pending", GRACE.name),
            ("", "pending", GRACE.name),
            ("", "pending", GRACE.name),
        ]
        assert words[0].sealed_files is None
        assert await self.enclosed(desk, words[1:]) == [(PDF.name, PDF.content), (PHOTO.name, PHOTO.content)]
        assert await desk.office.rows(FileRemoval) == []

    async def enclosed(self, desk: Desk, messages: list[Message]) -> list[tuple[str, bytes]]:
        found = []
        for message in messages:
            async with desk.office.session() as session:
                file = await keeping.enclosed(session, desk.office.vault, message.id)
            assert file is not None
            sealed = await desk.store.get(keeping.store_key(desk.office.tenant_id, file.object_id))
            found.append((file.name, file.cipher.open_bytes(keeping.CONTENT, file.object_id, sealed)))
        return found

    async def test_a_file_needs_no_text(self, desk: Desk) -> None:
        await desk.send(PDF)
        [message] = await desk.words()
        assert (message.body, message.sealed_files is not None) == ("", True)

    async def test_a_note_beside_a_file_stays_among_people(self, desk: Desk) -> None:
        written = await desk.send(PDF, text="// The old offer.")
        [message] = await desk.words()
        assert written.message_ids == [message.id]
        assert len(written.entry_ids) == 2

    async def test_what_lies_in_the_store_can_be_read_with_the_contacts_key_alone(self, desk: Desk) -> None:
        await desk.send(PDF)
        [content] = desk.store.kept.values()
        assert b"canary" not in content

    async def test_the_same_again_changes_nothing(self, desk: Desk) -> None:
        origin = an_origin()
        first = await desk.send(PDF, PHOTO, origin=origin)
        again = await desk.send(PDF, PHOTO, origin=origin)

        assert (again.is_new, again.message_ids) == (False, first.message_ids)
        assert len(await desk.words()) == len(desk.store.kept) == 2

    @pytest.mark.parametrize("changed", [(), (PDF,), (PHOTO, PDF), (PDF, PHOTO, PDF)])
    async def test_with_other_files_it_is_not_the_same_and_nothing_is_kept(
        self, desk: Desk, changed: tuple[Upload, ...]
    ) -> None:
        origin = an_origin()
        await desk.send(PDF, PHOTO, text="Here.", origin=origin)
        with pytest.raises(Conflict, match="This one was not"):
            await desk.send(*changed, text="Here.", origin=origin)
        assert len(await desk.words()) == 3
        assert len(desk.store.kept) == 2

    async def test_of_two_that_come_at_once_one_is_taken_and_the_others_files_are_removed(self, desk: Desk) -> None:
        origin = an_origin()
        ready = [await desk.ready(PDF, origin=origin) for _ in range(2)]
        written = [await write(desk.office, desk.handoff_id, "", origin=origin, files=each) for each in ready]

        assert [each.is_new for each in written] == [True, False]
        [left] = await desk.office.rows(FileRemoval)
        assert left.id == ready[1][0].object_id

    async def test_people_and_the_employee_see_that_a_file_was_sent(self, desk: Desk) -> None:
        await desk.send(PDF)
        [message] = await desk.words()
        assert message.contact_id is not None
        async with desk.office.session() as session:
            ciphers = await desk.office.vault.ciphers(session, [message.contact_id])
            files = (await showing.attached(session, ciphers, [message.id]))[message.id]
        assert showing.for_people("", files).strip() == "[File: offer.pdf, PDF, 15 bytes]"


class TestLettingGo:
    async def test_what_no_reply_takes_along_goes_from_the_store(self, desk: Desk) -> None:
        await desk.ready(PDF)
        [removal] = await desk.office.rows(FileRemoval)
        assert timedelta(minutes=55) < removal.due_at - utc_now() <= enclosing.KEPT_FOR

        removing = Removing(desk.office.database, desk.store)
        assert await removing.of_tenant(desk.office.tenant_id) == 0
        async with desk.office.session() as session:
            removal = await session.get_one(FileRemoval, (desk.office.tenant_id, removal.id))
            removal.due_at = utc_now() - timedelta(seconds=1)
        assert await removing.of_tenant(desk.office.tenant_id) == 1
        assert desk.store.kept == {}

    async def test_what_is_gone_by_then_is_asked_for_again(self, desk: Desk) -> None:
        ready = await desk.ready(PDF)
        async with desk.office.session() as session:
            await keeping.note_removed(session, [ready[0].object_id])
        with pytest.raises(Unavailable):
            await write(desk.office, desk.handoff_id, "Here", files=ready)
        assert await desk.words() == []

    async def test_a_store_that_is_away_keeps_the_reply_from_being_taken(self, desk: Desk) -> None:
        desk.store.is_away = True
        with pytest.raises(Unavailable):
            await desk.send(PDF, text="Here")
        assert await desk.words() == []
        assert len(await desk.office.rows(FileRemoval)) == 1


class TestRefusing:
    @pytest.mark.parametrize(
        ("upload", "says"),
        [
            (Upload("x.webp", "image/webp", picture(format="WEBP")), "as JPEG and PNG alone"),
            (Upload("box.png", "image/png", PHOTO.content + b"\0" * (5 * 1024 * 1024)), "at most 5 MB"),
            (Upload("x.mov", "video/quicktime", b"\x1aE\xdf\xa3"), "films as MP4 alone"),
            (Upload("x.wav", "audio/wav", b"RIFF\0\0\0\0WAVEfmt "), "recordings as MP3"),
            (Upload("invoice.pdf", "application/pdf", b"MZ\x90\0\3\0"), "save it as a PDF"),
            (Upload("empty.pdf", "application/pdf", b""), "is empty"),
        ],
        ids=["webp", "large", "film", "wav", "program", "empty"],
    )
    async def test_what_the_channel_does_not_take_is_refused_before_anything_is_kept(
        self, whatsapp: Desk, upload: Upload, says: str
    ) -> None:
        with pytest.raises(BadInput, match=says) as refused:
            await whatsapp.send(PDF, upload, text="Here")
        assert upload.name in str(refused.value)
        assert await whatsapp.nothing_is_kept()

    async def test_a_picture_that_cannot_be_looked_at_is_refused(self, desk: Desk) -> None:
        with pytest.raises(BadInput, match="no picture that can be looked at"):
            await desk.send(Upload("box.png", "image/png", PHOTO.content[:40]))
        assert await desk.nothing_is_kept()

    async def test_too_many_or_too_much_is_refused(self, desk: Desk) -> None:
        with pytest.raises(BadInput, match="At most 10 files"):
            await desk.send(*(PDF,) * 11)
        half = Upload("half.bin", "", b"\0" * (enclosing.MOST_BYTES // 2 + 1))
        with pytest.raises(BadInput, match="25 MB"):
            await desk.send(half, half)
        assert await desk.nothing_is_kept()

    async def test_who_does_not_have_the_conversation_sends_nothing(self, desk: Desk) -> None:
        with pytest.raises(Conflict, match=GRACE.name):
            await desk.ready(PDF, by=LINUS)
        assert await desk.nothing_is_kept()

    async def test_whoever_wants_no_more_messages_gets_no_files(self, desk: Desk) -> None:
        message = next(each for each in await desk.office.messages("inbound") if each.author == "contact")
        assert message.contact_id is not None
        async with desk.office.session() as session:
            await consent.opt_out(session, message.contact_id, by="contact")
        with pytest.raises(Conflict):
            await desk.ready(PDF)
        assert await desk.nothing_is_kept()

    async def test_there_must_be_such_a_handoff(self, desk: Desk) -> None:
        with pytest.raises(NotFound):
            await desk.enclosing.make_ready(desk.office.tenant_id, new_id(), GRACE, [PDF], an_origin())

    def test_a_channel_of_text_takes_none(self) -> None:
        with pytest.raises(BadInput, match="takes text alone"):
            enclosing.judged(CHANNELS["console"], [PDF])


def packed(*members: str) -> bytes:
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w") as archive:
        for member in members:
            archive.writestr(member, "x")
    return written.getvalue()


OPEN_XML = "application/vnd.openxmlformats-officedocument"


class TestKinds:
    @pytest.mark.parametrize(
        ("name", "content", "found"),
        [
            ("a.txt", b"%PDF-1.4", "application/pdf"),
            ("a.docx", packed("[Content_Types].xml", "word/document.xml"), f"{OPEN_XML}.wordprocessingml.document"),
            ("a", packed("[Content_Types].xml", "xl/workbook.xml"), f"{OPEN_XML}.spreadsheetml.sheet"),
            ("a", packed("[Content_Types].xml", "ppt/presentation.xml"), f"{OPEN_XML}.presentationml.presentation"),
            ("a.docx", packed("[Content_Types].xml", "word/document.xml", "word/vbaProject.bin"), "application/zip"),
            ("a.docx", packed("evil.exe"), "application/zip"),
            ("a.doc", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + "WordDocument".encode("utf-16-le"), "application/msword"),
            ("a.doc", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "application/octet-stream"),
            ("a.csv", b"a,b\n", "text/csv"),
            ("a.html", b"<html>", "text/html"),
            ("a.pdf", "Wörter".encode(), "text/plain"),
            ("a.txt", b"a\0b", "application/octet-stream"),
            ("a.txt", b"\xff\xfe\xfa", "application/octet-stream"),
            ("a.txt", PHOTO.content, "image/png"),
        ],
    )
    def test_the_content_decides(self, name: str, content: bytes, found: str) -> None:
        assert types.type_of(content, name) == found

    @pytest.mark.parametrize(
        ("name", "media_type", "cleaned"),
        [
            ("offer.pdf", "application/pdf", "offer.pdf"),
            ("C:\\Users\\ana\\offer.PDF", "application/pdf", "offer.PDF"),
            ("../../etc/passwd", "text/plain", "passwd"),
            ("of\u202efdp.exe", "application/octet-stream", "of fdp.exe"),
            ("photo.pdf", "image/png", "photo.pdf.png"),
            ("photo.jpeg", "image/jpeg", "photo.jpeg"),
            ("", "image/png", "file.png"),
            ("...", "text/plain", "file"),
            ("a\n\r\tb.txt", "text/plain", "a b.txt"),
            ("x" * 300 + ".pdf", "application/pdf", "x" * 116 + ".pdf"),
            ("\ud83d.txt", "text/plain", "?.txt"),
        ],
    )
    def test_a_name_is_plain_and_has_the_ending_of_its_kind(self, name: str, media_type: str, cleaned: str) -> None:
        assert types.clean_name(name, media_type) == cleaned

    def test_names_of_one_reply_are_told_apart(self) -> None:
        assert types.told_apart(["image.png", "IMAGE.png", "b", "b"], ["B"]) == [
            *("image.png", "IMAGE (2).png"),
            *("b (2)", "b (3)"),
        ]

    async def test_two_files_of_one_name_go_out_under_two(self, desk: Desk) -> None:
        await desk.send(PHOTO, PHOTO)
        await desk.send(PHOTO)
        async with desk.office.session() as session:
            names = [
                file.name
                for each in await desk.words()
                if (file := await keeping.enclosed(session, desk.office.vault, each.id)) is not None
            ]
        assert names == ["box.png", "box (2).png", "box (3).png"]
