"""The HTTP routes."""

from django.contrib import admin
from django.contrib.auth.views import LoginView, LogoutView
from django.urls import path

from sessions_app import views
from sessions_app.console import console
from sessions_app.contract import views as contract

urlpatterns = [
    path("", console, name="console"),
    path("sessions/<uuid:session_id>/", console, name="session"),
    path("sign-in/", LoginView.as_view(template_name="sessions_app/sign_in.html"), name="sign_in"),
    path("sign-out/", LogoutView.as_view(), name="sign_out"),
    path("admin/", admin.site.urls),
    path("api/flows/<str:name>/", views.call_flow),
    path("api/tickets/", views.tickets),
    path("api/schema/", contract.schema),
    path("api/docs/", contract.docs),
    path("healthz/live", views.live),
    path("healthz/ready", views.ready),
    path("metrics", views.metrics),
]
