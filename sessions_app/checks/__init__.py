"""What `manage.py check` finds before a server is started: whatever a setting can do wrong.

E001        a flow cannot run                  E01x, W01x  the database
E02x, W02x  the channel layer and the server   E03x, W03x  how much clients may
E04x, W04x  people and browsers
"""

from sessions_app.checks import browsers, databases, doorbell, limits, start

__all__ = ["browsers", "databases", "doorbell", "limits", "start"]
