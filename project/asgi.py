"""The ASGI application: Django for HTTP, the consumer for `/ws/`, one scope for both."""

import os

from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "project.settings")
_http = get_asgi_application()  # sets Django up: everything of ours is imported after it

from project.application import Application  # noqa: E402
from sessions_app.routing import websocket  # noqa: E402

application = Application(http=_http, websocket=websocket)
