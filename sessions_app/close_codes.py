"""Why a socket is closed (protocol, section 7): the code is the verdict.

4000-4499: connect again and watch from where you were. 4500-4999: stop and tell the person.
"""

from typing import TypeAlias

#: A close code and its reason, in words for whoever reads a log.
Close: TypeAlias = tuple[int, str]

INTERNAL: Close = (4000, "internal error")
DRAINING: Close = (4001, "the server is going away")
RECONNECT: Close = (4002, "asked to reconnect")
EXPIRED: Close = (4003, "credentials expired")
NO_PONG: Close = (4007, "no answer to ping")
NOT_READING: Close = (4008, "not reading")
IDLE: Close = (4009, "idle")
KEPT_SENDING: Close = (4029, "kept sending while rate limited")
NOT_AUTHENTICATED: Close = (4501, "not authenticated")
LOGGED_OUT: Close = (4502, "logged out or revoked")
NO_SUBPROTOCOL: Close = (4506, "no common subprotocol")
REMOVED_BY_STAFF: Close = (4511, "removed by staff")
TOO_MANY_CONNECTIONS: Close = (4512, "too many connections")
BINARY_FRAME: Close = (4513, "binary frame")
FRAME_TOO_LARGE: Close = (4514, "frame too large")
BAD_FRAMES: Close = (4515, "too many bad frames")
DISABLED: Close = (4520, "account disabled")
