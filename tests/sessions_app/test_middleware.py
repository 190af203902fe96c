"""What is refused before any view sees it."""

import pytest
from django.test import Client


@pytest.mark.parametrize("path", ["/healthz/live?a=%00", "/healthz/live?%00=a", "/health%00z"])
def test_a_nul_in_an_address_is_refused(path: str) -> None:
    """An address with a NUL anywhere is answered with 400, whatever it is the address of."""
    assert Client().get(path).status_code == 400


def test_any_other_address_goes_on() -> None:
    """An address without a NUL reaches its view."""
    assert Client().get("/healthz/live?a=%01").status_code == 200
