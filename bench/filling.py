"""SQL that fills a database with sessions past the server, for what grows with it."""

from bench.dialects import PADDING


def filling(sessions: int, events: int, *, postgres: bool) -> list[str]:
    """The statements: sessions of user u2000 with so many events each, and their receipts."""
    count = "generate_series(1, {}) AS n(i)" if postgres else "n"
    new_id = "gen_random_uuid()" if postgres else "lower(hex(randomblob(16)))"
    at = "now()" if postgres else "'2026-01-01 00:00:00'"
    number = "to_char(n.i - 1, 'FM00000000')" if postgres else "printf('%08d', n.i - 1)"
    random = "left(md5(random()::text), 8)" if postgres else "lower(hex(randomblob(4)))"
    nothing = "decode('00', 'hex')" if postgres else "x'00'"
    json = "::jsonb" if postgres else ""

    def counting(up_to: int) -> str:
        if postgres:
            return ""
        return f"WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {up_to}) "

    user = "(SELECT id FROM sessions_app_user WHERE username = 'u2000')"
    created = f"""'{{"title": "Filler", "metadata": {{}}}}'{json}"""
    sent = f"""('{{"text": "' || {random} || ' ~' || {number} || '{PADDING}"}}'){json}"""
    return [
        f"INSERT INTO sessions_app_session (id, title, status, owner_id, metadata, last_seq,"
        f" message_count, created_at, last_activity) {counting(sessions)}"
        f"SELECT {new_id}, 'Filler', 'open', {user}, '{{}}', {events}, {events - 1}, {at}, {at}"
        f" FROM {count.format(sessions)}",
        f"INSERT INTO sessions_app_participant (session_id, user_id, role, joined_seq, seen_seq)"
        f" SELECT id, {user}, 'owner', 1, 0 FROM sessions_app_session WHERE title = 'Filler'",
        f"INSERT INTO sessions_app_event (session_id, seq, kind, actor, data, key, at, trace)"
        f" {counting(events)}SELECT s.id, n.i,"
        f" CASE n.i WHEN 1 THEN 'session_created' ELSE 'message_sent' END, 'u2000',"
        f" CASE n.i WHEN 1 THEN {created} ELSE {sent} END,"
        f" s.id || '-' || n.i, {at}, '' FROM sessions_app_session AS s, {count.format(events)}"
        f" WHERE s.title = 'Filler' ORDER BY s.id, n.i",
        f"INSERT INTO sessions_app_receipt (actor, key, flow, fingerprint, session_id, seq, at)"
        f" SELECT actor, key, 'send_message', {nothing}, session_id, seq, at"
        f" FROM sessions_app_event WHERE actor = 'u2000' ORDER BY key",
    ]
