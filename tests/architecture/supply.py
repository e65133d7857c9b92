"""What the product is made of: ``make audit`` lists it, writes a bill of materials, and asks for known flaws.

Ends with 0 when none is known, with 1 when some are, and with 3 when nobody could be asked.
"""

import json
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any, Final

from benchmarks.support.folder import say

CHECKOUT: Final = Path(__file__).parents[2]
LOCKS: Final = {
    "requirements.txt": "required",
    "requirements-stack.txt": "optional",
    "requirements-dev.txt": "excluded",
}
"""What CycloneDX calls what runs in production, what besides where all is on one machine, and what in neither."""
BILL: Final = CHECKOUT / "sbom.cdx.json"
FINE, FLAWED, UNANSWERED = 0, 1, 3
_PIN: Final = re.compile(r"^([A-Za-z0-9][A-Za-z0-9._-]*)(?:\[[^\]]*\])?==([^\s;\\]+)", re.MULTILINE)
_HASH: Final = re.compile(r"--hash=sha256:([0-9a-f]{64})")


@dataclass(frozen=True)
class Part:
    name: str
    version: str
    scope: str
    hashes: tuple[str, ...]
    """SHA-256 of each file that it may be installed from."""

    @property
    def licence(self) -> str:
        """As it says itself; what is for other machines is not installed here."""
        try:
            about: Any = metadata.metadata(self.name)
        except metadata.PackageNotFoundError:
            return "not installed here"
        classifiers = [each.rpartition(" :: ")[2] for each in about.get_all("Classifier") or () if "License ::" in each]
        said = about.get("License-Expression") or " and ".join(sorted(set(classifiers))) or about.get("License") or ""
        return said.strip().partition("\n")[0][:80] or "says nothing"


def parts() -> list[Part]:
    found: dict[str, Part] = {}
    for lock, scope in LOCKS.items():
        for pinned in re.split(r"\n(?=\S)", (CHECKOUT / lock).read_text()):
            if pin := _PIN.match(pinned):
                part = Part(pin[1].lower(), pin[2], scope, tuple(_HASH.findall(pinned)))
                found.setdefault(part.name, part)
    return [found[name] for name in sorted(found)]


def bill(made_of: Iterable[Part]) -> dict[str, Any]:
    """As CycloneDX 1.6 has it. It holds no moment, so that the same locks give the same bill."""
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {"component": {"type": "application", "bom-ref": "konstruct", "name": "konstruct"}},
        "components": [
            {
                "type": "library",
                "bom-ref": f"pkg:pypi/{part.name}@{part.version}",
                "name": part.name,
                "version": part.version,
                "scope": part.scope,
                "purl": f"pkg:pypi/{part.name}@{part.version}",
                "licenses": [{"license": {"name": part.licence}}],
                "properties": [{"name": "konstruct:file:sha256", "value": each} for each in part.hashes],
            }
            for part in made_of
        ],
    }


def verdict(status: int, said: str) -> tuple[int, list[str]]:
    """What an audit of a lock comes to: how to end, and what to say. ``said``: the auditor's JSON, or none at all."""
    try:
        dependencies = json.loads(said)["dependencies"]
    except (ValueError, KeyError, TypeError):
        return UNANSWERED, ["The database of advisories could not be asked: nothing is known of flaws."]
    flaws = [
        f"{each['name']} {each['version']}: {flaw['id']}, mended in {', '.join(flaw['fix_versions']) or 'none so far'}"
        for each in dependencies
        for flaw in each.get("vulns", ())
    ]
    if flaws or status:
        return FLAWED, flaws or ["The auditor failed."]
    # A registry that knows no advisories leaves out what it was asked about, and calls that no failure.
    if passed_over := [each["name"] for each in dependencies if "skip_reason" in each]:
        return UNANSWERED, [
            f"The database of advisories says nothing of {len(passed_over)} of {len(dependencies)} packages."
        ]
    return FINE, []


def _audited(lock: str) -> tuple[int, list[str]]:
    command = (sys.executable, "-m", "pip_audit", "--requirement", str(CHECKOUT / lock), "--disable-pip")
    options = ("--format", "json", "--progress-spinner", "off", "--timeout", "15")
    done = subprocess.run([*command, *options], capture_output=True, text=True, check=False)
    return verdict(done.returncode, done.stdout)


def main() -> int:
    made_of = parts()
    BILL.write_text(json.dumps(bill(made_of), indent=1) + "\n")
    say(f"{len(made_of)} packages; the bill of materials is in {BILL.name}.")
    for licence, many in Counter(part.licence for part in made_of if part.scope != "excluded").most_common():
        say(f"  {many:4} {licence}")
    status = FINE
    for lock in LOCKS:
        ended, sentences = _audited(lock)
        say(f"{lock}: {'no flaw is known.' if ended == FINE else ' '.join(sentences)}")
        status = max(status, ended)
    return status


if __name__ == "__main__":
    sys.exit(main())
