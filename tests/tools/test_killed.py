"""Training that is killed at any moment, or for which the disk is full, goes on to the same weights."""

import contextlib
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from jumbo_backbone.segmentation.training.checkpoint_files import read_checkpoint
from tests.conftest import write_config, write_pairs
from tests.running import assert_the_same_weights, metrics

ROOT = Path(__file__).resolve().parents[2]
OPTIONS = ["train_dataloader.num_workers=2", "default_hooks.checkpoint.interval=1"]

# Imports once; runs train.py in a fork for each line of arguments it is given, and tells its process and exit code.
SERVER = """
import os, runpy, shlex, sys
answers = os.fdopen(os.dup(1), "w")
os.dup2(2, 1)  # what libraries print is no answer
import yapf.yapflib.yapf_api as yapf
yapf.FormatCode = lambda text, **_: (text, True)  # most of the time of a tiny run
main = runpy.run_path(sys.argv[1])["main"]
for line in sys.stdin:
    log, *arguments = shlex.split(line)
    if (process := os.fork()) == 0:
        for number in (1, 2):
            os.dup2(os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND), number)
        code = 1
        try:
            main(arguments)
            code = 0
        except SystemExit as exit:
            code = exit.code
        finally:
            sys.stdout.flush()
            os._exit(code)
    print(process, file=answers, flush=True)
    print(os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]), file=answers, flush=True)
"""


class Trainings:
    """Runs of train.py, one after another."""

    def __init__(self, config: Path, cwd: Path) -> None:
        self.config, self.log = config, cwd / "log.txt"
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
        command = [sys.executable, "-c", SERVER, str(ROOT / "tools" / "train.py")]
        pipe = subprocess.PIPE
        self.server = subprocess.Popen(command, cwd=cwd, env=environment, text=True, stdin=pipe, stdout=pipe)

    def run(self, work_dir: Path, *arguments: str, kill_after: float | None = None) -> int:
        """The exit code; -9 if it was killed."""
        words = [self.log, self.config, "--work-dir", work_dir, *arguments, "--cfg-options", *OPTIONS]
        print(*map(str, words), file=self.server.stdin, flush=True)
        process = int(self.server.stdout.readline())
        if kill_after is not None:
            time.sleep(kill_after)
            with contextlib.suppress(ProcessLookupError):  # it has ended
                os.kill(process, signal.SIGKILL)
        return int(self.server.stdout.readline())


@pytest.fixture()
def trainings(tmp_path):
    write_pairs(tmp_path, 3)
    found = Trainings(write_config(tmp_path), tmp_path)
    yield found
    found.server.stdin.close()
    found.server.wait(timeout=60)


@pytest.mark.slow
def test_killed_at_any_moment(trainings, tmp_path):
    assert trainings.run(tmp_path / "first") == 0  # which takes longer than the others
    begin = time.monotonic()
    assert trainings.run(tmp_path / "whole") == 0
    length = time.monotonic() - begin
    rng, killed = random.Random(0), 0
    for number in range(20):
        work_dir = tmp_path / str(number)
        kill_after = rng.uniform(0, length)
        killed += trainings.run(work_dir, kill_after=kill_after) == -signal.SIGKILL
        if number % 4 == 0:  # and once more, while it goes on
            trainings.run(work_dir, "--resume", kill_after=rng.uniform(0, length))
        assert trainings.run(work_dir, "--resume") == 0, (kill_after, trainings.log.read_text()[-3000:])
        assert_the_same_weights(work_dir / "iter_8.pth", tmp_path / "whole" / "iter_8.pth")
        assert metrics(work_dir) == metrics(tmp_path / "whole")
        assert not list(work_dir.rglob("*.tmp"))
    assert killed > 10


@pytest.fixture()
def small_disk(tmp_path):
    """A file system of its own; gives what sets its size."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)]
    if sys.platform != "linux" or os.geteuid() != 0 or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("only root can make a small disk")
    yield lambda size: subprocess.run(["mount", "-o", f"remount,size={size}", str(folder)], check=True)
    subprocess.run(["umount", "-l", str(folder)], check=True)


@pytest.mark.slow
def test_a_full_disk_loses_nothing(trainings, small_disk, tmp_path):
    """Room for two to four and a half checkpoints, where two, the best and the one being written take four."""
    assert trainings.run(tmp_path / "whole") == 0
    size = (tmp_path / "whole" / "iter_8.pth").stat().st_size
    full = 0
    for number, room in enumerate([1.5, 2.2, 2.8, 3.4, 4.1, 4.5, 5.5]):
        work_dir = tmp_path / "disk" / str(number)
        small_disk(int(room * size))
        if trainings.run(work_dir) != 0:
            full += 1
            assert "the disk is full" in trainings.log.read_text()
            saved = sorted(work_dir.glob("*.pth"))
            assert saved and not [path for path in saved if not read_checkpoint(path).weights]
            assert not list(work_dir.rglob("*.tmp"))
            small_disk(20 * size)
            assert trainings.run(work_dir, "--resume") == 0, trainings.log.read_text()[-3000:]
        assert_the_same_weights(work_dir / "iter_8.pth", tmp_path / "whole" / "iter_8.pth")
        assert metrics(work_dir) == metrics(tmp_path / "whole")
        subprocess.run(["rm", "-r", str(work_dir)], check=True)
    assert full >= 3
