"""Runs that go on with the numbers of one that was not interrupted, beyond the plain case: data sets inside data sets,
accumulated gradients, epochs, a user's own hooks."""

import itertools
import json
import random
import shutil

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.hooks import Hook
from mmseg.registry import DATASETS, HOOKS
from torch.utils.data import DataLoader

from jumbo_backbone.segmentation.training.resume import NumberedInfiniteSampler, NumberedSampler
from tests.conftest import write_config, write_pairs
from tests.running import assert_the_same_weights, metrics, prepared, run, weights

count = itertools.count()


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pairs")
    write_pairs(folder, 5)
    return write_config(folder)


def interrupted_and_resumed(data, folder, at, resume, **changes):
    """Work dirs of a whole run, and of one interrupted before iteration ``at`` that went on from ``resume``."""
    run(data, folder / "whole", **changes)
    run(data, folder / "parts", interrupt=at, **changes)
    run(data, folder / "parts", resume=folder / "parts" / resume, **changes)
    return folder / "whole", folder / "parts"


# ---- data sets inside data sets


def wrap(inner, rng, depth):
    """Data sets around data sets, the innermost of them ``inner``."""
    if depth == 0:
        return inner
    kind = rng.choice(["repeat", "concat", "mix"])
    if kind == "repeat":
        return dict(type="RepeatDataset", times=rng.choice([1, 3]), dataset=wrap(inner, rng, depth - 1))
    if kind == "concat":
        parts = [wrap(inner, rng, rng.randrange(depth)) for _ in range(rng.choice([1, 2, 3]))]
        return dict(type="ConcatDataset", datasets=parts)
    return dict(type="MultiImageMixDataset", dataset=wrap(inner, rng, depth - 1), pipeline=[dict(type="Mix")])


class Mix:
    """A transform that chooses other samples, and mixes them in by a random share."""

    def get_indices(self, dataset):
        return [np.random.randint(len(dataset)) for _ in range(2)]  # noqa: NPY002

    def __call__(self, results):
        share = (random.random() + torch.rand(()).item()) / 2
        for other in results.get("mix_results", ()):
            results["inputs"] = (results["inputs"] * share + other["inputs"] * (1 - share)).to(torch.uint8)
        return results


@pytest.mark.parametrize("seed", range(6))
def test_samples_are_a_function_of_seed_and_place(data, seed):
    from mmseg.registry import TRANSFORMS

    if "Mix" not in TRANSFORMS:
        TRANSFORMS.register_module(name="Mix", module=Mix)
    loader = Config.fromfile(data).train_dataloader
    described = wrap(loader.dataset, random.Random(seed), 1 + seed % 3)

    def samples(skip, number, workers=0):
        dataset = DATASETS.build(described)
        sampler = NumberedInfiniteSampler(dataset, seed=7)
        sampler.skip(skip)
        np.random.seed(next(count))  # noqa: NPY002
        random.seed(next(count))
        loading = DataLoader(dataset, batch_size=2, sampler=sampler, num_workers=workers, collate_fn=list)
        batches = itertools.islice(iter(loading), number)
        return [sample["inputs"] for batch in batches for sample in batch]

    whole = samples(0, 6)
    for later in (samples(6, 3), samples(6, 3, workers=2) if seed < 2 else whole[6:]):
        assert all(torch.equal(a, b) for a, b in zip(whole[6:], later, strict=True))
    assert any(not torch.equal(a, b) for a, b in zip(whole[:6], whole[6:], strict=True))


def test_a_run_on_wrapped_data_sets(data, tmp_path):
    cfg = Config.fromfile(data)
    inner = cfg.train_dataloader.dataset.to_dict()
    joined = dict(type="ConcatDataset", datasets=[inner, dict(type="RepeatDataset", times=2, dataset=inner)])
    changes = dict(train_dataloader=dict(dataset=dict(_delete_=True, type="RepeatDataset", times=3, dataset=joined)))
    whole, parts = interrupted_and_resumed(data, tmp_path, 5, "iter_4.pth", **changes)
    assert_the_same_weights(parts / "iter_8.pth", whole / "iter_8.pth")
    assert metrics(parts) == metrics(whole)


# ---- accumulated gradients


def test_accumulated_gradients(data, tmp_path):
    """Interrupted between two updates, with a learning rate that is not 0 in the last."""
    changes = {"optim_wrapper.accumulative_counts": 4, "param_scheduler.0.end": 100}
    whole, parts = interrupted_and_resumed(data, tmp_path, 7, "iter_6.pth", **changes)
    assert_the_same_weights(parts / "iter_8.pth", whole / "iter_8.pth")
    assert "gradients" not in torch.load(whole / "iter_8.pth", weights_only=False)  # the last iteration is an update
    assert metrics(parts) == metrics(whole)


# ---- epochs

EPOCHS = {
    "train_cfg": dict(_delete_=True, type="EpochBasedTrainLoop", max_epochs=3, val_interval=1),
    "train_dataloader.sampler": dict(_delete_=True, type="NumberedSampler", shuffle=True),
}


class Count(Hook):
    def __init__(self):
        self.validations, self.epochs = [], []

    def after_val_epoch(self, runner, metrics=None):
        self.validations.append(runner.iter)

    def before_train_epoch(self, runner):
        self.epochs.append(runner.epoch)


@pytest.fixture(scope="module")
def whole_epochs(data, tmp_path_factory):
    folder = tmp_path_factory.mktemp("epochs")
    run(data, folder, **EPOCHS)
    return folder


@pytest.mark.parametrize(
    ("by_epoch", "at", "resume", "last"),
    [
        pytest.param(True, 5, "epoch_1.pth", "epoch_3.pth", marks=pytest.mark.slow),
        (False, 5, "iter_4.pth", "iter_9.pth"),
        (False, 7, "iter_6.pth", "iter_9.pth"),
    ],
)
def test_epochs(data, whole_epochs, tmp_path, by_epoch, at, resume, last):
    """Three epochs of three batches, the last of one image; interrupted within one, at its end, or after one."""
    whole = whole_epochs
    saving = {"default_hooks.checkpoint.by_epoch": by_epoch, "default_hooks.checkpoint.interval": 1 if by_epoch else 2}
    run(data, tmp_path, interrupt=at, **EPOCHS, **saving)
    run(data, tmp_path, resume=tmp_path / resume, workers=2, **EPOCHS, **saving)
    assert_the_same_weights(tmp_path / last, whole / "iter_9.pth")
    assert metrics(tmp_path) == metrics(whole)
    assert [row["iter"] for row in metrics(whole)] == [3, 6, 9]


def test_epochs_validate_once_each(data, tmp_path, monkeypatch):
    changes = {**EPOCHS, "train_cfg.val_interval": 2, "default_hooks.checkpoint.by_epoch": True}
    changes["default_hooks.checkpoint.interval"] = 1
    runner = prepared(data, tmp_path, **changes)
    runner.register_hook(counted := Count())
    runner.train()
    assert counted.validations == [6, 9] and counted.epochs == [0, 1, 2]

    # the last validation was cut off: it is made up for, although no epoch is left
    (tmp_path / "metrics.json").unlink()
    runner = prepared(data, tmp_path, resume=tmp_path / "epoch_3.pth", **changes)
    runner.register_hook(counted := Count())
    runner.train()
    assert counted.validations == [9] and counted.epochs == []


def test_a_validation_is_made_up_for_where_one_was_due(data, tmp_path):
    """Every third iteration, and at the end, but not before ``val_begin``."""
    expected = [6, 8]
    changes = {"train_cfg.val_interval": 3, "train_cfg.val_begin": 5, "default_hooks.checkpoint.interval": 1}
    changes["default_hooks.checkpoint.max_keep_ckpts"] = -1
    run(data, tmp_path, **changes)
    assert [row["iter"] for row in metrics(tmp_path)] == expected
    for at in (3, 6, 8):
        (tmp_path / "metrics.json").unlink()
        run(data, tmp_path, resume=tmp_path / f"iter_{at}.pth", **changes)
        assert [row["iter"] for row in metrics(tmp_path)] == [i for i in expected if i >= at]


def test_an_epoch_that_never_ends_is_refused(data, tmp_path):
    with pytest.raises(ValueError, match="never ends.*type='NumberedSampler'"):
        run(data, tmp_path, train_cfg=EPOCHS["train_cfg"])


def test_entering_an_epoch_takes_a_sampler_that_can(data, tmp_path):
    plain = {**EPOCHS, "train_dataloader.sampler": dict(_delete_=True, type="DefaultSampler", shuffle=True)}
    run(data, tmp_path, interrupt=5, **plain)
    with pytest.raises(ValueError, match="iteration 1 within an epoch, which DefaultSampler cannot enter"):
        run(data, tmp_path, resume=tmp_path / "iter_4.pth", **plain)
    with pytest.raises(ValueError, match="iteration 4 in epoch 1, which does not fit epochs of 1 iterations"):
        run(data, tmp_path, resume=tmp_path / "iter_4.pth", **EPOCHS, **{"train_dataloader.batch_size": 5})


def test_places_in_epochs_are_all_different():
    sampler = NumberedSampler(range(4), seed=5)
    draws = []
    for epoch in range(3):
        sampler.set_epoch(epoch)
        draws += list(sampler)
    assert [draw.place for draw in draws] == list(range(12)) and sorted(draws[4:8]) == [0, 1, 2, 3]
    sampler.begin_at(3)
    assert list(sampler) == draws[11:] and len(list(sampler)) == 4


# ---- hooks


def test_own_hooks_stand_beside_ours(data, tmp_path):
    """A config's ``custom_hooks`` are the user's: they take nothing away."""
    if "Silent" not in HOOKS:
        HOOKS.register_module(name="Silent", module=type("Silent", (Hook,), {}))
    (tmp_path / "mine.py").write_text(f"_base_ = [{str(data)!r}]\ncustom_hooks = [dict(type='Silent')]\n")
    kinds = [type(hook).__name__ for hook in prepared(tmp_path / "mine.py", tmp_path).hooks]
    assert {"Silent", "ResumeHook", "RunRecordHook", "AtomicCheckpointHook"} <= set(kinds)


def test_hooks_named_twice_act_once(data, tmp_path):
    """Configs of before name ours in ``custom_hooks``."""
    twice = dict(custom_hooks=[dict(type="ResumeHook"), dict(type="RunRecordHook")])
    run(data, tmp_path, interrupt=5, **twice)
    runner = prepared(data, tmp_path, resume=tmp_path / "iter_4.pth", **twice)
    runner.register_hook(counted := Count())
    runner.train()
    assert counted.validations == [4, 8] and [row["iter"] for row in metrics(tmp_path)] == [4, 8]


@pytest.mark.slow
def test_averaged_weights_go_on(data, tmp_path):
    changes = dict(custom_hooks=[dict(type="EMAHook", momentum=0.1)])
    whole, parts = interrupted_and_resumed(data, tmp_path, 5, "iter_4.pth", **changes)
    assert_the_same_weights(parts / "iter_8.pth", whole / "iter_8.pth")
    averaged = [torch.load(p / "iter_8.pth", weights_only=False)["ema_state_dict"] for p in (whole, parts)]
    assert all(torch.equal(value, averaged[1][name]) for name, value in averaged[0].items())


# ---- records


def test_results_of_classes_and_no_nan(data, tmp_path):
    """Of a class that nowhere occurs the IoU is not a number, which JSON has not."""
    meta = dict(classes=("ground", "box", "disc", "ghost"), palette=[[0, 0, k] for k in range(4)])
    changes = {f"{split}_dataloader.dataset.metainfo": meta for split in ("train", "val", "test")}
    changes["model.decode_head.num_classes"] = 4
    run(data, tmp_path, **changes, **{"train_cfg.max_iters": 1, "train_cfg.val_interval": 1})

    def refuse(name):
        raise AssertionError(f"{name} is no JSON")

    (row,) = json.loads((tmp_path / "metrics.json").read_text(), parse_constant=refuse)
    assert list(row["IoU"]) == list(row["Acc"]) == ["ground", "box", "disc", "ghost"]
    assert row["Acc"]["ghost"] is None and row["IoU"]["box"] is not None
    known = [value for value in row["IoU"].values() if value is not None]
    assert row["mIoU"] == pytest.approx(np.mean(known), abs=0.02)


@pytest.fixture(scope="module")
def one_step(data, tmp_path_factory):
    folder = tmp_path_factory.mktemp("one_step")
    run(data, folder, **{"train_cfg.max_iters": 1})
    return folder / "iter_1.pth"


@pytest.mark.parametrize("content", ['{"mIoU": 3}', "null", "\udcff\udcfe"])
def test_a_foreign_metrics_file_does_not_stop_training(data, one_step, tmp_path, content):
    (tmp_path / "metrics.json").write_text(content, errors="surrogateescape")
    run(data, tmp_path, resume=one_step, **{"train_cfg.max_iters": 2})
    assert [row["iter"] for row in metrics(tmp_path)] == [2]
    assert (tmp_path / "metrics_earlier_1.json").read_text(errors="surrogateescape") == content


def test_a_second_run_does_not_mix_its_results_with_the_first(data, tmp_path):
    """Of a notebook, without tools/train.py."""
    run(data, tmp_path, **{"train_cfg.max_iters": 1})
    first = metrics(tmp_path)
    run(data, tmp_path, **{"train_cfg.max_iters": 2})
    assert [row["iter"] for row in metrics(tmp_path)] == [2]
    assert json.loads((tmp_path / "metrics_earlier_1.json").read_text()) == first


@pytest.mark.slow
def test_several_best_checkpoints_of_a_copied_work_dir(data, tmp_path):
    changes = {"default_hooks.checkpoint.save_best": ["mIoU", "aAcc"]}
    run(data, tmp_path / "original", interrupt=5, **changes)
    shutil.copytree(tmp_path / "original", tmp_path / "copy")
    before = sorted((tmp_path / "original").glob("best_*.pth"))
    state = torch.load(tmp_path / "copy" / "iter_4.pth", weights_only=False)
    for name in changes["default_hooks.checkpoint.save_best"]:
        state["message_hub"]["runtime_info"][f"best_score_{name}"] = -1.0
    torch.save(state, tmp_path / "copy" / "iter_4.pth")
    run(data, tmp_path / "copy", resume=tmp_path / "copy" / "iter_4.pth", **changes)
    assert sorted((tmp_path / "original").glob("best_*.pth")) == before
    assert len(list((tmp_path / "copy").glob("best_*.pth"))) == 2


# ---- loading through mmengine's own doors, as from a notebook


def test_load_from_is_strict_and_says_what_is_fresh(data, tmp_path):
    run(data, tmp_path / "first", **{"train_cfg.max_iters": 2})
    file = tmp_path / "first" / "iter_2.pth"
    with pytest.raises(ValueError, match="does not fit this config's model.*of another shape"):
        run(data, tmp_path / "second", load_from=str(file), **{"model.decode_head.channels": 8})
    backbone = {n.removeprefix("backbone."): t for n, t in weights(file).items() if n.startswith("backbone.")}
    torch.save(backbone, tmp_path / "backbone.pth")
    with pytest.raises(ValueError, match="it holds a backbone alone; to train from it"):
        run(data, tmp_path / "second", load_from=str(tmp_path / "backbone.pth"))
    torch.save(weights(file), tmp_path / "bare.pth")
    for changes in ({}, {"custom_hooks": [dict(type="EMAHook")]}):
        runner = run(
            data, tmp_path / "third", load_from=str(tmp_path / "bare.pth"), **{"train_cfg.max_iters": 1}, **changes
        )
        assert runner.iter == 1
    runner = prepared(data, tmp_path / "fourth", load_from=str(file), **{"model.backbone.in_channels": 4})
    with pytest.raises(ValueError, match="it has 3 input channels, the model 4"):
        runner.test()
