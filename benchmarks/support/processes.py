"""CPU time of this process and all beneath it, by what they are."""

import os
from collections import Counter
from pathlib import Path

TICKS_A_SECOND = os.sysconf("SC_CLK_TCK")
_MODULES = {
    "benchmarks.turn.bare_worker": "bare worker",
    "benchmarks.turn.plain": "plain process",
    "benchmarks.turn.celery_intake": "celery's webhook",
    "benchmarks.turn.celery_worker": "celery's worker",
    "tests.support.model_doubles": "model double",
}


def cpu_ticks() -> Counter[str]:
    """User and system time since each began, in the kernel's ticks. That of ended children is their parent's."""
    processes = {int(folder.name): _stat(folder) for folder in Path("/proc").iterdir() if folder.name.isdigit()}
    times: Counter[str] = Counter()
    for pid, stat in processes.items():
        if stat and _is_ours(pid, processes) and (name := _name(pid)):
            times[name] += sum(map(int, stat[11:15]))
    return times


def _stat(folder: Path) -> list[str]:
    """The fields behind the program's name, which itself may hold anything; none when it has just ended."""
    try:
        return (folder / "stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []


def _is_ours(pid: int, processes: dict[int, list[str]]) -> bool:
    while pid != os.getpid():
        if not processes.get(pid):
            return False
        pid = int(processes[pid][1])
    return True


def _name(pid: int) -> str:
    """Empty when it has just ended."""
    if pid == os.getpid():
        return "driver"
    try:
        command = Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").split("\0")
    except OSError:
        return ""
    if "-m" in command:
        module, *arguments = command[command.index("-m") + 1 :]
        return _MODULES.get(module) or " ".join(filter(None, arguments))
    # Servers write after their name what they are doing.
    return Path(command[0].split(" ")[0].rstrip(":")).name


def resident_mb() -> Counter[str]:
    """Memory that is resident, by what it is; of Postgres and others with shared memory each process counts its own."""
    processes = {int(folder.name): _stat(folder) for folder in Path("/proc").iterdir() if folder.name.isdigit()}
    sizes: Counter[str] = Counter()
    for pid, stat in processes.items():
        if stat and _is_ours(pid, processes) and (name := _name(pid)):
            sizes[name] += round(int(stat[21]) * os.sysconf("SC_PAGE_SIZE") / 1e6)
    return sizes
