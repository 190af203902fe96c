"""The tutorial's pattern: `AsyncJsonWebsocketConsumer`, `database_sync_to_async`, `group_send`.

`TUNED=1` is what people find out later: WAL with the same durability, and a connection that stays.
"""

import os

import django
import environ
from django.conf import settings

TUNED = os.environ.get("TUNED") == "1"


def database() -> dict[str, object]:
    config = dict(environ.Env.db_url_config(os.environ["DATABASE_URL"]))
    if TUNED:
        config["CONN_MAX_AGE"] = None
        if config["ENGINE"] == "django.db.backends.sqlite3":
            config["OPTIONS"] = {
                "transaction_mode": "IMMEDIATE",
                "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;",
            }
    return config


settings.configure(
    DEBUG=False,
    SECRET_KEY="benchmark",
    ALLOWED_HOSTS=["*"],
    DATABASES={"default": database()},
    INSTALLED_APPS=["channels"],
    CHANNEL_LAYERS={
        "default": {
            "BACKEND": "channels.layers.InMemoryChannelLayer",
            # With the usual 100, the layer drops messages under this load.
            "CONFIG": {"capacity": 1_000_000} if TUNED else {},
        }
    },
    USE_TZ=True,
)
django.setup()

from channels.db import database_sync_to_async  # noqa: E402
from channels.generic.websocket import AsyncJsonWebsocketConsumer  # noqa: E402
from channels.routing import ProtocolTypeRouter, URLRouter  # noqa: E402
from django.core.asgi import get_asgi_application  # noqa: E402
from django.db import models  # noqa: E402
from django.urls import path  # noqa: E402


class Message(models.Model):
    room = models.CharField(max_length=64, db_index=True)
    text = models.TextField()
    at = models.DateTimeField(auto_now_add=True)

    class Meta:
        app_label = "tutorial"
        db_table = "message"


class Chat(AsyncJsonWebsocketConsumer):
    async def connect(self) -> None:
        self.room = self.scope["url_route"]["kwargs"]["room"]
        self.group = f"chat_{self.room}"
        await self.channel_layer.group_add(self.group, self.channel_name)
        await self.accept()

    async def disconnect(self, code: int) -> None:
        await self.channel_layer.group_discard(self.group, self.channel_name)

    async def receive_json(self, content: dict[str, object]) -> None:
        text = content["text"]
        message = await database_sync_to_async(Message.objects.create)(room=self.room, text=text)
        await self.send_json({"ack": content["id"]})
        await self.channel_layer.group_send(
            self.group, {"type": "chat.message", "id": message.pk, "text": text}
        )

    async def chat_message(self, event: dict[str, object]) -> None:
        await self.send_json({"event": event["id"], "room": self.room, "text": event["text"]})


application = ProtocolTypeRouter(
    {
        "http": get_asgi_application(),
        "websocket": URLRouter([path("ws/<str:room>/", Chat.as_asgi())]),
    }
)


def create_tables() -> None:
    from django.db import connection

    with connection.schema_editor() as editor:
        editor.create_model(Message)


if __name__ == "__main__":
    create_tables()
