"""The Django application."""

from django.apps import AppConfig


class SessionsAppConfig(AppConfig):
    """Sessions, their log, and the doors to them."""

    name = "sessions_app"
    label = "sessions_app"
    verbose_name = "Flow Sessions"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Register the checks."""
        from sessions_app import checks  # noqa: F401
