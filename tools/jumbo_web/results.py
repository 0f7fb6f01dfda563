"""Files that visitors may download; they go after an hour."""

import secrets
import shutil
import time
from pathlib import Path

from .limits import HOUR


class Results:
    """Folders for results, one for each answer.

    Args:
        folder: Where; it goes with the page.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder / "results"
        self._folder.mkdir(parents=True, exist_ok=True)

    def new(self) -> Path:
        """A new folder. Those of more than an hour ago are removed."""
        for path in self._folder.iterdir():
            if time.time() - path.stat().st_mtime > HOUR:
                shutil.rmtree(path, ignore_errors=True)
        path = self._folder / secrets.token_hex(8)
        path.mkdir()
        return path
