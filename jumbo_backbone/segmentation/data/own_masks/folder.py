"""A folder that appears whole or not at all, in the place of nothing or of one that was made the same way."""

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

RECORD = "prepared.json"  # says that the folder was made here, and of what


def require_free(out: Path, overwrite: bool) -> None:
    """Check that a folder may be written.

    Raises:
        ValueError: If something is there that was not made here, or that may not be overwritten.
    """
    _put_back(out)
    if not os.path.lexists(out) or (out.is_dir() and not any(out.iterdir())):
        return
    if not (out / RECORD).is_file() or out.is_symlink():
        raise ValueError(f"{out} is there, and was not made by this command: remove it, or give another --out")
    if not overwrite:
        raise ValueError(f"{out} is there already: --overwrite makes it anew, another --out makes another")


@contextmanager
def appearing(out: Path, record: dict) -> Iterator[Path]:
    """A temporary folder beside ``out`` to write to, which takes its place when all went well, with a ``record``. If
    not, ``out`` is as it was, and the temporary folder is gone; of a killed process, the next call removes it."""
    out.parent.mkdir(parents=True, exist_ok=True)
    new, old = _beside(out, "part"), _beside(out, "old")
    shutil.rmtree(new, ignore_errors=True)
    new.mkdir()
    try:
        yield new
        (new / RECORD).write_text(json.dumps(record, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        if out.is_dir():
            out.rename(old)
        new.rename(out)
    finally:
        shutil.rmtree(new, ignore_errors=True)
        _put_back(out)
    shutil.rmtree(old, ignore_errors=True)


def link_or_copy(source: Path, target: Path) -> None:
    """A second name for a file, or where file systems do not allow it a copy."""
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.link(source.resolve(), target)
    except OSError:
        shutil.copyfile(source, target)


def _put_back(out: Path) -> None:
    """Undo the first half of a replacement whose second half never came."""
    old = _beside(out, "old")
    if old.is_dir() and not os.path.lexists(out):
        old.rename(out)


def _beside(out: Path, ending: str) -> Path:
    return out.with_name(f".{out.name}.{ending}")
