"""The kinds of databases that a test which can tell the difference runs on."""

import pytest

#: Parameters of a fixture: the alias of each, and the marks that let the test commit in it.
EACH_DATABASE = [
    pytest.param(
        "default",
        id="sqlite",
        marks=pytest.mark.django_db(transaction=True, databases=["default"]),
    ),
    pytest.param(
        "postgres",
        id="postgres",
        marks=[
            pytest.mark.postgres,
            pytest.mark.django_db(transaction=True, databases=["postgres"]),
        ],
    ),
]
