"""An interrupted run that goes on has the numbers of one that was not interrupted; nothing that was saved is lost."""

import errno
import itertools
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.hooks import Hook
from mmengine.runner import Runner

from jumbo_backbone.segmentation.training import hooks
from jumbo_backbone.segmentation.training.resume import Draw, NumberedInfiniteSampler, SeedAugmentation
from tests.conftest import write_config, write_pairs

count = itertools.count()


class Interrupt(Hook):
    def __init__(self, at):
        self.at = at

    def before_train_iter(self, runner, batch_idx, data_batch=None):
        if runner.iter == self.at:
            raise KeyboardInterrupt


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pairs")
    write_pairs(folder, 5)
    return folder, write_config(folder)


def run(data, work_dir, *, workers=0, resume=None, interrupt=None, **changes):
    cfg = Config.fromfile(data[1])
    cfg.merge_from_dict(changes)
    cfg.work_dir, cfg.experiment_name = str(work_dir), f"run{next(count)}"
    cfg.log_level = "ERROR"
    cfg.train_dataloader.num_workers = workers
    cfg.load_from, cfg.resume = (str(resume), True) if resume else (None, False)
    runner = Runner.from_cfg(cfg)
    if interrupt is None:
        runner.train()
    else:
        runner.register_hook(Interrupt(interrupt), priority="LOWEST")
        with pytest.raises(KeyboardInterrupt):
            runner.train()
    return runner


def weights(path):
    return torch.load(path, weights_only=False)["state_dict"]


def metrics(work_dir):
    return json.loads((Path(work_dir) / "metrics.json").read_text())


@pytest.fixture(scope="module")
def uninterrupted(data, tmp_path_factory):
    folder = tmp_path_factory.mktemp("uninterrupted")
    run(data, folder)
    return folder


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("interrupt", [5, 7])
def test_the_same_numbers(data, uninterrupted, tmp_path, interrupt, workers):
    """Interrupted after the checkpoint of iteration 4 or 6, with other numbers of workers than the first run's."""
    run(data, tmp_path, interrupt=interrupt, workers=workers)
    last = tmp_path / f"iter_{interrupt - 1}.pth"
    assert sorted(tmp_path.glob("iter_*.pth"))[-1] == last
    run(data, tmp_path, resume=last, workers=workers)
    for name, value in weights(uninterrupted / "iter_8.pth").items():
        torch.testing.assert_close(weights(tmp_path / "iter_8.pth")[name], value, rtol=0, atol=0, msg=name)
    assert metrics(tmp_path) == metrics(uninterrupted)
    assert [row["iter"] for row in metrics(tmp_path)] == [4, 8]


def test_another_seed_gives_other_numbers(data, uninterrupted, tmp_path):
    run(data, tmp_path, randomness=dict(seed=1))
    ours, theirs = weights(tmp_path / "iter_8.pth"), weights(uninterrupted / "iter_8.pth")
    assert any(not torch.equal(ours[name], theirs[name]) for name in ours)


def test_a_validation_that_was_cut_off_is_made_up_for(data, uninterrupted, tmp_path, monkeypatch):
    """Interrupted between the checkpoint of iteration 4 and the end of its validation."""

    def cut_off(self, runner, metrics=None):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(hooks.RunRecordHook, "after_val_epoch", cut_off)
        with pytest.raises(KeyboardInterrupt):
            run(data, tmp_path)
    assert (tmp_path / "iter_4.pth").is_file() and not (tmp_path / "metrics.json").exists()
    run(data, tmp_path, resume=tmp_path / "iter_4.pth")
    assert metrics(tmp_path) == metrics(uninterrupted)
    assert {p.name for p in tmp_path.glob("best*")} == {p.name for p in uninterrupted.glob("best*")}


def test_a_copied_work_dir_is_its_own(data, uninterrupted, tmp_path):
    original, copy = tmp_path / "original", tmp_path / "copy"
    run(data, original, interrupt=5)
    shutil.copytree(original, copy)
    (before,) = original.glob("best_mIoU_*.pth")
    # lower than any result, so that the copy finds a better one and removes the old
    state = torch.load(copy / "iter_4.pth", weights_only=False)
    state["message_hub"]["runtime_info"]["best_score"] = -1.0
    torch.save(state, copy / "iter_4.pth")
    run(data, copy, resume=copy / "iter_4.pth")
    assert before.is_file()
    assert len(list(copy.glob("best_mIoU_*.pth"))) == 1


def test_a_checkpoint_written_anew_under_its_own_name_stays(tmp_path):
    """As the best one is, when a run goes on from the very iteration that gave it."""
    backend, path = hooks.AtomicBackend(), tmp_path / "best.pth"
    backend.put(b"old", path)
    with backend.removing_afterwards():
        backend.remove(str(path))
        hooks.AtomicBackend().put(b"new", path)  # mmengine makes itself another one
    assert path.read_bytes() == b"new"


def test_what_a_run_leaves(uninterrupted):
    names = {p.name for p in uninterrupted.iterdir()}
    assert {"iter_6.pth", "iter_8.pth", "run.json", "metrics.json", "tiny.py", "last_checkpoint"} <= names
    assert not {"iter_2.pth", "iter_4.pth"} & names and not list(uninterrupted.rglob("*.tmp"))
    record = json.loads((uninterrupted / "run.json").read_text())
    assert record["seed"] == 0 and record["versions"]["torch"] == torch.__version__ and record["command"]
    assert {"mIoU", "aAcc", "iter"} <= set(metrics(uninterrupted)[0])


def test_a_full_disk_costs_no_checkpoint(data, tmp_path, monkeypatch):
    """The third checkpoint cannot be written: both earlier ones stay, and nothing half written is left."""
    real = Path.write_bytes

    def write_bytes(path, data):
        if len(list(tmp_path.glob("iter_*.pth"))) < 2:
            return real(path, data)
        real(path, data[:10])
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", write_bytes)
    with pytest.raises(OSError, match="No space left"):
        run(data, tmp_path, val_cfg=None, val_dataloader=None, val_evaluator=None)
    assert {p.name for p in tmp_path.glob("iter_*")} == {"iter_2.pth", "iter_4.pth"}
    assert not [p for p in tmp_path.iterdir() if p.name.endswith(".tmp")]
    for path in tmp_path.glob("iter_*.pth"):
        assert weights(path)


def test_draws_survive_the_way_to_a_worker():
    import pickle

    draw = pickle.loads(pickle.dumps(Draw(3, seed=7, place=11)))
    assert (draw, draw.seed, draw.place) == (3, 7, 11)


def test_places_are_those_of_the_stream():
    sampler = NumberedInfiniteSampler(range(4), seed=5)
    first = list(itertools.islice(iter(sampler), 10))
    assert [d.place for d in first] == list(range(10)) and sorted(first[:4]) == [0, 1, 2, 3]
    later = NumberedInfiniteSampler(range(4), seed=5)
    later.skip(6)
    assert [(d, d.place) for d in itertools.islice(iter(later), 4)] == [(d, d.place) for d in first[6:]]


def test_seeding_by_draw():
    def number(sample_idx):
        SeedAugmentation()(dict(sample_idx=sample_idx))
        return np.random.random()  # noqa: NPY002

    assert number(Draw(0, 1, 2)) == number(Draw(5, 1, 2)) != number(Draw(0, 1, 3))
    assert number(3) != number(3)
