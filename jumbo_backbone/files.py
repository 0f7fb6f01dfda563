"""Files that are replaced whole or not at all."""

import os
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def replacing(path: str | os.PathLike) -> Iterator[Path]:
    """A temporary file beside ``path`` to write to. It replaces ``path`` when all went well: a reader sees the old
    file or the new one, both whole."""
    path = Path(path)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".tmp")
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        with temporary.open("rb") as file:
            os.fsync(file.fileno())
        temporary.chmod(0o666 & ~umask())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def make_room(path: str | os.PathLike) -> None:
    """Make the folder in which a file is to be written, before the work that ends in it.

    Raises:
        ValueError: If there is a folder in the file's own place, or a file in that of its folder.
    """
    path = Path(path)
    if path.is_dir():
        raise ValueError(f"{path} is a folder: name a file in it, such as {path / 'NAME'}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError):
        raise ValueError(f"{path} cannot be written: {path.parent}, or a folder above it, is a file") from None


def write_atomically(data: bytes, path: str | os.PathLike) -> None:
    """Write a file, or leave it as it was."""
    with replacing(path) as temporary:
        temporary.write_bytes(data)


def remove_leftovers(folder: str | os.PathLike) -> list[Path]:
    """Remove the temporary files of ``replacing`` in a folder that a killed process left; returns their paths. No
    process may be writing there."""
    found = [path for path in Path(folder).glob(".*.tmp") if _TEMPORARY.fullmatch(path.name) and path.is_file()]
    for path in found:
        path.unlink(missing_ok=True)
    return found


_TEMPORARY = re.compile(r"\..+\.[a-z0-9_]{8}\.tmp")


def umask() -> int:
    """The permissions that this process withholds from new files (its umask)."""
    mask = os.umask(0)
    os.umask(mask)
    return mask
