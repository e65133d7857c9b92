"""FileStore over obstore: a folder of this machine, or a bucket of S3 or of a server that is compatible with it."""

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING, Final

import obstore
import structlog
from obstore.exceptions import BaseError
from obstore.store import LocalStore, S3Store

from konstruct.errors import Misconfigured, NotFound, Unavailable
from konstruct.settings import Settings

if TYPE_CHECKING:
    # Where it runs, obstore has no such names.
    from obstore.store import ClientConfig, ObjectStore, S3Config

log = structlog.get_logger(__name__)

TIME_LIMIT: Final = timedelta(seconds=30)


class ObjectFileStore:
    def __init__(self, store: "ObjectStore", *, time_limit: timedelta = TIME_LIMIT) -> None:
        self._store = store
        self._time_limit = time_limit.total_seconds()

    async def put(self, key: str, content: bytes) -> None:
        try:
            async with asyncio.timeout(self._time_limit):
                # A file is whole before it has its name, and an object is there whole or not at all.
                await obstore.put_async(self._store, key, content)
        except (BaseError, OSError, TimeoutError) as error:
            raise _unavailable(error) from None

    async def get(self, key: str) -> bytes:
        try:
            async with asyncio.timeout(self._time_limit):
                found = await obstore.get_async(self._store, key)
                return bytes(await found.bytes_async())
        except FileNotFoundError:
            raise NotFound("The file is not kept any more.") from None
        except (BaseError, OSError, TimeoutError) as error:
            raise _unavailable(error) from None

    async def delete(self, key: str) -> None:
        try:
            async with asyncio.timeout(self._time_limit):
                await obstore.delete_async(self._store, key)
        except (BaseError, OSError, TimeoutError) as error:
            # Of a bucket it would say that the bucket is missing.
            if isinstance(error, FileNotFoundError) and isinstance(self._store, LocalStore):
                return
            raise _unavailable(error) from None


def _unavailable(error: Exception) -> Unavailable:
    """obstore's own words quote whole requests."""
    log.warning("file_store.failed", error=type(error).__name__)
    return Unavailable("The store for files does not answer.")


def opened(settings: Settings, *, time_limit: timedelta = TIME_LIMIT) -> ObjectFileStore:
    """Raises Misconfigured when the folder cannot be made, or half of a key is missing."""
    if settings.files_bucket is None:
        return ObjectFileStore(_folder(settings), time_limit=time_limit)
    if (settings.s3_access_key_id is None) != (settings.s3_secret_access_key is None):
        raise Misconfigured("KONSTRUCT_S3_ACCESS_KEY_ID and KONSTRUCT_S3_SECRET_ACCESS_KEY are set together or not.")
    # Not every compatible server knows how to delete several at once.
    config: S3Config = {"region": settings.s3_region, "disable_bulk_delete": True}
    if settings.s3_endpoint is not None:
        config |= {"endpoint": settings.s3_endpoint}
    if settings.s3_access_key_id is not None and settings.s3_secret_access_key is not None:
        config |= {
            "access_key_id": settings.s3_access_key_id,
            "secret_access_key": settings.s3_secret_access_key.get_secret_value(),
        }
    client: ClientConfig = {
        "allow_http": (settings.s3_endpoint or "").startswith("http://"),
        "connect_timeout": timedelta(seconds=5),
        "timeout": time_limit,
    }
    store = S3Store(settings.files_bucket, config=config, client_options=client, retry_config={"max_retries": 0})
    return ObjectFileStore(store, time_limit=time_limit)


def _folder(settings: Settings) -> LocalStore:
    folder = settings.files_folder
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        return LocalStore(folder.resolve())
    except (OSError, BaseError) as error:
        raise Misconfigured(f"The folder for files cannot be made: {folder} (KONSTRUCT_FILES_DIR).") from error
