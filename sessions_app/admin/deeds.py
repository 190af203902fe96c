"""What staff do by a flow: the question why, and then each of what was chosen."""

import secrets
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from django import forms
from django.contrib import messages
from django.contrib.admin import ModelAdmin, helpers
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.template.response import TemplateResponse

from flows.engine import Flow
from sessions_app.protocol import error_of, is_expected
from sessions_app.scope import run_each, scope_of
from sessions_app.staff import staff_actor

#: What can be chosen at once: each is a write, and somebody waits for the page.
AT_ONCE = 100


class ReasonForm(forms.Form):
    """Why something is done."""

    reason = forms.CharField(
        max_length=1000,
        widget=forms.Textarea(attrs={"rows": 3, "class": "vLargeTextField"}),
        help_text="Kept with your name in the history.",
    )


class Deed(NamedTuple):
    """Something that is done to one thing after another, each by `flow`."""

    #: The action's name in a list.
    name: str
    flow: Flow[Any, Any]
    #: What it is called, what one should know before, and what the button says.
    title: str
    warning: str
    button: str
    #: What has become of a thing, after its name.
    done: str
    #: The flow's input but for its key, from the thing and the reason.
    params: Callable[[Any, str], dict[str, Any]]
    #: How a thing is called, and what else is told of it where one is asked.
    called: Callable[[Any], str] = "“{}”".format
    details: Callable[[Any], str] = lambda thing: ""
    form: type[ReasonForm] = ReasonForm
    #: Whether the flow's input has a key.
    keyed: bool = True


def ask_or_do(
    admin: "ModelAdmin[Any]",
    request: HttpRequest,
    deed: Deed,
    chosen: Sequence[Any],
    do: Callable[[HttpRequest, Sequence[Any], dict[str, Any]], HttpResponseBase] | None = None,
) -> HttpResponseBase | None:
    """The page that asks why; once that is answered, what `do` answers.

    Without `do`, each is done by the flow, and the list comes back with what came of it.
    """
    if len(chosen) > AT_ONCE:
        messages.error(request, f"At most {AT_ONCE} can be chosen at once.")
        return None
    form = deed.form(request.POST if "confirmed" in request.POST else None)
    if not form.is_valid():
        return asking(admin, request, deed, chosen, form)
    if do is not None and chosen:
        return do(request, chosen, form.cleaned_data)
    run(request, deed, chosen, form.cleaned_data["reason"])
    return None


def asking(
    admin: "ModelAdmin[Any]",
    request: HttpRequest,
    deed: Deed,
    chosen: Sequence[Any],
    form: forms.Form,
) -> TemplateResponse:
    """The page that asks why."""
    context = {
        **admin.admin_site.each_context(request),
        "title": deed.title,
        "opts": admin.opts,
        "deed": deed,
        "things": [(thing.pk, deed.called(thing), deed.details(thing)) for thing in chosen],
        "form": form,
        "action_checkbox_name": helpers.ACTION_CHECKBOX_NAME,
    }
    return TemplateResponse(request, "admin/sessions_app/confirm.html", context)


def run(request: HttpRequest, deed: Deed, chosen: Sequence[Any], reason: str) -> None:
    """Run the flow for each of `chosen`, as staff, and tell what came of it.

    The flow checks the right once more, and records who did it and why.
    """
    inputs = [
        {**deed.params(thing, reason), **({"key": secrets.token_hex(16)} if deed.keyed else {})}
        for thing in chosen
    ]
    outcomes = run_each(
        deed.flow,
        inputs,
        actor=staff_actor(request.user),
        reason=reason,
        scope=scope_of(request),
    )
    for thing, outcome in zip(chosen, outcomes, strict=True):
        tell(request, deed.called(thing), deed.done, outcome)


def tell(request: HttpRequest, called: str, done: str, outcome: object) -> bool:
    """Say what came of a flow; whether it was done. Raises what is no refusal."""
    if not isinstance(outcome, Exception):
        messages.success(request, f"{called} {done}.")
    elif is_expected(outcome):
        messages.error(request, f"{called}: {error_of(outcome, '').message}.")
    else:
        raise outcome
    return not isinstance(outcome, Exception)
