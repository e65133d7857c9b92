"""The account that Postgres runs under: this user's own, or, for root, one that Postgres does not refuse."""

import asyncio
import os
import pwd
from dataclasses import dataclass
from pathlib import Path

from konstruct.errors import Misconfigured

_UNPRIVILEGED_ID = 65534


@dataclass(frozen=True)
class Account:
    """`leash` goes before a command; files that the command is to use belong to uid and gid."""

    leash: tuple[str, ...] | None
    uid: int
    gid: int


async def postgres_account(postgres: Path, folder: Path) -> Account:
    """An account that may run the program `postgres` and write to `folder`, which is handed over to it."""
    if os.geteuid() != 0:
        return Account(None, os.geteuid(), os.getegid())
    for account in (_own_namespace(), _nobody()):
        if await _is_usable(account, postgres, folder):
            return account
    raise Misconfigured(
        "Postgres refuses to run as root, and neither unshare nor setpriv can lend it another account here: "
        "run Konstruct as an ordinary user, or set KONSTRUCT_DATABASE_URL to a Postgres of your own."
    )


def _own_namespace() -> Account:
    # Root outside is somebody else inside: the files stay root's, and the folder may lie anywhere.
    change = ("unshare", "--user", f"--map-user={_UNPRIVILEGED_ID}", f"--map-group={_UNPRIVILEGED_ID}", "--", "setpriv")
    return Account(_leash(change), 0, 0)


def _nobody() -> Account:
    entry = pwd.getpwnam("nobody")
    change = ("setpriv", f"--reuid={entry.pw_uid}", f"--regid={entry.pw_gid}", "--clear-groups")
    return Account(_leash(change), entry.pw_uid, entry.pw_gid)


def _leash(change_of_account: tuple[str, ...]) -> tuple[str, ...]:
    # A change of account undoes the tie to the parent, so that is made after it, and not in Python, which the other
    # account may have no access to. The shell looks whether the parent died in between.
    tied = ("--pdeathsig=INT", "--", "sh", "-c", 'test "$PPID" = "$0" && exec "$@"', str(os.getpid()))
    return (*change_of_account, *tied)


async def _is_usable(account: Account, postgres: Path, folder: Path) -> bool:
    if not await _succeeds(account, str(postgres), "--version"):
        return False
    _hand_over(folder, account)
    return await _succeeds(account, "test", "-w", str(folder))


async def _succeeds(account: Account, *command: str) -> bool:
    try:
        trial = await asyncio.create_subprocess_exec(
            *(account.leash or ()), *command, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL
        )
    except FileNotFoundError:
        return False
    return await trial.wait() == 0


def _hand_over(folder: Path, account: Account) -> None:
    if account.uid != 0:
        # The way into the folder leads through the private data folder, whose secrets are files of root's own.
        folder.parent.chmod(0o711)
    if folder.stat().st_uid == account.uid:
        return
    # The top comes last: as long as it is not handed over, an interrupted run is taken up again.
    for parent, folders, files in os.walk(folder, topdown=False):
        for name in (*folders, *files):
            os.lchown(os.path.join(parent, name), account.uid, account.gid)
    os.chown(folder, account.uid, account.gid)
