"""One training at a time in a work dir."""

import errno
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

try:
    import fcntl
except ImportError:  # not on this system: nobody is kept out
    fcntl = None  # type: ignore[assignment]

LOCK = ".training.lock"


@contextmanager
def alone_in(work_dir: str | os.PathLike) -> Iterator[None]:
    """Keep other trainings out of a folder, as long as this process lives; one that was killed keeps nobody out.

    The lock is the system's and of this process alone: workers do not inherit it. Where a file system has no locks,
    nobody is kept out.

    Raises:
        ValueError: If another process trains there.
    """
    if fcntl is None:
        yield
        return
    Path(work_dir).mkdir(parents=True, exist_ok=True)
    with Path(work_dir, LOCK).open("a+") as file:
        try:
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno in (errno.EACCES, errno.EAGAIN):
                file.seek(0)
                raise ValueError(
                    f"{work_dir} is the work dir of a training that still runs ({file.read().strip() or 'unknown'}): "
                    "stop it, or give another --work-dir"
                ) from None
        else:
            file.truncate(0)
            file.write(f"process {os.getpid()} on {socket.gethostname()}\n")
            file.flush()
        try:
            yield
        finally:
            with suppress(FileNotFoundError):  # somebody has removed it
                if os.listdir(work_dir) == [LOCK]:  # refused before it began: no folder is left of it
                    Path(work_dir, LOCK).unlink()
                    Path(work_dir).rmdir()
