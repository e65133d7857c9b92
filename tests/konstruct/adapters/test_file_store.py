"""Where files are kept: a folder and a bucket that do the same, and say the same when they do not answer."""

import stat
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest
from pydantic import SecretStr

from konstruct.adapters import file_store
from konstruct.adapters.file_store import ObjectFileStore
from konstruct.errors import Misconfigured, NotFound, Unavailable
from konstruct.settings import Settings
from tests.support.s3_double import S3Double

KEY = "01a224c3-8e35-790f-88a2-306fd9179845/01a224c3-8e8b-7095-bcdc-6c4de421fcce"
CONTENT = bytes(range(256)) * 1_000


@pytest.fixture
async def bucket() -> AsyncIterator[S3Double]:
    double = S3Double()
    async with double.running():
        yield double


def of_bucket(bucket: S3Double, *, secret: str = "s3-secret", url: str = "") -> ObjectFileStore:
    settings = Settings(
        files_bucket=bucket.bucket,
        s3_endpoint=url or bucket.url,
        s3_access_key_id=bucket.key_id,
        s3_secret_access_key=SecretStr(secret),
    )
    return file_store.opened(settings, time_limit=timedelta(seconds=10))


@pytest.fixture(params=["folder", "bucket"])
def store(request: pytest.FixtureRequest, bucket: S3Double, tmp_path: Path) -> ObjectFileStore:
    return of_bucket(bucket) if request.param == "bucket" else file_store.opened(Settings(data_dir=tmp_path))


async def test_what_is_put_is_got_until_it_is_deleted(store: ObjectFileStore) -> None:
    await store.put(KEY, b"Before")
    await store.put(KEY, CONTENT)
    assert await store.get(KEY) == CONTENT
    await store.delete(KEY)
    await store.delete(KEY)
    with pytest.raises(NotFound):
        await store.get(KEY)


async def test_the_folder_lets_nobody_else_in_and_holds_no_half_a_file(tmp_path: Path) -> None:
    store = file_store.opened(Settings(data_dir=tmp_path))
    await store.put(KEY, CONTENT)
    folder = tmp_path / "files"
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert [path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()] == [KEY]


async def test_another_folder_is_a_setting(tmp_path: Path) -> None:
    await file_store.opened(Settings(data_dir=tmp_path, files_dir=tmp_path / "elsewhere")).put(KEY, CONTENT)
    assert (tmp_path / "elsewhere" / KEY).read_bytes() == CONTENT


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "files").write_text("in the way")
    with pytest.raises(Misconfigured, match="KONSTRUCT_FILES_DIR"):
        file_store.opened(Settings(data_dir=tmp_path))


def test_half_a_key_is_told() -> None:
    with pytest.raises(Misconfigured, match="set together"):
        file_store.opened(Settings(files_bucket="files", s3_access_key_id="AK"))


async def test_a_bucket_that_does_not_answer_is_asked_once(bucket: S3Double) -> None:
    bucket.failures = 1
    with pytest.raises(Unavailable):
        await of_bucket(bucket).put(KEY, CONTENT)
    assert len(bucket.requests) == 1


@pytest.mark.parametrize("trouble", ["a wrong secret", "nobody there"])
async def test_trouble_is_told_without_anything_of_the_request(bucket: S3Double, trouble: str) -> None:
    store = (
        of_bucket(bucket, secret="canary")
        if trouble == "a wrong secret"
        else of_bucket(bucket, url="http://127.0.0.1:9")
    )
    for attempt in (store.put(KEY, CONTENT), store.get(KEY), store.delete(KEY)):
        with pytest.raises(Unavailable) as raised:
            await attempt
        assert str(raised.value) == "The store for files does not answer."
    assert bucket.objects == {}
