"""Events as sentences."""

import pytest

from flows.events import BODIES
from sessions_app.sentences import plain, sentence

SENTENCES = [
    ("session_created", {"title": "Roof", "metadata": {}}, "ann began “Roof”"),
    ("session_created", {"title": "", "metadata": {}}, "ann began the session"),
    ("session_renamed", {"title": "Roof"}, "ann named it “Roof”"),
    ("session_ended", {"reason": "Done"}, "ann ended the session: Done"),
    ("session_ended", {}, "ann ended the session"),
    ("session_resumed", {}, "ann resumed the session"),
    ("participant_added", {"user": "bob", "role": "member"}, "ann added bob as member"),
    ("participant_removed", {"user": "bob"}, "ann removed bob"),
    ("participant_removed", {"user": "ann"}, "ann left"),
    ("message_sent", {"text": "It leaks."}, "ann: It leaks."),
    ("message_sent", {"text": "Where?", "reply_to": 2}, "ann: Where? (about #2)"),
    ("message_sent", {"text": "x", "metadata": {"a": 1}}, "ann: x"),
]


@pytest.mark.parametrize(("kind", "data", "words"), SENTENCES)
def test_an_event_is_a_sentence(kind: str, data: object, words: str) -> None:
    """What has happened is said in words."""
    assert sentence(kind, "ann", data) == words


def test_every_kind_has_one() -> None:
    """There is a sentence for every kind of event that there is."""
    assert {kind for kind, _, _ in SENTENCES} == set(BODIES)


@pytest.mark.parametrize("data", [None, 7, "text", [], {}, {"x": "ö"}])
def test_what_is_not_known_is_shown(data: object) -> None:
    """An event of another kind or shape is shown as it is."""
    assert sentence("something_new", "ann", data).startswith("ann something_new ")
    assert sentence("message_sent", "ann", data).startswith("ann message_sent ")


@pytest.mark.parametrize(
    ("text", "harmless"),
    [
        ("It leaks.", "It leaks."),
        ("Öl 🛢 ½ “x” é", "Öl 🛢 ½ “x” é"),
        ("", ""),
        ("a\nb\tc\r", r"a\nb\tc\r"),
        ("\x1b[31m\x07\x00\x7f", r"\x1b[31m\x07\x00\x7f"),
        ("\x9b31m\x85", r"\x9b31m\x85"),
        ("\u202eabc\u2066\u200f", r"\u202eabc\u2066\u200f"),
        ("\u2028\u2029", r"\u2028\u2029"),
        ("\ud800\udcff", r"\ud800\udcff"),
    ],
)
def test_plain_text_is_harmless(text: str, harmless: str) -> None:
    """Text is one line that does nothing but show, and can be encoded; letters stay as they are."""
    assert plain(text) == harmless
    assert len(harmless.encode().splitlines()) <= 1
