"""The short training on first use: it leaves a model that the page offers, and it can be stopped at once."""

import time

import pytest

pytest.importorskip("mmseg")

from jumbo_web import checkpoints, training
from jumbo_web.jobs import Job, Stopped
from jumbo_web.loading import begin_importing


@pytest.fixture(autouse=True)
def imported():
    begin_importing()


@pytest.mark.slow
def test_a_training_leaves_a_model(tmp_path):
    job = Job(lambda job: training.train(job, tmp_path, iterations=10))
    told = [now.doing for now in job.watch()]
    assert job.result() == tmp_path / "scenes" and any("rendered scenes, iteration 10 of 10" in text for text in told)
    assert [t.weights.name for t in checkpoints.segmentors([tmp_path]).values()] == ["best_mIoU_iter_10.pth"]


def test_a_training_is_stopped_at_once(tmp_path):
    job = Job(lambda job: training.train(job, tmp_path))
    for now in job.watch():
        if now.doing.startswith("starting"):
            job.stop()
            begin = time.monotonic()
    with pytest.raises(Stopped, match="stopped while starting the training"):
        job.result()
    assert time.monotonic() - begin < 10 and not checkpoints.segmentors([tmp_path])


def test_a_training_that_fails_says_why(tmp_path):
    (tmp_path / "scenes").write_text("a file in its place")
    with pytest.raises(ValueError, match="the training failed: .*scenes"):
        Job(lambda job: training.train(job, tmp_path)).result()
