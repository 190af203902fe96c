"""Ask for known vulnerabilities of everything that is pinned: `make audit`.

Ends with 0 if all was asked for and nothing is known, 1 if something is, and 3 if something could
not be asked for: what nobody has looked at is not safe. pip-audit by itself takes a package that
the advisory service does not know for a good one.
"""

import json
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

#: Exit status: something is vulnerable; something could not be asked for.
VULNERABLE = 1
NOT_AUDITED = 3

ROOT = Path(__file__).resolve().parent.parent


class Finding(NamedTuple):
    """What was found out about one set of packages."""

    of: str
    audited: int
    #: What is known to be wrong, a line for each.
    vulnerable: Sequence[str] = ()
    #: What could not be asked for, and why.
    unknown: Sequence[str] = ()


def of_pip(name: str, report: dict[str, Any]) -> Finding:
    """What pip-audit reports, as JSON."""
    packages = report["dependencies"]
    vulnerable = [
        f"{each['name']} {each['version']}: {flaw['id']}, fixed in "
        + (", ".join(flaw["fix_versions"]) or "no version yet")
        for each in packages
        for flaw in each.get("vulns", ())
    ]
    unknown = [each["skip_reason"] for each in packages if "skip_reason" in each]
    return Finding(name, len(packages) - len(unknown), vulnerable, unknown)


def of_npm(name: str, report: dict[str, Any]) -> Finding:
    """What `npm audit --json` reports."""
    if "metadata" not in report:
        why = report.get("message") or report.get("error", {}).get("summary") or "no answer"
        return Finding(name, 0, (), [f"npm: {why}"])
    vulnerable = [
        f"{each['name']} {each['range']}: {each['severity']}"
        for each in report.get("vulnerabilities", {}).values()
    ]
    return Finding(name, report["metadata"]["dependencies"]["total"], vulnerable)


def verdict(findings: Sequence[Finding]) -> int:
    """Print all findings; the exit status."""
    for each in findings:
        print(f"{each.of}: {each.audited} audited, {len(each.vulnerable)} vulnerable")  # noqa: T201
        for line in each.vulnerable:
            print(f"  VULNERABLE {line}")  # noqa: T201
        if each.unknown:
            print(f"  NOT AUDITED {len(each.unknown)}, for example: {each.unknown[0]}")  # noqa: T201
    if any(each.vulnerable for each in findings):
        return VULNERABLE
    if any(each.unknown for each in findings):
        print("No advisory service could be asked for all of these: this is no clean bill.")  # noqa: T201
        return NOT_AUDITED
    return 0


def ask_pip(name: str) -> Finding:
    """Have pip-audit look at a file of pins."""
    command = [sys.executable, "-m", "pip_audit", "--progress-spinner=off", "--format=json"]
    return _asked(name, [*command, "--no-deps", "--disable-pip", "-r", name], ROOT, of_pip)


def ask_npm(folder: Path) -> Finding:
    """Have npm look at a lock file."""
    name = str(folder.relative_to(ROOT))
    if shutil.which("npm") is None:
        return Finding(name, 0, (), ["there is no npm"])
    return _asked(name, ["npm", "audit", "--json", "--package-lock-only"], folder, of_npm)


def _asked(name: str, command: list[str], folder: Path, read: Any) -> Finding:
    ran = subprocess.run(  # noqa: S603 (fixed arguments)
        command, cwd=folder, capture_output=True, text=True, check=False
    )
    try:
        finding: Finding = read(name, json.loads(ran.stdout))
    except (ValueError, KeyError):
        said = ran.stderr.strip().splitlines() or ["no answer"]
        return Finding(name, 0, (), [said[-1]])
    return finding


def main() -> int:
    """Audit all that there is."""
    findings = [ask_pip(f"{name}.txt") for name in ("requirements", "requirements-dev")]
    findings += [ask_npm(lock.parent) for lock in sorted(ROOT.glob("tests/*/package-lock.json"))]
    return verdict(findings)


if __name__ == "__main__":
    sys.exit(main())
