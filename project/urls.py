"""The HTTP routes."""

from django.contrib import admin
from django.urls import path

from sessions_app import views

urlpatterns = [
    path("admin/", admin.site.urls),
    path("api/flows/<str:name>/", views.call_flow),
    path("api/tickets/", views.tickets),
    path("healthz/live", views.live),
    path("healthz/ready", views.ready),
    path("metrics", views.metrics),
]
