"""What clients may say: the limits of their fields, and when two inputs are the same."""

import hashlib
from typing import Any
from uuid import UUID

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flows import send_message as module
from flows.create_session import CreateSession, NewParticipant
from flows.end_session import EndSession
from flows.input import (
    MAX_INT,
    METADATA_BYTES,
    Key,
    Metadata,
    Mutation,
    Position,
    Reason,
    Search,
    Seq,
    SessionMutation,
    SignalName,
    Text,
    Title,
    UserName,
    check_json,
)
from flows.leave_session import LeaveSession
from flows.rename_session import RenameSession
from flows.resume_session import ResumeSession
from flows.send_message import SendMessage
from tests.flows.stage import NOWHERE

#: Each kind of text, its shortest and its longest (protocol, section 9).
TEXTS = [
    (Title, 0, 200),
    (Reason, 0, 1_000),
    (Text, 1, 16_384),
    (Search, 0, 200),
    (SignalName, 1, 64),
    (UserName, 1, 150),
    (Key, 1, 64),
]
every_text = pytest.mark.parametrize(("kind", "shortest", "longest"), TEXTS)


def is_valid(value: object, kind: Any) -> bool:
    try:
        msgspec.convert(value, kind)
    except msgspec.ValidationError:
        return False
    return True


@every_text
def test_length(kind: Any, shortest: int, longest: int) -> None:
    """Lengths are counted in characters, whatever they take in bytes."""
    for character in "x", "é", "💥", " ", "\n":
        assert is_valid(character * longest, kind)
        assert not is_valid(character * (longest + 1), kind)
    assert is_valid("", kind) == (shortest == 0)


@every_text
@pytest.mark.parametrize("bad", ["\x00", "\ud800", "\udfff", "\udc00\ud800"])  # noqa: PT014
@pytest.mark.parametrize("text", ["{}", "a{}", "{}a", "a{}\n", "a\n{}", "\n{}\n", "{}\n"])
def test_not_storable(kind: Any, shortest: int, longest: int, bad: str, text: str) -> None:
    """NUL and lone surrogates are refused wherever they stand; PostgreSQL cannot store them."""
    assert is_valid(text.format("b"), kind)
    assert not is_valid(text.format(bad), kind)


@every_text
def test_no_text(kind: Any, shortest: int, longest: int) -> None:
    """A number, a bool and nothing at all are no text."""
    values: list[object] = [7, 1.5, True, None, [], {}, ["x"], b"x"]
    assert not any(is_valid(value, kind) for value in values)


@given(st.text(min_size=1, max_size=60))
def test_any_text(text: str) -> None:
    """Text is refused if and only if it holds NUL or cannot be encoded as UTF-8."""
    try:
        text.encode()
    except UnicodeEncodeError:
        assert not is_valid(text, Title)
    else:
        assert is_valid(text, Title) == ("\x00" not in text)


@pytest.mark.parametrize(("kind", "least"), [(Seq, 1), (Position, 0)])
def test_integers(kind: Any, least: int) -> None:
    """Integers are those that JavaScript knows exactly; bools, text and fractions are none."""
    assert all(is_valid(value, kind) for value in (least, 1, MAX_INT))
    assert MAX_INT == 9_007_199_254_740_991
    bad = (least - 1, -(2**63), MAX_INT + 1, 2**64, True, False, "1", 1.5, None, float("inf"))
    assert not any(is_valid(value, kind) for value in bad)


# -- metadata ------------------------------------------------------------------------------------


def nested(levels: int, *, inner: Any = None, lists: bool = False) -> Metadata:
    """JSON objects (or arrays within one) of so many levels."""
    value = inner if inner is not None else ({} if not lists or levels == 1 else [])
    for level in range(levels - 1):
        value = [value] if lists and level < levels - 2 else {"a": value}
    assert isinstance(value, dict)
    return value


def test_depth() -> None:
    """32 levels of objects and arrays are accepted, 33 are not."""
    for lists in (False, True):
        check_json(nested(32, lists=lists), "$.metadata")
        with pytest.raises(ValueError, match=r"^Expected at most 32 levels - at `\$\.metadata`$"):
            check_json(nested(33, lists=lists), "$.metadata")
    check_json(nested(32, inner={"a": 1}), "$.metadata")


def test_bytes() -> None:
    """JSON has up to 16 KiB as it is encoded, in bytes and not in characters."""
    frame = len(b'{"a":""}')
    check_json({"a": "x" * (METADATA_BYTES - frame)}, "$.data")
    with pytest.raises(ValueError, match=r"^Expected at most 16384 bytes of JSON - at `\$\.data`$"):
        check_json({"a": "x" * (METADATA_BYTES - frame + 1)}, "$.data")
    check_json({"a": "é" * ((METADATA_BYTES - frame) // 2)}, "$.data")
    with pytest.raises(ValueError, match="bytes of JSON"):
        check_json({"a": "é" * (METADATA_BYTES // 2)}, "$.data")


@pytest.mark.parametrize(
    "value",
    [
        "\x00",
        "a\ud800",
        ["x", ["\x00"]],
        {"deep": [{"\x00": 1}]},
        {"\udfff": 1},
        MAX_INT + 1,
        -MAX_INT - 1,
        2**64,
        10**400,
        float("inf"),
        float("-inf"),
        float("nan"),
        1e16,
        -1e300,
    ],
)
def test_what_json_may_not_hold(value: object) -> None:
    """Text that cannot be stored and numbers that cannot be told are refused, however deep."""
    for metadata in ({"a": value}, {"a": [0, {"b": value}]}):
        with pytest.raises(ValueError, match=r" - at `\$\.metadata`$"):
            check_json(metadata, "$.metadata")


@pytest.mark.parametrize(
    "value",
    [
        None,
        True,
        False,
        0,
        MAX_INT,
        -MAX_INT,
        0.1,
        -1.5,
        1e-300,
        9e15,
        "",
        " ",
        "💥",
        [],
        {},
        "\x01",
    ],
)
def test_what_json_may_hold(value: object) -> None:
    """Everything else is JSON like any other."""
    check_json({"a": value, "b": [value], "": {"c": value}}, "$.metadata")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(st.dictionaries(st.text(max_size=5), JSON, max_size=3))
def test_any_json(value: Metadata) -> None:
    """What is accepted is small and comes back from the wire as it was; nothing else happens."""
    try:
        check_json(value, "$.metadata")
    except ValueError:
        return
    encoded = msgspec.json.encode(value)
    assert len(encoded) <= METADATA_BYTES
    assert value == msgspec.json.decode(encoded)


# -- the same or not -----------------------------------------------------------------------------


def convert(raw: dict[str, object]) -> SendMessage:
    return msgspec.convert(raw, SendMessage)


def raw(**fields: object) -> dict[str, object]:
    return {"session_id": str(NOWHERE), "text": "Hi", "key": "k"} | fields


SAME: list[tuple[dict[str, object], dict[str, object]]] = [
    (raw(), dict(reversed(raw().items()))),
    (raw(), raw(key="another")),
    (raw(), raw(session_id=str(NOWHERE).upper())),
    (raw(), raw(session_id=NOWHERE.hex)),
    (raw(), raw(reply_to=None, metadata=None, if_head=None)),
    (raw(metadata={"a": 1, "b": {"c": 2, "d": 3}}), raw(metadata={"b": {"d": 3, "c": 2}, "a": 1})),
]

OTHER: list[tuple[dict[str, object], dict[str, object]]] = [
    (raw(), raw(text="hi")),
    (raw(), raw(text="Hi ")),
    (raw(text="é"), raw(text="e\u0301")),
    (raw(), raw(session_id=str(NOWHERE).replace("d", "c"))),
    (raw(), raw(reply_to=1)),
    (raw(), raw(if_head=0)),
    (raw(reply_to=1), raw(if_head=1)),
    (raw(), raw(metadata={})),
    (raw(metadata={"a": 1}), raw(metadata={"a": True})),
    (raw(metadata={"a": 0}), raw(metadata={"a": False})),
    (raw(metadata={"a": 1}), raw(metadata={"a": "1"})),
    (raw(metadata={"a": None}), raw(metadata={})),
    (raw(metadata={"a": [1, 2]}), raw(metadata={"a": [2, 1]})),
    (raw(text='a","reply_to":1,"x":"'), raw(text="a", reply_to=1)),
]


@pytest.mark.parametrize(("one", "other"), SAME)
def test_same(one: dict[str, object], other: dict[str, object]) -> None:
    """Inputs are the same whatever the order and spelling of their values, and whatever the key."""
    assert convert(one).fingerprint() == convert(other).fingerprint()


@pytest.mark.parametrize(("one", "other"), OTHER)
def test_other(one: dict[str, object], other: dict[str, object]) -> None:
    """Inputs that differ in any value are others."""
    assert convert(one).fingerprint() != convert(other).fingerprint()


FIELDS = st.fixed_dictionaries(
    {
        "session_id": st.sampled_from([str(NOWHERE), str(NOWHERE).upper(), str(UUID(int=1))]),
        "text": st.sampled_from(["a", "b"]),
        "key": st.sampled_from(["k", "l"]),
    },
    optional={
        "reply_to": st.sampled_from([None, 1, 2]),
        "if_head": st.sampled_from([None, 0, 1]),
        "metadata": st.sampled_from([None, {}, {"a": 1, "b": 2}, {"b": 2, "a": 1}, {"a": "1"}]),
    },
)


@given(FIELDS, FIELDS, st.randoms())
def test_equal_iff_equal(one: dict[str, object], other: dict[str, object], random: Any) -> None:
    """Two inputs have one fingerprint if and only if their values but the key are equal."""
    a, b = convert(one), convert(other)
    same = msgspec.structs.replace(a, key="") == msgspec.structs.replace(b, key="")
    assert same == (a.fingerprint() == b.fingerprint())
    shuffled = list(one.items())
    random.shuffle(shuffled)
    assert a.fingerprint() == convert(dict(shuffled)).fingerprint()


def test_an_optional_field_is_added() -> None:
    """A field that a later version adds changes no fingerprint of those who do not use it."""

    class Later(SendMessage, frozen=True, kw_only=True, omit_defaults=True):
        extra: str | None = None

    Later.__name__ = "SendMessage"
    assert convert(raw()).fingerprint() == msgspec.convert(raw(), Later).fingerprint()
    used = msgspec.convert(raw(extra="x"), Later).fingerprint()
    assert convert(raw()).fingerprint() != used


def test_flows_differ() -> None:
    """Two flows with the same fields are different inputs."""
    leave, resume = (
        kind(session_id=NOWHERE, key="k").fingerprint() for kind in (LeaveSession, ResumeSession)
    )
    assert leave != resume


@pytest.mark.parametrize(
    ("input", "canonical"),
    [
        (LeaveSession(session_id=NOWHERE, key="k"), b'["leave_session",{"session_id":"%s"}]'),
        (
            SendMessage(session_id=NOWHERE, text="Hi", metadata={"b": 1, "a": [True]}, key="k"),
            b'["send_message",{"metadata":{"a":[true],"b":1},"session_id":"%s","text":"Hi"}]',
        ),
        (
            CreateSession(participants=[NewParticipant("bob", "member")], key="k"),
            b'["create_session",{"participants":[{"role":"member","user":"bob"}]}]',
        ),
        (CreateSession(title="", metadata={}, participants=[], key="k"), b'["create_session",{}]'),
        (
            RenameSession(session_id=NOWHERE, title="", key="k"),
            b'["rename_session",{"session_id":"%s","title":""}]',
        ),
    ],
)
def test_fingerprints_are_for_ever(input: Mutation, canonical: bytes) -> None:
    """A fingerprint is stored and compared years later: how it is made does not change."""
    if b"%s" in canonical:
        canonical %= str(NOWHERE).encode()
    assert hashlib.sha256(canonical).digest() == input.fingerprint()


def test_receipt_name() -> None:
    """A receipt is kept under the flow's name."""
    assert EndSession(session_id=NOWHERE, key="k").flow_name == "end_session"
    assert module.send_message.name == convert(raw()).flow_name
    assert issubclass(SessionMutation, Mutation)
