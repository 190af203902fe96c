"""Users u0, u1, … and an access token for each: `people.py 50`."""

import os
import sys

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "project.settings")
django.setup()

from django.utils import timezone  # noqa: E402

from bench.contenders import token_of  # noqa: E402
from sessions_app import tokens  # noqa: E402
from sessions_app.models import AccessToken, User  # noqa: E402


def main() -> None:
    names = [f"u{number}" for number in range(int(sys.argv[1]))]
    User.objects.bulk_create([User(username=name) for name in names], ignore_conflicts=True)
    users = User.objects.in_bulk(names, field_name="username")
    words = [token_of(number) for number, _ in enumerate(names)]
    AccessToken.objects.bulk_create(
        [
            AccessToken(user=users[name], digest=tokens._digest(word), last_used_at=timezone.now())
            for name, word in zip(names, words, strict=True)
        ],
        ignore_conflicts=True,
    )


if __name__ == "__main__":
    main()
