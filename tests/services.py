"""Services that some tests need, and why they cannot be used where they cannot."""

import os
import shutil
import subprocess
from functools import cache
from pathlib import Path

#: Databases of their own are made on this server, with names that begin with `test_flow_sessions`.
POSTGRES_URL = os.environ.get("TEST_POSTGRES_URL", "postgres://postgres@127.0.0.1:5432/postgres")
REDIS_URL = os.environ.get("TEST_REDIS_URL", "redis://127.0.0.1:6379/0")

#: The npm packages that tests use; Node finds them from files in this folder.
NPM = Path(__file__).parent / "npm"

#: Debian 12's.
NODE_AT_LEAST = 18


@cache
def postgres_problem() -> str | None:
    """Why PostgreSQL cannot be used, None if it can."""
    import psycopg

    try:
        psycopg.connect(POSTGRES_URL, connect_timeout=2).close()
    except psycopg.OperationalError as error:
        return f"PostgreSQL cannot be reached (TEST_POSTGRES_URL): {str(error).strip()}"
    return None


@cache
def redis_problem() -> str | None:
    """Why Redis cannot be used, None if it can."""
    import redis

    try:
        with redis.Redis.from_url(REDIS_URL, socket_connect_timeout=2) as client:
            client.ping()
    except redis.RedisError as error:
        return f"Redis cannot be reached (TEST_REDIS_URL): {error}"
    return None


@cache
def node_problem() -> str | None:
    """Why Node and the tests' npm packages cannot be used, None if they can."""
    if (node := shutil.which("node")) is None:
        return "Node is not installed"
    version = subprocess.run([node, "--version"], capture_output=True, text=True, check=True).stdout
    if int(version.removeprefix("v").partition(".")[0]) < NODE_AT_LEAST:
        return f"Node {NODE_AT_LEAST} or later is needed, this is {version.strip()}"
    if not (NPM / "node_modules" / "ws").is_dir():
        return "The npm packages are not installed: `npm ci` in tests/npm"
    return None


def chromium() -> str | None:
    """Where the browser is (TEST_CHROMIUM, else Debian's), None if there is none."""
    return shutil.which(os.environ.get("TEST_CHROMIUM", "chromium"))


@cache
def browser_problem() -> str | None:
    """Why no browser can be used, None if one can."""
    return None if chromium() else "There is no Chromium (TEST_CHROMIUM)"


def nginx_problem() -> str | None:
    """Why nginx cannot be used, None if it can."""
    # Debian keeps it where only root looks.
    found = shutil.which("nginx", path=os.environ.get("PATH", "") + ":/usr/sbin")
    return None if found else "there is no nginx (Debian: nginx-light)"
