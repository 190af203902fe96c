"""What is shipped for running it fits the server."""

import configparser
import json
import re
import subprocess
import sys

import yaml

from sessions_app.keeper import LAST_WORDS, LONGEST_WINDOW
from tests.servers import ROOT, environment

DOCKERFILE = (ROOT / "Dockerfile").read_text()
COMPOSE = yaml.safe_load((ROOT / "compose.yaml").read_text())
NAME = re.compile(r"^([a-z0-9-]+)==(\S+)", re.MULTILINE)

#: The longest that a stop may take, in seconds (protocol, section 8).
STOP = 30


def pins(name: str) -> dict[str, str]:
    return dict(NAME.findall((ROOT / name).read_text()))


def test_the_image_has_the_versions_that_are_tested_and_no_tests() -> None:
    """What the server alone needs is a part of what is pinned for both."""
    server, everything = pins("requirements-server.txt"), pins("requirements.txt")
    assert server.items() <= everything.items()
    asked = (ROOT / "requirements.in").read_text().partition("# -- the tests")[0]
    assert set(re.findall(r"^([a-z0-9-]+)", asked, re.MULTILINE)) <= server.keys()
    assert not {"pytest", "hypothesis", "pyyaml"} & server.keys()


_WITHOUT = """
import json, re, sys
from importlib.metadata import packages_distributions
kept = set(json.loads(sys.argv[1]))
absent = {
    name for name, of in packages_distributions().items()
    if not kept & {re.sub("[-_.]+", "-", each).lower() for each in of}
} - {"flows", "project", "sessions_app"}
assert {"pytest", "hypothesis"} <= absent

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in absent:
            raise ModuleNotFoundError(name, name=name)

sys.meta_path.insert(0, Absent())
import project.asgi, project.server
from django.core.management import get_commands, load_command_class
for name, app in get_commands().items():
    if app == "sessions_app":
        load_command_class(app, name)
from django.core.checks import run_checks
print(run_checks())
"""


def test_the_image_has_all_that_the_server_imports() -> None:
    """Neither the server nor its commands need a package that only the tests have."""
    kept = [*pins("requirements-server.txt"), "setuptools"]
    given = environment("sqlite:///:memory:", DJANGO_SETTINGS_MODULE="project.settings")
    ran = subprocess.run(
        [sys.executable, "-c", _WITHOUT, json.dumps(kept)], cwd=ROOT, capture_output=True,
        text=True, check=False,
        env={name: value for name, value in given.items() if not name.startswith("COVERAGE_")},
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr


def test_the_image_runs_the_command_of_compose_and_is_not_root() -> None:
    """One command in both, in a form in which it is itself told to stop."""
    command = re.findall(r"^CMD (\[.*\])$", DOCKERFILE, re.MULTILINE)
    assert [json.loads(each) for each in command] == [COMPOSE["services"]["web1"]["command"]]
    assert re.search(r"^USER 10001$", DOCKERFILE, re.MULTILINE)
    assert "STOPSIGNAL SIGTERM" in DOCKERFILE
    copied = re.findall(r"^COPY (?!--from)(\S+) ", DOCKERFILE, re.MULTILINE)
    assert all((ROOT / each).exists() for each in copied)
    sent = set(re.findall(r"^!(\S+)$", (ROOT / ".dockerignore").read_text(), re.MULTILINE))
    assert set(copied) == sent


def test_a_stop_may_take_as_long_as_a_drain_does() -> None:
    """Whoever supervises a process waits longer than it needs, and takes a stop for no failure."""
    assert LONGEST_WINDOW + 2 * LAST_WORDS <= STOP
    unit = configparser.RawConfigParser(strict=False)
    unit.optionxform = str  # type: ignore[assignment,method-assign]
    unit.read(ROOT / "deploy" / "flow-sessions.service")
    service = unit["Service"]
    assert service["KillSignal"] == "SIGTERM"
    assert int(service["TimeoutStopSec"]) > STOP
    assert service["Restart"] == "on-failure"
    assert service["NoNewPrivileges"] == "true"
    assert "manage.py serve" in service["ExecStart"]
    grace = COMPOSE["services"]["web1"]["stop_grace_period"]
    assert int(grace.removesuffix("s")) > STOP
    manual = (ROOT / "docs" / "deploying.md").read_text()
    (kubernetes,) = re.findall(r"terminationGracePeriodSeconds: (\d+)", manual)
    assert int(kubernetes) > STOP


def test_compose_sets_only_what_the_server_reads() -> None:
    """A variable that is misspelt would silently be another setting's default."""
    source = (ROOT / "project" / "settings.py").read_text()
    read = set(re.findall(r'env\.\w+\(\s*"([A-Z_]+)"', source))
    assert COMPOSE["services"]["web1"]["environment"].keys() <= read


def test_the_proxy_waits_longer_than_the_server_pings() -> None:
    """A socket in which nothing happens stays open through the proxy."""
    written = (ROOT / "deploy" / "nginx.conf").read_text()
    seconds = [int(each) for each in re.findall(r"proxy_(?:read|send)_timeout (\d+)s", written)]
    assert len(seconds) == 2
    assert min(seconds) >= 2 * 25
    assert re.search(r"client_header_timeout \d+s;", written)
    assert "$proxy_add_x_forwarded_for" not in written
