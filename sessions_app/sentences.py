"""Events as sentences, for people at a terminal."""

import json
import re
from typing import Any

#: What would move the cursor or worse in a terminal, if somebody had written it in a title.
_UNPRINTABLE = re.compile(
    r"[\x00-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]"
)


def sentence(kind: str, actor: str, data: Any) -> str:
    """What has happened, in words; kinds that are not known here are shown as they are."""
    match kind, data:
        case "message_sent", {"text": text, "reply_to": seq}:
            return f"{actor}: {text} (about #{seq})"
        case "message_sent", {"text": text}:
            return f"{actor}: {text}"
        case "session_created", {"title": title}:
            return f"{actor} began “{title}”" if title else f"{actor} began the session"
        case "session_renamed", {"title": title}:
            return f"{actor} named it “{title}”"
        case "session_ended", {"reason": reason}:
            return f"{actor} ended the session: {reason}"
        case "session_ended", _:
            return f"{actor} ended the session"
        case "session_resumed", _:
            return f"{actor} resumed the session"
        case "participant_added", {"user": user, "role": role}:
            return f"{actor} added {user} as {role}"
        case "participant_removed", {"user": user}:
            return f"{actor} left" if user == actor else f"{actor} removed {user}"
        case _:
            return f"{actor} {kind} {json.dumps(data, ensure_ascii=False)}"


def plain(text: str) -> str:
    """`text` on one line and harmless in a terminal: control characters are spelled out."""
    return _UNPRINTABLE.sub(lambda found: found[0].encode("unicode_escape").decode(), text)
