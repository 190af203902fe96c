"""What staff see. History is read; it changes by flows only."""

from django.contrib import admin

from sessions_app.admin.connections import ConnectionAdmin, NodeAdmin
from sessions_app.admin.history import EventAdmin, ParticipantAdmin, ReceiptAdmin
from sessions_app.admin.people import AccessTokenAdmin, UserAdmin
from sessions_app.admin.sessions import SessionAdmin

__all__ = [
    "AccessTokenAdmin",
    "ConnectionAdmin",
    "EventAdmin",
    "NodeAdmin",
    "ParticipantAdmin",
    "ReceiptAdmin",
    "SessionAdmin",
    "UserAdmin",
]

admin.site.site_header = "Flow Sessions"
admin.site.site_title = "Flow Sessions"
admin.site.index_title = "Administration"
admin.site.site_url = "/"
