"""Tools that others have made read the contract."""

import json

import pytest

from sessions_app.contract import document, printed
from tests.node import compiled, node
from tests.servers import ROOT


@pytest.mark.node
def test_the_parser_of_asyncapi_accepts_it() -> None:
    """The document is AsyncAPI 3, and the parser finds every operation in it."""
    read = node("parse_contract.mjs", stdin=printed(document()))
    assert read.returncode == 0, read.stderr
    found = json.loads(read.stdout)
    assert found["valid"]
    assert found["complaints"] == []
    assert set(found["operations"]) == set(document()["operations"])


@pytest.mark.node
def test_the_types_compile_and_are_strict() -> None:
    """Good calls compile; each bad one in the file is an error, or this one would be."""
    result = compiled(
        "--target", "es2022", "--module", "esnext", "--moduleResolution", "bundler",
        "--allowImportingTsExtensions", "usage.ts",
    )  # fmt: skip
    assert result.stdout == ""
    assert result.returncode == 0


@pytest.mark.node
def test_the_types_need_nothing_else() -> None:
    """The file compiles by itself."""
    types = ROOT / "sessions_app/static/sessions_app/sessions.d.ts"
    result = compiled("--target", "es2022", types)
    assert (result.stdout, result.returncode) == ("", 0)
