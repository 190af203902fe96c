"""Where the admin's pages are, and what its lists show."""

from django.test import Client
from django.urls import reverse

from sessions_app.models import Event, Participant, Receipt, Session

#: What the admin only shows, as models and as they are called in addresses.
HISTORY = (Session, Participant, Event, Receipt)
READ_ONLY = ["session", "participant", "event", "receipt"]


def url(model: str, page: str = "changelist", *args: object) -> str:
    return reverse(f"admin:sessions_app_{model}_{page}", args=args)


def shown(client: Client, address: str, **query: object) -> list[str]:
    """The rows that a list shows, in order, as they call themselves."""
    response = client.get(address, {name: str(value) for name, value in query.items()})
    assert response.status_code == 200
    return [str(row) for row in response.context["cl"].result_list]
