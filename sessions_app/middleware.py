"""What is refused before any view sees it."""

from collections.abc import Callable

from django.core.exceptions import BadRequest
from django.http import HttpRequest, HttpResponse

NUL = "\x00"


class RefuseNul:
    """Answers 400 to a NUL in an address: no text that is stored has one, and PostgreSQL raises."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Refuse it, or go on."""
        values = (value for values in request.GET.lists() for value in (values[0], *values[1]))
        if NUL in request.path or any(NUL in value for value in values):
            raise BadRequest("There is a NUL in the address")
        return self._get_response(request)
