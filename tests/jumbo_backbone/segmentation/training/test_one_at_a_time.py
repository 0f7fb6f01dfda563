"""A work dir is that of one training at a time, and of nobody once its process is gone, however it went."""

import errno
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("fcntl")
from jumbo_backbone.segmentation.training import one_at_a_time
from jumbo_backbone.segmentation.training.one_at_a_time import LOCK, alone_in
from tests.conftest import imported_tool, write_config, write_pairs

# takes the lock as a training does, with a worker that outlives it
HOLDER = """
import os, sys, time
import importlib.util
spec = importlib.util.spec_from_file_location("lock", sys.argv[1])
module = importlib.util.module_from_spec(spec)
spec.loader.exec_module(module)
with module.alone_in(sys.argv[2]):
    worker = os.fork()
    if worker == 0:
        os.close(1)
        time.sleep(60)
        os._exit(0)
    print(worker, flush=True)
    time.sleep(60)
"""


@pytest.fixture()
def held(tmp_path):
    """A work dir in which another process trains: the folder, the process, and the process of its worker."""
    arguments = [sys.executable, "-c", HOLDER, one_at_a_time.__file__, str(tmp_path / "w")]
    process = subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True)
    worker = int(process.stdout.readline())
    yield tmp_path / "w", process
    process.kill()
    process.wait()
    os.kill(worker, signal.SIGKILL)


def test_a_second_training_is_refused_and_changes_nothing(held, tmp_path, capsys):
    folder, process = held
    write_pairs(tmp_path, 1)
    config = write_config(tmp_path)
    (folder / "iter_1.pth").write_bytes(b"of the other")
    (folder / ".iter_2.pth.abcdefgh.tmp").write_bytes(b"which it is writing")
    before = sorted(folder.iterdir())
    for more in ([], ["--resume"]):
        with imported_tool("train") as tool, pytest.raises(SystemExit) as stopped:
            tool.main([str(config), "--work-dir", str(folder), *more])
        told = capsys.readouterr().err
        assert stopped.value.code == 2
        assert f"still runs (process {process.pid} on " in told and "give another --work-dir" in told
    assert sorted(folder.iterdir()) == before


def test_a_killed_one_keeps_nobody_out(held):
    """Nor do its workers, which live on for a while."""
    folder, process = held
    process.kill()
    process.wait()
    with alone_in(folder):
        assert (folder / LOCK).read_text().startswith(f"process {os.getpid()} on ")
    assert not folder.exists()  # nothing but the lock was in it
    folder.mkdir()
    (folder / "iter_1.pth").touch()
    with alone_in(folder):
        pass
    assert (folder / "iter_1.pth").exists()


def test_without_locks_training_goes_on(tmp_path, monkeypatch):
    def no_locks(*_):
        raise OSError(errno.ENOLCK, "no locks available")

    monkeypatch.setattr(one_at_a_time.fcntl, "lockf", no_locks)
    (tmp_path / "iter_1.pth").touch()
    with alone_in(tmp_path):
        pass
    monkeypatch.setattr(one_at_a_time, "fcntl", None)
    with alone_in(tmp_path / "new"):
        assert not Path(tmp_path / "new").exists()
