"""The HTTP routes."""

from django.contrib import admin
from django.urls import path

from sessions_app import views
from sessions_app.contract import views as contract

urlpatterns = [
    path("admin/", admin.site.urls),
    path("api/flows/<str:name>/", views.call_flow),
    path("api/tickets/", views.tickets),
    path("api/schema/", contract.schema),
    path("api/docs/", contract.docs),
    path("healthz/live", views.live),
    path("healthz/ready", views.ready),
    path("metrics", views.metrics),
]
