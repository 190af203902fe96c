"""Settings, from the environment (or a file `.env`); `.env.example` lists and explains them."""

from pathlib import Path
from typing import Any

import environ
from csp.constants import NONE, SELF

from project.logs import logging_config

BASE_DIR = Path(__file__).resolve().parent.parent

env = environ.Env()
env.read_env(BASE_DIR / ".env")

DEBUG: bool = env.bool("DEBUG", default=True)
# A fixed key is for trying things out only; outside DEBUG the variable must be set.
SECRET_KEY: str = env.str(
    "SECRET_KEY", default="insecure-for-trying-out-only" if DEBUG else environ.Env.NOTSET
)
# Keys that were used before: what they have signed is good until it expires.
SECRET_KEY_FALLBACKS: list[str] = env.list("SECRET_KEY_FALLBACKS", default=[])

ALLOWED_HOSTS: list[str] = env.list("ALLOWED_HOSTS", default=["localhost", "127.0.0.1", "[::1]"])
# Full origins (scheme, host, port) of pages that may open a socket or post with a cookie. The
# server's own origin (the one in the Host header) is always allowed.
CSRF_TRUSTED_ORIGINS: list[str] = env.list("TRUSTED_ORIGINS", default=[])

# Addresses or networks of reverse proxies whose X-Forwarded-* headers are believed, separated by
# commas. The server does so, by the address of who connects: SECURE_PROXY_SSL_HEADER, Django's own
# way, would believe everybody.
TRUSTED_PROXIES: str = env.str("TRUSTED_PROXIES", default="")

# -- the browser ---------------------------------------------------------------------------------

#: Whether people come by HTTPS: cookies go by nothing else then, browsers remember it, and plain
#: HTTP is sent there.
HTTPS: bool = env.bool("HTTPS", default=not DEBUG)
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = HTTPS
SECURE_HSTS_SECONDS: int = env.int("HSTS_SECONDS", default=31_536_000 if HTTPS else 0)
SECURE_HSTS_INCLUDE_SUBDOMAINS: bool = env.bool("HSTS_SUBDOMAINS", default=False)
SECURE_HSTS_PRELOAD: bool = env.bool("HSTS_PRELOAD", default=False)
SECURE_SSL_REDIRECT: bool = env.bool("SSL_REDIRECT", default=HTTPS)
#: Whoever supervises a process asks it directly, without the proxy that has the certificate.
SECURE_REDIRECT_EXEMPT = [r"^healthz/", r"^metrics$"]
# What stands beside this server in its domain is for the domain's owner to decide.
SILENCED_SYSTEM_CHECKS = ["security.W005", "security.W021"]

SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = CSRF_COOKIE_SAMESITE = "Lax"
X_FRAME_OPTIONS = "DENY"
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
SECURE_CROSS_ORIGIN_OPENER_POLICY = "same-origin"

#: What pages may load and whom they may talk to: this server, sockets included. Nothing inline, so
#: that a text which gets into a page as markup does nothing there.
CONTENT_SECURITY_POLICY: dict[str, Any] = {
    "DIRECTIVES": {
        "default-src": [NONE],
        "script-src": [SELF],
        "style-src": [SELF],
        "img-src": [SELF],
        "font-src": [SELF],
        "connect-src": [SELF],
        "form-action": [SELF],
        "base-uri": [NONE],
        "frame-ancestors": [NONE],
    }
}

INSTALLED_APPS = [
    "daphne",  # first, so that `runserver` is ASGI
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "csp",
    "channels",
    "sessions_app",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "csp.middleware.CSPMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "sessions_app.middleware.RefuseNul",
    "sessions_app.middleware.RefuseTooManyAttempts",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]

ROOT_URLCONF = "project.urls"
ASGI_APPLICATION = "project.asgi.application"
#: Makes the scope in which every door (socket, HTTP, admin, commands) runs its flows.
FLOWS_SCOPE = "project.composition.make_scope"
#: What `manage.py serve` runs.
FLOWS_SERVER = "project.server.serve"

TEMPLATES: list[dict[str, Any]] = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]

# -- the database ------------------------------------------------------------------------------


def database(url: str) -> dict[str, Any]:
    """The settings of a database that is named by a URL, as this server needs them."""
    config: dict[str, Any] = dict(environ.Env.db_url_config(url))
    if config["ENGINE"] == "django.db.backends.sqlite3":
        config["OPTIONS"] = {
            # A deferred transaction that turns into a writing one fails with "database is locked".
            "transaction_mode": "IMMEDIATE",
            "timeout": 20,
            # FULL: a commit survives a power cut, which NORMAL under WAL does not.
            "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;"
            " PRAGMA wal_autocheckpoint=4000; PRAGMA cache_size=-16384;",
        }
    else:
        # Every unit of work gives its connection back, so that few serve many threads.
        config["CONN_MAX_AGE"] = 0
        config["OPTIONS"] = {
            "pool": {"min_size": 0, "max_size": 20, "timeout": 5, "reconnect_timeout": 5},
            # A network that goes silent must not hang whoever waits for an answer.
            "connect_timeout": 5,
            "keepalives_idle": 10,
            "keepalives_interval": 5,
            "keepalives_count": 3,
            "tcp_user_timeout": 20_000,
        }
    return config


DATABASES = {
    "default": database(env.str("DATABASE_URL", default=f"sqlite:///{BASE_DIR / 'db.sqlite3'}"))
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# -- the doorbell between processes --------------------------------------------------------------

REDIS_URL: str = env.str("REDIS_URL", default="")
CHANNEL_LAYERS: dict[str, dict[str, Any]]
if REDIS_URL:
    CHANNEL_LAYERS = {
        "default": {
            # Pub/Sub: sockets survive when Redis stops. What it loses, the database has.
            "BACKEND": "channels_redis.pubsub.RedisPubSubChannelLayer",
            "CONFIG": {
                "hosts": [REDIS_URL],
                "prefix": env.str("REDIS_PREFIX", default="flow-sessions"),
            },
        }
    }
else:
    CHANNEL_LAYERS = {"default": {"BACKEND": "channels.layers.InMemoryChannelLayer"}}

# -- how much clients may --------------------------------------------------------------------------

#: The limits that `welcome` tells: protocol, sections 1 and 9. A user may ten times the rate.
LIMITS: dict[str, int] = {
    "frame_bytes": env.int("LIMIT_FRAME_BYTES", default=65_536),
    "batch": env.int("LIMIT_BATCH", default=64),
    "in_flight": env.int("LIMIT_IN_FLIGHT", default=32),
    "watching": env.int("LIMIT_WATCHING", default=1_000),
}
#: How many sockets one user may have open in one process.
LIMIT_CONNECTIONS: int = env.int("LIMIT_CONNECTIONS", default=10_000)
RATE: dict[str, int] = {
    "burst": env.int("RATE_BURST", default=40),
    "per_second": env.int("RATE_PER_SECOND", default=20),
}

#: Whether staff who observe a session are in its `presence`, as everybody who watches it.
OBSERVERS_ARE_SHOWN: bool = env.bool("OBSERVERS_ARE_SHOWN", default=True)

#: How often a client is told the heads of what it watches and its peer is asked for a sign of life,
#: and how long the answer may take, in seconds.
PING_SECONDS: int = env.int("PING_SECONDS", default=25)
PONG_SECONDS: int = env.int("PONG_SECONDS", default=10)

# -- people --------------------------------------------------------------------------------------

AUTH_USER_MODEL = "sessions_app.User"
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator"},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "django.contrib.auth.password_validation.NumericPasswordValidator"},
]
#: The one that counts what fails, so that nobody guesses passwords.
AUTHENTICATION_BACKENDS = ["sessions_app.sign_in.ThrottledBackend"]
#: How often signing in may fail within so many seconds, for one user name and from one address.
SIGN_IN_FAILURES_PER_USER: int = env.int("SIGN_IN_FAILURES_PER_USER", default=20)
SIGN_IN_FAILURES_PER_ADDRESS: int = env.int("SIGN_IN_FAILURES_PER_ADDRESS", default=20)
SIGN_IN_WINDOW_SECONDS: int = env.int("SIGN_IN_WINDOW_SECONDS", default=900)
LOGIN_URL = "sign_in"
LOGIN_REDIRECT_URL = "console"
LOGOUT_REDIRECT_URL = "sign_in"

# -- staff ---------------------------------------------------------------------------------------

#: How many rows of a list in the admin can be reached by its pages; beyond, one searches.
ADMIN_REACHABLE: int = env.int("ADMIN_REACHABLE", default=10_000)
#: Where the trace of an event can be looked at, with `{trace}` in it; nowhere by default.
TRACE_URL: str = env.str("TRACE_URL", default="")

# -- the rest ------------------------------------------------------------------------------------

#: What is hung around every execution; each is off until asked for, and then costs nothing.
LOG_FLOWS: bool = env.bool("LOG_FLOWS", default=False)
METRICS: bool = env.bool("METRICS", default=False)
#: Who reads /metrics sends it as a bearer token; outside DEBUG there are no metrics without one.
METRICS_TOKEN: str = env.str("METRICS_TOKEN", default="")
TRACING: bool = env.bool("TRACING", default=False)

LOGGING = logging_config(level=env.str("LOG_LEVEL", default="INFO"), readable=DEBUG)

LANGUAGE_CODE = "en"
TIME_ZONE = "UTC"
USE_I18N = True
USE_TZ = True

STATIC_URL = "static/"
STATIC_ROOT = Path(env.str("STATIC_ROOT", default=str(BASE_DIR / "static")))
# While trying out, files of the admin are served without `collectstatic`.
WHITENOISE_USE_FINDERS = DEBUG
if DEBUG:
    STATIC_ROOT.mkdir(exist_ok=True)  # WhiteNoise warns where there is none
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {
        "BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"
        if DEBUG
        else "whitenoise.storage.CompressedManifestStaticFilesStorage"
    },
}
