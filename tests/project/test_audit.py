"""What `make audit` makes of what the auditors say."""

from typing import Any

import pytest

from tools.audit import NOT_AUDITED, VULNERABLE, Finding, of_npm, of_pip, verdict

GOOD: dict[str, Any] = {"name": "django", "version": "5.2.1", "vulns": []}
BAD: dict[str, Any] = {
    "name": "redis", "version": "7.0", "vulns": [{"id": "CVE-1", "fix_versions": ["7.1"]}],
}  # fmt: skip
UNKNOWN: dict[str, Any] = {"name": "attrs", "skip_reason": "attrs could not be audited"}


def pip(*packages: dict[str, Any]) -> Finding:
    return of_pip("requirements.txt", {"dependencies": list(packages)})


def test_all_clean_is_success(capsys: pytest.CaptureFixture[str]) -> None:
    """Only what was asked for and is not known to be bad is good."""
    assert verdict([pip(GOOD)]) == 0
    assert capsys.readouterr().out == "requirements.txt: 1 audited, 0 vulnerable\n"


def test_a_vulnerability_is_told_with_the_cure(capsys: pytest.CaptureFixture[str]) -> None:
    """It is the worst there is, also where other packages could not be asked for."""
    assert verdict([pip(GOOD, BAD, UNKNOWN)]) == VULNERABLE
    assert "VULNERABLE redis 7.0: CVE-1, fixed in 7.1" in capsys.readouterr().out


def test_what_could_not_be_asked_for_is_a_failure_of_its_own(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A service that cannot be reached, or knows nothing, gives no clean bill."""
    assert verdict([pip(GOOD, UNKNOWN)]) == NOT_AUDITED
    assert "NOT AUDITED 1, for example: attrs could not be audited" in capsys.readouterr().out
    assert verdict([of_npm("tests/npm", {"message": "405", "error": {}})]) == NOT_AUDITED


def test_npm_tells_the_same_in_other_words() -> None:
    """Its report is read, too."""
    clean = {"metadata": {"dependencies": {"total": 7}}, "vulnerabilities": {}}
    assert of_npm("tests/npm", clean) == Finding("tests/npm", 7, [])
    flaw = {"name": "ws", "range": "<8", "severity": "high"}
    bad = of_npm("tests/npm", {**clean, "vulnerabilities": {"ws": flaw}})
    assert verdict([bad]) == VULNERABLE
    assert bad.vulnerable == ["ws <8: high"]
