"""The file of anchors: only added to, private, and whole again after a crash in the middle of a line."""

import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography.fernet import Fernet
from pydantic import SecretStr

from konstruct.audit import anchors
from konstruct.audit.anchors import Restored
from konstruct.audit.signing import Signatures
from konstruct.errors import Misconfigured
from konstruct.identity import new_id
from konstruct.tables import AuditSeal

OLD, NEW = (SecretStr(Fernet.generate_key().decode()) for _ in range(2))
TENANT = new_id()


def seal(number: int, root: bytes = b"\x01") -> AuditSeal:
    return AuditSeal(
        tenant_id=TENANT, number=number, sealed_at=datetime.now(UTC), root=root * 32, previous=b"", leaves=1
    )


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "anchors" / "audit.ndjson"


def test_lines_are_added_to_a_file_that_nobody_else_may_read(path: Path) -> None:
    signatures = Signatures((NEW,))
    for number in (1, 2):
        anchors.append(path, [anchors.line(signatures, seal(number))])
    assert set(anchors.read([path], signatures).roots[TENANT]) == {1, 2}
    assert [stat.S_IMODE(each.stat().st_mode) for each in (path, path.parent)] == [0o600, 0o700]


def test_a_disk_that_is_full_is_said_in_a_sentence() -> None:
    signatures = Signatures((NEW,))
    with pytest.raises(Misconfigured, match="make room"):
        anchors.append(Path("/dev/full"), [anchors.line(signatures, seal(1))])


def test_a_file_that_is_not_there_says_nothing(path: Path) -> None:
    assert anchors.read([path], Signatures((NEW,))).roots == {}


def test_a_line_that_a_crash_cut_off_is_written_again_and_counts_once(path: Path) -> None:
    signatures = Signatures((NEW,))
    lines = [anchors.line(signatures, seal(number)) for number in (1, 2)]
    anchors.append(path, lines[:1])
    with path.open("a") as file:
        file.write(lines[1][:100])
    assert anchors.read([path], signatures).flaws == {}

    anchors.append(path, lines)

    found = anchors.read([path], signatures)
    assert (set(found.roots[TENANT]), found.flaws) == ({1, 2}, {})
    assert len(path.read_text().splitlines()) == 4


def test_a_line_that_is_no_anchor_is_a_flaw(path: Path) -> None:
    signatures = Signatures((NEW,))
    anchors.append(path, [anchors.line(signatures, seal(1))[:-1], anchors.line(signatures, seal(2))])
    assert anchors.read([path], signatures).flaws == {
        None: f"line 1 of {path} is no anchor: it was edited, or belongs to something else"
    }


def test_a_second_line_about_a_seal_must_say_the_same(path: Path) -> None:
    signatures = Signatures((NEW,))
    anchors.append(path, [anchors.line(signatures, seal(1)), anchors.line(signatures, seal(1, b"\x02"))])
    assert "line 2" in anchors.read([path], signatures).flaws[TENANT]


def test_what_an_older_key_signed_holds_until_the_key_is_taken_out(path: Path) -> None:
    anchors.append(path, [anchors.line(Signatures((OLD,)), seal(1))])
    assert anchors.read([path], Signatures((NEW, OLD))).flaws == {}
    assert "not in KONSTRUCT_ENCRYPTION_KEYS" in anchors.read([path], Signatures((NEW,))).flaws[TENANT]


def test_a_file_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "anchors").write_text("a file where the folder should be")
    with pytest.raises(Misconfigured, match=r"cannot be written to .*audit\.ndjson"):
        anchors.append(tmp_path / "anchors" / "audit.ndjson", ["{}"])


def restored(through: int, *, ago: timedelta = timedelta(0)) -> Restored:
    now = datetime.now(UTC) - ago
    return Restored(new_id(), now - timedelta(hours=1), now, through)


def test_seals_that_a_restored_database_lost_are_told_and_not_missed(path: Path) -> None:
    signatures = Signatures((NEW,))
    anchors.append(path, [anchors.line(signatures, seal(number)) for number in (1, 2, 3, 4)])
    put_back = restored(2)
    # On another machine's file, and with what was sealed anew since.
    anchors.append(path.with_name("other"), [anchors.line_of_restoration(signatures, TENANT, put_back)])
    anchors.append(path, [anchors.line(signatures, seal(3, b"\x02"))])

    found = anchors.read([path, path.with_name("other")], signatures)

    assert found.flaws == {}
    assert found.roots[TENANT] == {1: b"\x01" * 32, 2: b"\x01" * 32, 3: b"\x02" * 32}
    [known] = found.restored[TENANT]
    assert (known, known.lost) == (put_back, {3, 4})
    assert "seals 3 to 4, which were anchored, are gone with it" in str(known)


def test_what_came_after_a_restoration_is_missed_as_ever(path: Path) -> None:
    signatures = Signatures((NEW,))
    anchors.append(path, [anchors.line_of_restoration(signatures, TENANT, restored(2, ago=timedelta(hours=1)))])
    anchors.append(path, [anchors.line(signatures, seal(3)), anchors.line(signatures, seal(3, b"\x02"))])
    assert "another root" in anchors.read([path], signatures).flaws[TENANT]


def test_a_restoration_that_somebody_made_up_is_a_flaw(path: Path) -> None:
    anchors.append(path, [anchors.line_of_restoration(Signatures((OLD,)), TENANT, restored(0))])
    found = anchors.read([path], Signatures((NEW,)))
    assert "not in KONSTRUCT_ENCRYPTION_KEYS" in found.flaws[TENANT]
    assert found.restored == {}
