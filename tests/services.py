"""Services that some tests need, and why they cannot be used where they cannot."""

import os
from functools import cache

#: Databases of their own are made on this server, with names that begin with `test_flow_sessions`.
POSTGRES_URL = os.environ.get("TEST_POSTGRES_URL", "postgres://postgres@127.0.0.1:5432/postgres")
REDIS_URL = os.environ.get("TEST_REDIS_URL", "redis://127.0.0.1:6379/0")


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
