"""What the page of the contract shows of it."""

from sessions_app.contract import document, reference


def test_a_method_tells_what_it_takes_and_gives() -> None:
    """Fields come as they are defined, with their types, bounds and whether they must be there."""
    methods = {each.name: each for each in reference(document()).methods}
    params = {each.name: each for each in methods["send_message"].params.fields}
    assert list(params) == [
        "key", "session_id", "text", "reply_to", "metadata", "if_head",
    ]  # fmt: skip
    assert (params["text"].kind, params["text"].about) == ("string", "1 to 16384 characters")
    assert (params["text"].required, params["if_head"].required) == (True, False)
    assert params["session_id"].about == "uuid"
    assert params["reply_to"].about == "at least 1"
    assert [each.name for each in methods["send_message"].result.fields] == ["seq", "duplicate"]
    limit = methods["list_events"].params.fields[-1]
    assert limit.about == "1 to 500, 100 if not given"


def test_a_field_leads_to_what_it_is_made_of() -> None:
    """A list of shapes and a shape that may be null name the shape, and it is shown."""
    shown = reference(document())
    methods = {each.name: each for each in shown.methods}
    made_of = {each.name: each.made_of for each in methods["get_session"].result.fields}
    assert (made_of["participants"], made_of["title"]) == ("Participant", "")
    status = {each.name: each.made_of for each in methods["list_sessions"].params.fields}["status"]
    assert status == "Status"
    assert {"Participant", "Status", "Event"} <= {each.name for each in shown.shapes}


def test_it_says_who_may_and_how() -> None:
    """A method says whether it can be repeated, is there over HTTP, and is for staff."""
    methods = {each.name: each for each in reference(document()).methods}
    told = {
        name: (methods[name].repeatable, methods[name].http, methods[name].for_staff)
        for name in ("send_message", "get_session", "observe_session")
    }
    assert told == {
        "send_message": (True, "/api/flows/send_message/", False),
        "get_session": (False, "/api/flows/get_session/", False),
        "observe_session": (False, "", True),
    }


def test_what_is_one_of_several_says_so() -> None:
    """A shape without fields tells what it is instead."""
    shapes = {each.name: each for each in reference(document()).shapes}
    assert shapes["Status"].kind == '"ended" | "open"'
    assert "MessageSentEvent" in shapes["Event"].kind
    assert shapes["SessionResumed"].kind == ""
