"""Pin what requirements.in and requirements-dev.in name, each reason beside its pin.

What the server alone needs goes into requirements-server.txt: the first part of requirements.in.
"""

import re
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

#: The file that another one's versions come from: its place says nothing.
_CONSTRAINT = re.compile(r"-c /\S+ ?")

#: Where in requirements.in the part begins that only tests need.
TESTS = "# -- the tests"

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
            note = why.get(canonical(pin)) or _CONSTRAINT.sub("", via).strip()
            out.append(f"{pin.strip():<34} # {note}".rstrip(" #"))
    return "\n".join(out) + "\n"


def pin(name: str, source: Path) -> None:
    """Write `name`.txt: what `source` needs."""
    found = subprocess.run(  # noqa: S603 (fixed arguments)
        [*_COMPILE, str(source)], check=True, capture_output=True, text=True
    )
    Path(f"{name}.txt").write_text(annotated(found.stdout, reasons(source.read_text())))


def main() -> None:
    """Pin all that there is."""
    everything = Path("requirements.in")
    pin("requirements", everything)
    pin("requirements-dev", Path("requirements-dev.in"))
    with TemporaryDirectory() as folder:
        server = Path(folder) / "requirements-server.in"
        constraint = f"-c {Path('requirements.txt').resolve()}\n"
        server.write_text(constraint + everything.read_text().partition(TESTS)[0])
        pin("requirements-server", server)


if __name__ == "__main__":
    main()
