"""Progress bars: for people only, none where nobody looks."""

import sys
from typing import Any

from tqdm import tqdm


def progress(total: int | None, unit: str, *, quiet: bool = False) -> "tqdm[Any]":
    """A bar on standard error, if that is a terminal."""
    return tqdm(total=total, unit=f" {unit}", disable=quiet or not sys.stderr.isatty())
