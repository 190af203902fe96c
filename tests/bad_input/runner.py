"""Does what a case says to a real server, and tells what is wrong with what came of it."""

import asyncio
import json
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from typing import Any
from urllib.parse import urlencode

from tests.bad_input import sentences
from tests.bad_input.catalogue import Case, Template
from tests.bad_input.expectations import Expectation, Nothing, Seen, Verbatim, judge, parse
from tests.bad_input.raw import Connection, connection, frame_bytes, handshake_bytes
from tests.bad_input.stage import Stage, ask, staged
from tests.servers import Server, manage
from tests.wire import Client, Inbox

#: Another client is answered within this many seconds of the server's own time (the catalogue's
#: `always`), and of anybody's time within these: a busy machine is not the server's fault.
MEANWHILE = 1.0
AT_LAST = 5.0

#: How long an answer may take, and how long none is waited for, in seconds.
PATIENCE = 10.0
SILENCE = 1.0

#: What a server may hold in memory at most, in bytes; it begins with about 100 MB.
MEMORY = 400 * 2**20


async def problems(server: Server, case: Case) -> list[str]:
    """What is wrong with what `case` led to; empty if all is as it must be."""
    run = _RUNNERS[case.where]
    complaints = len(server.complaints())
    async with staged(server, case) as stage, _others_served(stage) as unserved:
        wrong = await run(stage, case)
    wrong += unserved
    wrong += [f"logged: {line}" for line in server.complaints()[complaints:]]
    if server.peak_memory() > MEMORY:
        wrong.append(f"held {server.peak_memory() / 2**20:.0f} MB")
    return wrong


@asynccontextmanager
async def _others_served(stage: Stage) -> AsyncIterator[list[str]]:
    """Another client writes while the case runs, and after it; what was wrong with that."""
    wrong: list[str] = []
    during = asyncio.create_task(_write_aside(stage, wrong, "during"))
    try:
        yield wrong
    finally:
        await during
    await _write_aside(stage, wrong, "after")


async def _write_aside(stage: Stage, wrong: list[str], when: str) -> None:
    began = stage.server.cpu_seconds()
    try:
        async with asyncio.timeout(AT_LAST):
            await stage.member.write(stage.aside, when)
    except (TimeoutError, EOFError) as error:
        wrong.append(f"another client was not served {when} the case: {error!r}")
    if (took := stage.server.cpu_seconds() - began) > MEANWHILE:
        wrong.append(f"another client was served {when} the case after {took:.1f} s of work")


# -- one frame -----------------------------------------------------------------------------------


async def text(stage: Stage, case: Case) -> list[str]:
    """One frame on an open connection of the owner's."""
    expectation = parse(case.expect)
    frame = stage.template.frame(case.what)
    async with await stage.connect() as sender:
        seen = await seen_of(stage, sender, frame, expectation)
        if expectation.allows(Verbatim):
            written, shown = await _read_back(stage, frame)
            seen = replace(seen, written=written, shown=shown)
        return judge(expectation, seen) + await _told_only_of(stage, seen)


async def seen_of(
    stage: Stage,
    sender: Client,
    frame: str | bytes,
    expectation: Expectation,
    firsts: Sequence[Any] = (),
) -> Seen:
    """Send `frame` and see what comes of it, here and for the member, who watches."""
    before = stage.ledger()
    since, since_member = len(sender.frames), len(stage.member.frames)
    await sender.send(frame)
    if expectation.allows(Nothing):
        # Requests of one session run in order: once this is answered, the frame is done with.
        await sender.request("get_session", session_id=stage.session)
    else:
        await _answered(sender, since)
    still_open = await _is_open(sender)
    await stage.member.settle()
    return Seen(
        replies=sender.strays(since),
        ids=ids_of(frame),
        told=sender.told(since),
        told_others=stage.told_to_member(since_member),
        close=sender.close_code,
        still_open=still_open,
        before=before,
        after=stage.ledger(),
        firsts=firsts,
    )


async def _answered(sender: Client, since: int) -> None:
    def found() -> bool | None:
        return bool(sender.strays(since)) or sender.close_code is not None or None

    try:
        await sender.until(found, patience=PATIENCE)
    except TimeoutError:
        return  # which shows in what was seen


async def _is_open(sender: Client) -> bool:
    """Whether a ping is answered; what was to come before its answer has then come."""
    try:
        reply = await sender.request("ping")
    except (EOFError, TimeoutError):
        return False
    return "result" in reply


def ids_of(frame: str | bytes) -> list[object]:
    """The ids of the requests in a frame, as a reply may have them; None for what has none."""
    try:
        value = json.loads(frame, parse_int=_short)
    except (ValueError, RecursionError):
        return [None]
    return [_id_of(each) for each in value] if isinstance(value, list) else [_id_of(value)]


def _short(digits: str) -> int | None:
    """Python refuses to read a number of 4,300 digits, which would hide the id beside it."""
    return int(digits) if len(digits) < 100 else None


def _id_of(request: object) -> object:
    """Protocol, section 2: an integer within ±(2^53-1), or up to 64 characters."""
    id_ = request.get("id") if isinstance(request, dict) else None
    match id_:
        case bool():
            return None
        case int():
            return id_ if abs(id_) < 2**53 else None
        case str():
            return id_ if len(id_) <= 64 else None
        case _:
            return None


async def _read_back(stage: Stage, frame: str | bytes) -> tuple[object, object]:
    """What was written, and how the log and those who watch have it."""
    params = json.loads(frame)["params"]
    (event,) = stage.member.events(stage.session)
    if "title" in params:
        shown = (await stage.owner.call("get_session", session_id=stage.session))["title"]
        told = event["data"]["title"]
        written = params["title"]
    else:
        shown = (await stage.log())[-1]["data"]["text"]
        told = event["data"]["text"]
        written = params["text"]
    return (written, written), (shown, told)


async def _told_only_of(stage: Stage, seen: Seen) -> list[str]:
    """The member writes: if nothing was stored, that is the next event, and they are told of it."""
    if seen.before != seen.after:
        return []
    since = len(stage.member.frames)
    seq = await stage.member.write(stage.session, "What comes next?")
    await stage.member.has_events(stage.session, seq)
    told = [each["params"].get("seq") for each in stage.told_to_member(since)]
    if (seq, told) != (stage.head + 1, [stage.head + 1]):
        return [f"after {stage.head} came {seq}, and watchers were told of {told}"]
    return []


# -- several frames ------------------------------------------------------------------------------


async def sequence(stage: Stage, case: Case) -> list[str]:
    """Frames in order, on one connection for each person."""
    wrong: list[str] = []
    play = sentences.Play(stage, stage.ledger())
    async with AsyncExitStack() as stack:
        for step in case.what:
            who = step.get("as", "owner")
            if who not in play.clients:
                client = await stage.connect(who)
                play.clients[who] = await stack.enter_async_context(client)
            run = _at_once if step.get("parallel") else _one_by_one
            wrong += await run(play, who, step)
        wrong += await sentences.after_sequence(play, case.expect)
    return wrong


async def _one_by_one(play: sentences.Play, who: str, step: Mapping[str, Any]) -> list[str]:
    wrong = []
    expectation = parse(step["expect"])
    for _ in range(step.get("times", 1)):
        frame = play.stage.template.frame(step["frame"])
        key = _key_of(frame)
        firsts = [play.firsts[who, key]] if (who, key) in play.firsts else []
        seen = await seen_of(play.stage, play.clients[who], frame, expectation, firsts)
        wrong += judge(expectation, seen)
        play.replies += seen.replies
        if not firsts and seen.replies and "result" in seen.replies[0]:
            play.firsts[who, key] = seen.replies[0]["result"]
    return wrong


def _key_of(frame: str | bytes) -> str:
    try:
        return str(json.loads(frame)["params"]["key"])
    except (ValueError, KeyError, TypeError):
        return ""


async def _at_once(play: sentences.Play, who: str, step: Mapping[str, Any]) -> list[str]:
    """All at once; every reply is judged by itself, and so is the end of the connection."""
    expectation = parse(step["expect"])
    client, times = play.clients[who], step["times"]
    frames = [play.stage.template.frame(step["frame"]) for _ in range(times)]
    since = len(client.frames)
    for frame in frames:
        await client.send(frame)

    def done() -> bool | None:
        return len(client.strays(since)) >= times or client.close_code is not None or None

    await client.until(done, patience=PATIENCE)
    replies = client.strays(since)
    play.replies += replies
    ids = {id_ for frame in frames for id_ in ids_of(frame)}
    views = [Seen(replies=[each], ids=[each["id"]]) for each in replies]
    if client.close_code is not None:
        views.append(Seen(close=client.close_code))
    wrong = [problem for seen in views for problem in judge(expectation, seen)]
    wrong += [f"a reply to nothing: {each}" for each in replies if each["id"] not in ids]
    return wrong


# -- bytes ---------------------------------------------------------------------------------------


async def wire(stage: Stage, case: Case) -> list[str]:
    """Frames by the byte, after a good handshake."""
    server = stage.server
    before, since = stage.ledger(), len(stage.member.frames)
    async with connection("127.0.0.1", server.port) as there:
        token = stage.people["owner"].token
        opening = handshake_bytes(server.host, "/ws/", {"Authorization": f"Bearer {token}"})
        await there.send(opening)
        answer = await there.answer()
        assert answer is not None
        assert answer.status == 101
        there.listen()
        await there.until(lambda: there.notifications("welcome") or None)
        welcomed = len(there.frames)
        for each in case.what:
            await there.send(_bytes_of(each))
        await _came(there, welcomed)
        still_open = await _still_answers(there)
        await stage.member.settle()
        seen = Seen(
            replies=[each for each in there.replies(welcomed) if each.get("id") != "still-open"],
            ids=[1],
            told=there.told(welcomed),
            told_others=stage.told_to_member(since),
            close=there.close_code,
            still_open=still_open,
            before=before,
            after=stage.ledger(),
            sentence=[] if there.pongs or there.close_code else ["neither pongs nor a close"],
        )
    return judge(parse(case.expect), seen) + await _told_only_of(stage, seen)


_PLAIN = Template({})


def _bytes_of(frame: Mapping[str, Any]) -> bytes:
    if "opcode" not in frame:
        return bytes.fromhex(frame["hex"])
    payload = (
        bytes.fromhex(frame["hex"]) if "hex" in frame else _PLAIN.string(frame["payload"]).encode()
    )
    options = {name: frame[name] for name in ("fin", "mask", "rsv") if name in frame}
    return frame_bytes(frame["opcode"], payload, **options) * int(frame.get("times", 1))


async def _came(there: Inbox, since: int) -> None:
    """Wait for a reply, a pong or the end."""

    def found() -> bool | None:
        return there.close_code is not None or len(there.frames) > since or None

    try:
        await there.until(found, patience=PATIENCE)
    except TimeoutError:
        return  # which shows in what was seen


async def _still_answers(there: Connection) -> bool:
    ping = b'{"jsonrpc":"2.0","id":"still-open","method":"ping"}'
    await there.send(frame_bytes(1, ping))

    def found() -> bool | None:
        return there.close_code is not None or there.reply_to("still-open") is not None or None

    try:
        await there.until(found, patience=PATIENCE)
    except TimeoutError:
        return False
    return there.close_code is None


async def handshake(stage: Stage, case: Case) -> list[str]:
    """An opening request, by the byte."""
    server, request, expectation = stage.server, case.what, parse(case.expect)
    before, since = stage.ledger(), len(stage.member.frames)
    async with connection("127.0.0.1", server.port) as there:
        await there.send(_opening(stage, request))
        # A request that may be left without an answer is not waited for as long.
        patience = SILENCE if expectation.sentences else PATIENCE
        seen = await _handshake_seen(there, patience)
        await stage.member.settle()
    return judge(
        expectation,
        replace(
            seen,
            told_others=stage.told_to_member(since),
            before=before,
            after=stage.ledger(),
            sentence=sentences.slow_headers_are_documented(),
        ),
    )


def _opening(stage: Stage, request: Mapping[str, Any]) -> bytes:
    fill, host = stage.template.text, stage.server.host
    if "raw" in request:
        return fill(request["raw"]).encode()
    if "raw_many" in request:
        headers = request["raw_many"] * request["times"]
        return f"GET {request['path']} HTTP/1.1\r\nHost: {host}\r\n{headers}\r\n".encode()
    path = stage.template.string(request["path"])
    return handshake_bytes(host, path, _headers(stage, request), request.get("method", "GET"))


def _headers(stage: Stage, request: Mapping[str, Any]) -> dict[str, str | list[str] | None]:
    def filled(value: str | list[str] | None) -> str | list[str] | None:
        if isinstance(value, list):
            return [stage.template.text(each) for each in value]
        return None if value is None else stage.template.text(value)

    return {name: filled(value) for name, value in request.get("headers", {}).items()}


async def _handshake_seen(there: Connection, patience: float) -> Seen:
    try:
        async with asyncio.timeout(patience):
            answer = await there.answer()
    except TimeoutError:
        return Seen()
    if answer is None:
        return Seen(close=1006)
    if answer.status != 101:
        return Seen(status=answer.status, body=answer.body)
    there.listen()
    await there.until(lambda: there.close_code is not None or bool(there.frames) or None)
    # Whoever may not come in is told nothing at all.
    return Seen(status=101, close=there.close_code, told=there.frames)


# -- the other doors -----------------------------------------------------------------------------


async def http(stage: Stage, case: Case) -> list[str]:
    """A request at the HTTP door, the admin, health or schema."""
    request, expectation = case.what, parse(case.expect)
    check = next((sentences.ABOUT_ANSWER[text] for text in expectation.sentences), None)
    wrong: list[str] = []
    if check is sentences.all_escaped:
        await sentences.write_hostile_texts(stage)
        wrong += await _shown_in_admin(stage)
    before, since = stage.ledger(), len(stage.member.frames)
    headers, body = _http_request(stage, request)
    path = stage.template.text(request["path"])
    answer = await ask(stage.server, request["method"], path, headers, body)
    await stage.member.settle()
    seen = Seen(
        told_others=stage.told_to_member(since), before=before, after=stage.ledger(), close=1006
    )
    if answer is not None:
        found = check(answer) if check else None
        seen = replace(seen, close=None, status=answer.status, body=answer.body, sentence=found)
    return wrong + judge(expectation, seen)


async def _shown_in_admin(stage: Stage) -> list[str]:
    """The asked page may have found nothing, which is escaped easily; this one shows it all."""
    path = f"/admin/sessions_app/event/?q={stage.session}"
    headers, _ = _http_request(stage, {"as": "superuser"})
    answer = await ask(stage.server, "GET", path, headers)
    assert answer is not None
    return sentences.all_shown(answer)


def _http_request(stage: Stage, request: Mapping[str, Any]) -> tuple[dict[str, Any], bytes]:
    headers: dict[str, Any] = {}
    match request["as"]:
        case "cookie":
            headers["Cookie"] = stage.values["cookie"]
        case "superuser":
            headers["Cookie"] = f"sessionid={stage.server.people['admin'].cookie}"
        case "anonymous":
            ...
        case role:
            headers["Authorization"] = f"Bearer {stage.people[role].token}"
    if "Cookie" in headers and request.get("csrf", True):
        secret = secrets.token_hex(16)
        headers["Cookie"] += f"; csrftoken={secret}"
        headers["X-CSRFToken"] = secret
    body = b""
    if "json" in request:
        headers["Content-Type"] = "application/json"
        body = stage.template.json(request["json"]).encode()
    elif "form" in request:
        headers["Content-Type"] = "application/x-www-form-urlencoded"
        body = urlencode(request["form"]).encode()
    elif "body" in request:
        headers["Content-Type"] = "application/json"
        body = stage.template.string(request["body"]).encode()
    elif "body_hex" in request:
        headers["Content-Type"] = "application/json"
        body = bytes.fromhex(request["body_hex"])
    return {**headers, **_headers(stage, request)}, body


async def command(stage: Stage, case: Case) -> list[str]:
    """`manage.py` with these arguments, on the server's database."""
    before, since = stage.ledger(), len(stage.member.frames)
    arguments = [stage.template.text(each) for each in case.what]
    url = stage.server.database.url
    done = await asyncio.to_thread(manage, *arguments, database_url=url)
    await stage.member.settle()
    seen = Seen(
        exit=done.returncode,
        output=done.stderr or done.stdout,
        told_others=stage.told_to_member(since),
        before=before,
        after=stage.ledger(),
    )
    return judge(parse(case.expect), seen)


_RUNNERS: dict[str, Callable[[Stage, Case], Awaitable[list[str]]]] = {
    "text": text,
    "sequence": sequence,
    "wire": wire,
    "handshake": handshake,
    "http": http,
    "command": command,
}
