"""Files that are replaced whole or not at all."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def replacing(path: str | os.PathLike) -> Iterator[Path]:
    """A temporary file beside ``path`` to write to, which takes its place when all went well: whoever looks sees the
    old file or the new one, both whole."""
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


def write_atomically(data: bytes, path: str | os.PathLike) -> None:
    """Write a file, or leave it as it was."""
    with replacing(path) as temporary:
        temporary.write_bytes(data)


def umask() -> int:
    """What permissions this process withholds from new files."""
    mask = os.umask(0)
    os.umask(mask)
    return mask
