"""The npm packages of the tests are pinned, by name and checksum alone."""

import json

from tests.services import NPM


def test_the_lock_file_names_no_address() -> None:
    """Packages come from whatever registry the machine is configured for."""
    lock = json.loads((NPM / "package-lock.json").read_text())
    packages = {path: each for path, each in lock["packages"].items() if path}
    assert [path for path, each in packages.items() if "resolved" in each] == []
    assert [path for path, each in packages.items() if "integrity" not in each] == []
