"""Every trap that a setting can cause is found, and the settings that ship cause none."""

import os
import re
import subprocess
import sys
from collections.abc import Iterable
from copy import deepcopy
from importlib.metadata import PackageNotFoundError
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.core.checks import CheckMessage
from django.core.checks.registry import registry
from django.test import override_settings

from project.settings import database
from sessions_app.checks.databases import mistakes
from sessions_app.checks.doorbell import CORE, MEMORY, PUBSUB, alone, faulty_versions

ROOT = Path(__file__).parent.parent.parent

SQLITE = database("sqlite:///x.sqlite3")
POSTGRES = database("postgres://localhost/x")


def found(*, deploy: bool = False, **changed: Any) -> set[str]:
    """The ids of what is found in these settings."""
    ours = [
        check
        for check in registry.get_checks(include_deployment_checks=deploy)
        if check.__module__.startswith("sessions_app.checks")
    ]
    with override_settings(**changed):
        return ids(message for check in ours for message in check(app_configs=None, databases=None))


def ids(messages: Iterable[CheckMessage]) -> set[str]:
    """What is found, by id; each says what to do about it."""
    told = list(messages)
    assert all(each.hint for each in told)
    return {str(each.id).removeprefix("sessions_app.") for each in told}


def options(config: dict[str, Any], **changed: Any) -> dict[str, Any]:
    """A database with other options; None leaves one out."""
    copy = deepcopy(config)
    copy["OPTIONS"] = {
        name: value for name, value in (copy["OPTIONS"] | changed).items() if value is not None
    }
    return copy


def redis(backend: str = PUBSUB, **config: Any) -> dict[str, Any]:
    return {"BACKEND": backend, "CONFIG": {"hosts": ["redis://h"], "prefix": "p", **config}}


@pytest.mark.parametrize("config", [SQLITE, POSTGRES])
def test_databases(config: dict[str, Any]) -> None:
    """What DATABASE_URL makes of either database is as it must be."""
    assert mistakes(config) == []


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ({"ENGINE": "django.db.backends.mysql"}, {"E010"}),
        (options(SQLITE, transaction_mode=None), {"E011"}),
        (options(SQLITE, init_command="PRAGMA synchronous=FULL"), {"E012"}),
        (options(SQLITE, init_command="PRAGMA journal_mode = WAL"), {"E013"}),
        (
            options(SQLITE, init_command="PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL"),
            {"E013"},
        ),
        (options(SQLITE, timeout=1), {"W014"}),
        (options(POSTGRES, pool=None), {"W015"}),
        (options(POSTGRES, pool={"max_size": 7}), {"W016"}),
        (options(POSTGRES, pool=True), set()),
        ({**POSTGRES, "CONN_MAX_AGE": 60}, {"E017"}),
        (options(POSTGRES, isolation_level=3), {"W018"}),
        ({**POSTGRES, "ATOMIC_REQUESTS": True}, {"E019"}),
    ],
)
def test_database_traps(config: dict[str, Any], expected: set[str]) -> None:
    """A database that would lose, lock or starve is found."""
    assert ids(mistakes(config)) == expected


@pytest.mark.parametrize(
    ("layer", "expected"),
    [
        ({"BACKEND": MEMORY}, set()),
        (redis(), set()),
        (redis(CORE), {"E020"}),
        (redis("x.Layer"), {"W021"}),
        (redis(prefix="a:b"), {"E022"}),
        (redis(prefix="x" * 51), {"E022"}),
    ],
)
def test_layers(layer: dict[str, Any], expected: set[str]) -> None:
    """A layer that loses sockets, or that nobody has tried, is found."""
    assert found(CHANNEL_LAYERS={"default": layer}) == expected


def test_no_layer() -> None:
    """Without a channel layer one is told how to have one."""
    assert found(CHANNEL_LAYERS={}) == {"W021"}


@pytest.mark.parametrize(
    ("layer", "versions", "expected"),
    [
        (redis(), {"redis": "7.4.0", "daphne": "4.2.2"}, set()),
        (redis(), {"redis": "8.0.0"}, {"E024"}),
        (redis(hosts=[]), {"redis": "8.0.0"}, {"E024"}),
        (redis(hosts=[{"address": "redis://h", "socket_timeout": 5}]), {"redis": "8.1"}, {"E024"}),
        (redis(hosts=[{"address": "redis://h", "socket_timeout": 9}]), {"redis": "8.1"}, set()),
        ({"BACKEND": MEMORY}, {"redis": "8.0.0"}, set()),
        (redis(), {"daphne": "4.2.1"}, {"E025"}),
        (redis(), {}, set()),
    ],
)
def test_versions(layer: dict[str, Any], versions: dict[str, str], expected: set[str]) -> None:
    """Versions with known faults are found; what is not installed has none."""

    def version_of(package: str) -> str:
        try:
            return versions[package]
        except KeyError:
            raise PackageNotFoundError(package) from None

    assert ids(faulty_versions(layer, version_of)) == expected


def without(name: str) -> list[str]:
    return [each for each in settings.MIDDLEWARE if each != name]


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({"FLOWS_SCOPE": "nowhere.make_scope"}, {"E002"}),
        ({"FLOWS_SCOPE": "project.composition.nothing"}, {"E002"}),
        ({"LIMITS": {**settings.LIMITS, "batch": 0}}, {"E030"}),
        ({"LIMITS": {**settings.LIMITS, "frame_bytes": 2_000_000}}, {"E031"}),
        ({"RATE": {"burst": 1, "per_second": 0}}, {"E030"}),
        ({"LIMIT_CONNECTIONS": 0}, {"E030"}),
        ({"PING_SECONDS": 0}, {"E032"}),
        ({"PING_SECONDS": 5, "PONG_SECONDS": 10}, {"W033"}),
        ({"PING_SECONDS": 90}, {"W034"}),
        ({"CSRF_TRUSTED_ORIGINS": ["https://a.example.com/x"]}, {"E043"}),
        ({"CSRF_TRUSTED_ORIGINS": ["https://a.example.com", "http://[::1]:81"]}, set()),
        ({"CSRF_TRUSTED_ORIGINS": ["https://*.example.com"]}, set()),
        ({"MIDDLEWARE": without("sessions_app.middleware.RefuseNul")}, {"E044"}),
        ({"SECRET_KEY": "insecure-for-trying-out-only"}, {"E047"}),
        ({"SECRET_KEY": "insecure-for-trying-out-only", "DEBUG": True}, set()),
    ],
)
def test_other_traps(changed: dict[str, Any], expected: set[str]) -> None:
    """A setting that would break the server, or let others in, is found."""
    assert found(**changed) == expected


def test_users() -> None:
    """Another app's users are found."""
    from sessions_app.checks.browsers import users_are_ours

    assert users_are_ours(None) == []
    with override_settings(AUTH_USER_MODEL="auth.User"):
        (error,) = users_are_ours(None)
    assert error.id == "sessions_app.E045"


def test_daphne_comes_first() -> None:
    """daphne behind the static files would leave `runserver` without sockets."""
    from sessions_app.checks.doorbell import doorbell_works

    late = [*(each for each in settings.INSTALLED_APPS if each != "daphne"), "daphne"]
    assert doorbell_works(None) == []
    # Not by override_settings, which would load the apps anew.
    before, settings.INSTALLED_APPS = settings.INSTALLED_APPS, late
    try:
        (error,) = doorbell_works(None)
    finally:
        settings.INSTALLED_APPS = before
    assert error.id == "sessions_app.E026"


def test_any_host() -> None:
    """In production, a server that answers to every name is found."""
    assert found(ALLOWED_HOSTS=["*"]) == set()
    assert "W046" in found(deploy=True, ALLOWED_HOSTS=["*"])


@pytest.mark.parametrize(
    ("layer", "database", "expected"),
    [
        ({"BACKEND": MEMORY}, POSTGRES, {"W023"}),
        ({"BACKEND": MEMORY}, SQLITE, set()),
        (redis(), POSTGRES, set()),
    ],
)
def test_several_processes(
    layer: dict[str, Any], database: dict[str, Any], expected: set[str]
) -> None:
    """Where there may be several processes, a layer that reaches only one of them is found."""
    assert ids(alone(layer, database)) == expected


def test_the_documented_settings_are_clean() -> None:
    """With the settings of `.env.example`, filled in, `check --deploy` finds nothing."""
    example = (ROOT / ".env.example").read_text()
    documented = dict(re.findall(r"^([A-Z_]+)=(.*)$", example, re.MULTILINE))
    filled_in = {
        **documented,
        "SECRET_KEY": "k3Yq-" * 12 + "0123456789abcdef",
        "TRUSTED_PROXIES": "127.0.0.1",
    }
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    done = subprocess.run(
        [sys.executable, "-W", "error", "manage.py", "check", "--deploy", "--fail-level=WARNING"],
        cwd=ROOT, env=kept | filled_in, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
