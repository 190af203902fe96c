"""The pages for people: the one to talk in, and signing in. What they show, the socket tells."""

from uuid import UUID

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe


@require_safe
@never_cache
@login_required
def console(request: HttpRequest, session_id: UUID | None = None) -> HttpResponse:
    """`GET /` and `GET /sessions/<id>/`: one page, which itself looks at its address.

    Whether there is such a session, and for whom, is for the flows to say.
    """
    return render(request, "sessions_app/console.html")
