"""The contract over HTTP: for machines at `/api/schema/`, for people at `/api/docs/`."""

import hashlib
from functools import cache

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import condition, require_safe

from sessions_app.contract.document import document, printed
from sessions_app.contract.reference import reference


@cache
def _body() -> bytes:
    return printed(document()).encode()


def _etag(request: HttpRequest) -> str:
    return f'"{hashlib.sha256(_body()).hexdigest()[:32]}"'


@require_safe
@condition(etag_func=_etag)
def schema(request: HttpRequest) -> HttpResponse:
    """`GET /api/schema/`: AsyncAPI 3. It is no secret: a page of any origin may read it."""
    answer = HttpResponse(_body(), content_type="application/json")
    answer["Access-Control-Allow-Origin"] = "*"
    answer["Cache-Control"] = "no-cache"  # ask whether it is still the same
    return answer


@require_safe
@condition(etag_func=_etag)
def docs(request: HttpRequest) -> HttpResponse:
    """`GET /api/docs/`: the same for people, without a script."""
    return render(request, "sessions_app/docs.html", {"contract": reference(document())})
