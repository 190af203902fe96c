"""What is refused for every page: before a view sees it, or on behalf of one that raised."""

import math
from collections.abc import Callable

import structlog
from django.core.exceptions import BadRequest
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from sessions_app.sign_in import TooManyAttempts

logger = structlog.get_logger(__name__)

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


class RefuseTooManyAttempts:
    """Answers 429 to whoever has erred too often in signing in, on whatever page."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Go on."""
        return self._get_response(request)

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        """Say how long to wait."""
        if not isinstance(exception, TooManyAttempts):
            return None
        seconds = math.ceil(exception.retry_after.total_seconds())
        logger.warning("sign_in_refused", address=request.META.get("REMOTE_ADDR"), seconds=seconds)
        context = {"minutes": math.ceil(seconds / 60)}
        response = render(request, "sessions_app/429.html", context, status=429)
        response["Retry-After"] = str(seconds)
        return response
