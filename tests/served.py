"""The settings of real servers under test: production's, without collecting static files first."""

from project.settings import *  # noqa: F403
from project.settings import STORAGES

STORAGES["staticfiles"] = {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}
WHITENOISE_USE_FINDERS = True
