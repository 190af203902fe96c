"""What is stored: sessions, who takes part, their log, receipts; users and how they sign in.

The log is the truth; a `Session` and its `Participant`s are its fold, kept beside it by the same
transaction. Rules that a database can hold, it holds.
"""

from django.contrib.auth.models import AbstractUser
from django.db import models
from django.db.models import F, Q
from django.utils import timezone

from flows.actor import SYSTEM_NAME
from flows.events import Role
from flows.session import Status
from sessions_app.expressions import Stretch, TextBeginning


def _choices(values: object) -> list[tuple[str, str]]:
    return [(str(value), str(value).replace("_", " ")) for value in values]  # type: ignore[attr-defined]


class User(AbstractUser):
    """Somebody who can sign in. The user name is their identity in every log: it never changes."""

    class Meta(AbstractUser.Meta):
        constraints = [
            # The log names the system `$system`; no user may look like it.
            models.CheckConstraint(
                condition=~Q(username__startswith=SYSTEM_NAME[0]), name="user_is_not_the_system"
            ),
        ]


class Session(models.Model):
    """A conversation. Its row's lock is the sequencer: who holds it may use `last_seq + 1`."""

    id = models.UUIDField(primary_key=True, editable=False)
    title = models.CharField(max_length=200, blank=True)
    status = models.CharField(max_length=8, choices=_choices(Status), default=Status.OPEN)
    owner = models.ForeignKey(User, on_delete=models.PROTECT, related_name="owned_sessions")
    metadata = models.JSONField(default=dict, blank=True)
    last_seq = models.PositiveBigIntegerField()
    message_count = models.PositiveBigIntegerField(default=0)
    created_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True, blank=True)
    last_activity = models.DateTimeField()

    class Meta:
        ordering = ("-last_activity", "-id")
        # What staff may do in sessions that they take no part in, beside `view_session`.
        permissions = (
            ("read_session", "Can read what was said in sessions"),
            ("moderate_session", "Can end, reopen, remove, disconnect and write as staff"),
        )
        constraints = [
            models.CheckConstraint(condition=Q(last_seq__gt=0), name="session_has_events"),
            models.CheckConstraint(condition=Q(status__in=list(Status)), name="session_status"),
            models.CheckConstraint(
                condition=Q(status=Status.ENDED) ^ Q(ended_at__isnull=True),
                name="session_ended_at_iff_ended",
            ),
        ]
        indexes = [
            # The admin's list and list_sessions: newest activity first, a page at a time.
            models.Index(F("last_activity").desc(), F("id").desc(), name="session_by_activity"),
        ]

    def __str__(self) -> str:
        return self.title or str(self.id)


class Participant(models.Model):
    """Somebody who takes part, or did (`left_seq`), and how far they have read (`seen_seq`)."""

    # No index of its own: that of `participant_once` begins with the session.
    session = models.ForeignKey(
        Session, on_delete=models.CASCADE, related_name="participants", db_index=False
    )
    user = models.ForeignKey(User, on_delete=models.PROTECT, related_name="participations")
    role = models.CharField(max_length=8, choices=_choices(Role))
    joined_seq = models.PositiveBigIntegerField()
    left_seq = models.PositiveBigIntegerField(null=True, blank=True)
    seen_seq = models.PositiveBigIntegerField(default=0)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=("session", "user"), name="participant_once"),
            models.CheckConstraint(condition=Q(role__in=list(Role)), name="participant_role"),
            models.CheckConstraint(
                condition=Q(left_seq__isnull=True) | Q(left_seq__gt=F("joined_seq")),
                name="participant_left_after_joining",
            ),
        ]
        indexes = [
            # list_sessions: those that a user takes part in now.
            models.Index(
                fields=("user", "session"), condition=Q(left_seq=None), name="participant_of_user"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.user} ({self.role})"


class Event(models.Model):
    """One entry of a session's log. Written once, never changed."""

    # No index of its own: that of `event_seq_once` begins with the session.
    session = models.ForeignKey(
        Session, on_delete=models.CASCADE, related_name="events", db_index=False
    )
    seq = models.PositiveBigIntegerField()
    kind = models.CharField(max_length=32)
    actor = models.CharField(max_length=150)
    data = models.JSONField()
    key = models.CharField(max_length=64, blank=True)
    at = models.DateTimeField()
    trace = models.CharField(max_length=32, blank=True)

    class Meta:
        ordering = ("session", "seq")
        constraints = [
            # Also the index of every read of a log: a session's events from a seq on.
            models.UniqueConstraint(fields=("session", "seq"), name="event_seq_once"),
            models.CheckConstraint(condition=Q(seq__gt=0), name="event_seq_positive"),
        ]
        indexes = [
            # The admin's search: the latest messages of exactly this text.
            models.Index(
                Stretch("id"), TextBeginning("data"), F("id").desc(), name="event_by_stretch"
            ),
        ]

    def __str__(self) -> str:
        return f"#{self.seq} {self.kind}"


class Receipt(models.Model):
    """A key that was used and what came of it, kept as long as its session: it never runs again."""

    actor = models.CharField(max_length=150)
    key = models.CharField(max_length=64)
    flow = models.CharField(max_length=64)
    fingerprint = models.BinaryField(max_length=32)
    # Its index finds what goes with a session that is deleted.
    session = models.ForeignKey(Session, on_delete=models.CASCADE, related_name="receipts")
    seq = models.PositiveBigIntegerField()
    at = models.DateTimeField()

    class Meta:
        constraints = [
            # Also the index of the look-up that every write begins with.
            models.UniqueConstraint(fields=("actor", "key"), name="receipt_key_once"),
        ]

    def __str__(self) -> str:
        return f"{self.actor} {self.key}"


class Log(models.Model):
    """The one row that names this log's history: its `epoch`."""

    id = models.PositiveSmallIntegerField(primary_key=True, default=1)
    epoch = models.CharField(max_length=32)

    class Meta:
        constraints = [models.CheckConstraint(condition=Q(id=1), name="log_is_one")]

    def __str__(self) -> str:
        return self.epoch


class Node(models.Model):
    """A process that serves. It says every few seconds that it is there; who does not is gone."""

    name = models.CharField(primary_key=True, max_length=32)
    host = models.CharField(max_length=255)
    pid = models.PositiveIntegerField()
    started = models.DateTimeField()
    #: By the database's clock, and what the node's own said at that moment.
    last_seen = models.DateTimeField()
    clock = models.DateTimeField()
    draining = models.BooleanField(default=False)

    class Meta:
        default_permissions = ("view",)
        permissions = (("drain_node", "Can send the clients of a node elsewhere and end it"),)

    def __str__(self) -> str:
        return f"{self.name} ({self.host}, {self.pid})"


class Connection(models.Model):
    """An open WebSocket, as its node has said within the last seconds."""

    id = models.CharField(primary_key=True, max_length=32)
    node = models.ForeignKey(Node, on_delete=models.CASCADE, related_name="connections")
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="connections")
    since = models.DateTimeField()
    #: When its client last sent something, to the minute.
    last_seen = models.DateTimeField()
    watching = models.PositiveIntegerField(default=0)
    observing = models.PositiveIntegerField(default=0)
    #: How many events it is behind, at most, in what it watches.
    lag = models.PositiveBigIntegerField(default=0)

    class Meta:
        default_permissions = ("view",)

    def __str__(self) -> str:
        return f"{self.id} of {self.user}"


class Instruction(models.Model):
    """What all nodes are asked; each does what concerns it, once. It goes after a few minutes."""

    #: A user or a connection, whose sockets are to be closed; or a node, which is to drain.
    subject = models.CharField(max_length=10, choices=_choices(("user", "connection", "node")))
    target = models.CharField(max_length=150)
    reconnect = models.BooleanField(default=False)
    at = models.DateTimeField()

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return f"{self.subject} {self.target}"


class AccessToken(models.Model):
    """A bearer token, stored as its SHA-256: it can be checked and revoked, never shown again."""

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="access_tokens")
    name = models.CharField(max_length=100, blank=True)
    digest = models.CharField(max_length=64, unique=True, editable=False)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    last_used_at = models.DateTimeField(null=True, blank=True, editable=False)
    revoked_at = models.DateTimeField(null=True, blank=True)

    def __str__(self) -> str:
        return self.name or f"token {self.pk}"


class Ticket(models.Model):
    """A word that opens one socket within 30 s, stored as its SHA-256; its row goes when used."""

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="+")
    # By what its user was recognised, one of the two: when that is taken back, so is the socket.
    token = models.ForeignKey(
        AccessToken, on_delete=models.CASCADE, related_name="+", null=True, blank=True
    )
    session_key = models.CharField(max_length=40, blank=True)
    digest = models.CharField(max_length=64, unique=True)
    expires_at = models.DateTimeField(db_index=True)

    def __str__(self) -> str:
        return f"ticket of {self.user}"


class SignInAttempts(models.Model):
    """How often signing in has failed lately, for a user name or an address, which is hashed."""

    subject = models.CharField(primary_key=True, max_length=64)
    count = models.IntegerField(default=0)
    until = models.DateTimeField(db_index=True)

    class Meta:
        verbose_name_plural = "sign-in attempts"

    def __str__(self) -> str:
        return f"{self.count} until {self.until}"
