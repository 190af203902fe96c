"""The settings of the tests: SQLite on disk, and PostgreSQL beside it where one can be reached."""

import atexit
import os
import shutil
import tempfile
from pathlib import Path

from project.settings import *  # noqa: F403
from project.settings import DATABASES, database
from tests.services import POSTGRES_URL, postgres_problem

DEBUG = False
SECRET_KEY = "only-for-tests"
ALLOWED_HOSTS = ["testserver", "localhost", "127.0.0.1"]
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
}
CHANNEL_LAYERS = {"default": {"BACKEND": "channels.layers.InMemoryChannelLayer"}}

# In a file, since several threads use it: each needs a connection of its own to one database.
_directory = Path(tempfile.gettempdir()) / f"flow-sessions-tests-{os.getpid()}"
_directory.mkdir(exist_ok=True)
atexit.register(shutil.rmtree, _directory, ignore_errors=True)
STATIC_ROOT = _directory  # there is nothing collected in it
DATABASES["default"] = database(f"sqlite:///{_directory / 'db.sqlite3'}")
DATABASES["default"]["ENGINE"] = "tests.backends.sqlite3"
DATABASES["default"]["TEST"] = {"NAME": str(_directory / "test.sqlite3")}

if postgres_problem() is None:
    DATABASES["postgres"] = database(POSTGRES_URL)
    DATABASES["postgres"]["ENGINE"] = "tests.backends.postgres"
    DATABASES["postgres"]["TEST"] = {
        "NAME": f"test_flow_sessions_{os.getpid()}",
        # By default it would be made after `default`, also for tests that do not use that one.
        "DEPENDENCIES": [],
    }
