"""Long work in the background: with progress, and to be stopped."""

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

_PAUSE = 0.3  # seconds between looks at the progress
_ONE_AT_A_TIME = threading.Semaphore(1)  # two fits at once would each take more than twice as long


class Stopped(Exception):
    """A visitor stopped the work."""


@dataclass(frozen=True)
class Progress:
    """How far the work is: a share from 0 to 1, and what is being done."""

    share: float
    doing: str


class Job:
    """A function that runs in a thread of its own, one job at a time.

    Args:
        function: Called with this job. It tells its progress by ``tell``, which raises ``Stopped`` once the job is to
            stop.
    """

    def __init__(self, function: Callable[["Job"], Any]) -> None:
        self._function = function
        self._stop, self._done = threading.Event(), threading.Event()
        self._progress = Progress(0.0, "waiting for another visitor's work to end")
        self._result: Any = None
        self._error: BaseException | None = None
        threading.Thread(target=self._run, daemon=True).start()

    def tell(self, share: float, doing: str) -> None:
        """Say how far the work is. Raises ``Stopped`` if it is to stop."""
        if self._stop.is_set():
            raise Stopped(f"stopped while {doing}; nothing was kept")
        self._progress = Progress(share, doing)

    def stop(self) -> None:
        """Ask the work to stop; it does so when it tells its progress next."""
        self._stop.set()

    def watch(self) -> Iterator[Progress]:
        """The progress, again and again until the work is done. Whoever stops watching stops the work."""
        try:
            while not self._done.wait(_PAUSE):
                now = self._progress
                yield Progress(now.share, f"stopping: {now.doing}") if self._stop.is_set() else now
        finally:
            if not self._done.is_set():
                self.stop()

    def result(self) -> Any:
        """What the function returned; raises what it raised."""
        self._done.wait()
        if self._error is not None:
            raise self._error
        return self._result

    def _run(self) -> None:
        try:
            while not _ONE_AT_A_TIME.acquire(timeout=_PAUSE):
                if self._stop.is_set():
                    raise Stopped("stopped while it was waiting; nothing was begun")
            try:
                self.tell(0.0, "beginning")
                self._result = self._function(self)
            finally:
                _ONE_AT_A_TIME.release()
        except BaseException as error:  # it is raised in ``result``
            self._error = error
        finally:
            self._done.set()


class Jobs:
    """The running job of each visitor, by the hash of the session."""

    def __init__(self) -> None:
        self._running: dict[str, Job] = {}
        self._lock = threading.Lock()

    def begin(self, visitor: str | None, function: Callable[[Job], Any]) -> Job:
        """Begin a job; an earlier one of the same visitor is stopped."""
        self.stop(visitor)
        job = Job(function)
        with self._lock:
            self._running[visitor or ""] = job
        return job

    def stop(self, visitor: str | None) -> bool:
        """Stop a visitor's job; whether there was one."""
        with self._lock:
            job = self._running.pop(visitor or "", None)
        if job is not None:
            job.stop()
        return job is not None


class Clock:
    """Seconds of work, for those who tell how long it took."""

    def __init__(self) -> None:
        self._began = time.perf_counter()

    @property
    def milliseconds(self) -> float:
        return 1e3 * (time.perf_counter() - self._began)
