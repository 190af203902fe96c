"""Pin what requirements.in and requirements-dev.in name, each reason beside its pin."""

import re
import subprocess
import sys
from pathlib import Path

_NAME = re.compile(r"[A-Za-z0-9._-]+")

_COMPILE = [
    sys.executable,
    *("-m", "piptools", "compile", "--quiet", "--no-header", "--strip-extras"),
    *("--no-emit-index-url", "--no-emit-options", "--no-emit-find-links"),
    *("--no-emit-trusted-host", "--annotation-style=line", "--output-file=-"),
]


def canonical(requirement: str) -> str:
    """The package's name, in the one spelling of it."""
    match = _NAME.match(requirement)
    return re.sub(r"[-_.]+", "-", match[0]).lower() if match else ""


def reasons(source: str) -> dict[str, str]:
    """The reason of each package in a file of requirements, by its name."""
    lines = (line.partition("#") for line in source.splitlines())
    return {canonical(line): reason.strip() for line, _, reason in lines if line and reason}


def annotated(pins: str, why: dict[str, str]) -> str:
    """`pins` with the reason of each package, or else with who needs it."""
    out = ["# Made by `make requirements`; edit the .in file instead.", ""]
    for line in pins.splitlines():
        pin, _, via = line.partition("#")
        if pin.strip():
            note = why.get(canonical(pin)) or via.strip()
            out.append(f"{pin.strip():<34} # {note}".rstrip(" #"))
    return "\n".join(out) + "\n"


def main() -> None:
    """Pin both files."""
    for name in ("requirements", "requirements-dev"):
        source = Path(f"{name}.in")
        found = subprocess.run(  # noqa: S603 (fixed arguments)
            [*_COMPILE, str(source)], check=True, capture_output=True, text=True
        )
        Path(f"{name}.txt").write_text(annotated(found.stdout, reasons(source.read_text())))


if __name__ == "__main__":
    main()
