"""Where tools/train.py starts from: an interrupted run, a trained segmentor, or anew, whatever the folder holds."""

import errno
import json
import os
import shutil
from pathlib import Path

import pytest
import torch
from mmengine.config import Config

from jumbo_backbone.files import remove_leftovers
from jumbo_backbone.segmentation.cli import datasets_of
from jumbo_backbone.segmentation.training.work_dir import Checkpoints
from tests.conftest import write_config, write_pairs, write_trained
from tests.running import assert_the_same_weights, weights


@pytest.fixture(scope="module", autouse=True)
def plain_configs():
    """For every checkpoint mmengine formats the whole config prettily, which is most of the time of a tiny run."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("yapf.yapflib.yapf_api.FormatCode", lambda text, **_: (text, True))
        yield


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data")
    write_pairs(folder, 3)
    return folder, write_config(folder)


@pytest.fixture()
def train(run, data, tmp_path):
    """train.py in a folder of its own, with changes to the config."""

    def call(*arguments, code=0, config=data[1], **changes):
        options = [f"{name.replace('__', '.')}={value}" for name, value in changes.items()]
        options = ["--cfg-options", *options] if options else []
        return run("train.py", config, "--work-dir", "w", *arguments, *options, cwd=tmp_path, code=code)

    return call


@pytest.fixture(scope="module")
def whole(data, tmp_path_factory):
    """The work dir of a whole run."""
    from tests.running import run

    folder = tmp_path_factory.mktemp("whole") / "w"
    run(data[1], folder)
    return folder


@pytest.fixture()
def left(whole, tmp_path):
    """A copy of it, in which a run may go on."""
    return Path(shutil.copytree(whole, tmp_path / "w"))


def cut(path):
    content = path.read_bytes()
    path.write_bytes(content[: 2 * len(content) // 3])


# ---- what --resume finds


def test_resume_falls_back_to_the_newest_whole_file(train, left, whole):
    cut(left / "iter_8.pth")
    told = train("--resume")
    assert "iter_8.pth cannot be read" in told and "going on from iter_6.pth, the newest that is whole" in told
    assert_the_same_weights(left / "iter_8.pth", whole / "iter_8.pth")
    assert not list(left.glob("earlier_*"))


def test_resume_of_nothing_but_damaged_files_is_refused(train, left):
    for path in left.glob("*.pth"):
        cut(path)
    told = train("--resume", code=2)
    assert "cannot go on from any checkpoint" in told and "iter_8.pth, iter_6.pth" in told and "--load-from" in told
    assert "Traceback" not in told


@pytest.mark.parametrize(
    "note", [b"", b"\xff\xfe\x00", b"nowhere.pth", b"/", b"x" * 5000, b"best_mIoU_iter_8.pth", b"../w/iter_8.pth\0"]
)
def test_a_damaged_note_is_read_as_damaged(left, note):
    (left / "last_checkpoint").write_bytes(note)
    told = []
    found = Checkpoints(Config(dict(work_dir=str(left), default_hooks=dict(checkpoint=dict(by_epoch=False)))))
    assert found.newest_whole(told.append).path == left / "iter_8.pth"
    assert len(told) == 1 and told[0].startswith("last_checkpoint is damaged")


def test_a_copied_work_dir_goes_on_from_its_own_files(train, left, whole):
    assert Path((left / "last_checkpoint").read_text()).parent == whole  # where it was
    told = train("--resume", train_cfg__max_iters=9)
    assert (left / "iter_9.pth").is_file() and not (whole / "iter_9.pth").exists()
    assert "damaged" not in told and str(left / "iter_8.pth") in told


@pytest.mark.parametrize(
    ("hook", "names", "newest"),
    [
        (dict(by_epoch=True), ["epoch_2.pth", "epoch_10.pth", "iter_99.pth"], "epoch_10.pth"),
        (
            dict(by_epoch=False, filename_tmpl="step-{:04d}.ckpt"),
            ["step-0009.ckpt", "step-0010.ckpt"],
            "step-0010.ckpt",
        ),
        (
            dict(by_epoch=False),
            ["iter_9.pth", "iter_100.pth", "best_mIoU_iter_200.pth", "iter_300.pth.bak"],
            "iter_100.pth",
        ),
        (None, ["epoch_1.pth", "iter_5.pth"], "epoch_1.pth"),
        (dict(by_epoch=False, filename_tmpl="last.pth"), ["last.pth", "iter_5.pth"], "last.pth"),
    ],
)
def test_what_the_configs_own_hook_wrote(whole, tmp_path, hook, names, newest):
    for out_dir in (None, str(tmp_path / "elsewhere")):
        folder = tmp_path / "w" if out_dir is None or hook is None else tmp_path / "elsewhere" / "w"
        folder.mkdir(parents=True)
        for name in names:
            shutil.copy(whole / "iter_8.pth", folder / name)
        hooks = dict(default_hooks=dict(checkpoint=hook and dict(hook, out_dir=out_dir)))
        found = Checkpoints(Config(dict(work_dir=str(tmp_path / "w"), **hooks))).newest_whole(print)
        assert found.path == folder / newest
        shutil.rmtree(folder)


def test_resume_with_an_out_dir(train, tmp_path, whole):
    elsewhere = dict(default_hooks__checkpoint__out_dir=tmp_path / "elsewhere")
    train(train_cfg__max_iters=4, **elsewhere)
    assert (tmp_path / "elsewhere" / "w" / "iter_4.pth").is_file()
    train("--resume", **elsewhere)
    assert_the_same_weights(tmp_path / "elsewhere" / "w" / "iter_8.pth", whole / "iter_8.pth")


def test_resume_in_a_config(train, left):
    """Of mmengine's own kind, which would follow the note to where the folder was copied from."""
    assert str(left / "iter_8.pth") in train(resume=True, train_cfg__max_iters=9)
    assert (left / "iter_9.pth").is_file()


def test_resume_of_what_cannot_be_resumed(train, left, tmp_path):
    best = next(left.glob("best_*.pth"))
    told = train("--resume", best, code=2)
    assert "lacks the optimiser's state" in told and f"--load-from {best}" in told
    torch.save(weights(best), tmp_path / "bare.pth")
    assert "lacks the optimiser's state" in train("--resume", tmp_path / "bare.pth", code=2)
    told = train("--resume", model__type="ElasticSegmentor", code=2)
    assert "it is of a plain segmentor, the model is elastic" in told
    assert "8 of 8: nothing is left to train" in train("--resume")
    before = (left / "tiny.py").read_bytes()
    told = train("--resume", model__backbone__in_channels=4, code=2)
    assert "it has 3 input channels, the model 4" in told and "Traceback" not in told
    assert (left / "tiny.py").read_bytes() == before  # nothing was built
    for name in left.glob("*.pth"):
        name.unlink()
    assert "nothing to resume" in train("--resume", train_cfg__max_iters=1)


# ---- starting from a trained model


@pytest.fixture()
def of_four_classes(data, tmp_path):
    """The config with a class more, which nowhere occurs."""
    text = data[1].read_text().replace("('ground', 'box', 'disc')", "('ground', 'box', 'disc', 'ghost')")
    text = text.replace("[60, 60, 230]]", "[60, 60, 230], [1, 1, 1]]").replace("'num_classes': 3", "'num_classes': 4")
    (tmp_path / "four.py").write_text(text)
    return tmp_path / "four.py"


def test_fine_tuning_to_other_classes(train, whole, of_four_classes, tmp_path):
    changes = dict(config=of_four_classes, train_cfg__max_iters=1, optim_wrapper__optimizer__lr=0.0)
    # not looked for: all weights come from the file
    changes |= {"model__backbone__init_cfg__type": "Pretrained", "model__backbone__init_cfg__checkpoint": "nowhere.pth"}
    told = train("--load-from", whole / "iter_8.pth", **changes)
    assert "fresh: decode_head.conv_seg.weight (4, 16, 1, 1) ((3, 16, 1, 1) in the file)" in told
    found, before = weights(tmp_path / "w" / "iter_1.pth"), weights(whole / "iter_8.pth")
    differing = {name for name in found if found[name].shape != before[name].shape}
    assert differing == {"decode_head.conv_seg.weight", "decode_head.conv_seg.bias"}
    assert all(torch.equal(found[n], before[n]) for n in found if n.startswith("backbone"))
    assert "iter_1.pth" in train("--resume", "--load-from", "nowhere.pth", **{**changes, "train_cfg__max_iters": 2})


def test_load_from_refuses_what_does_not_fit(train, whole, tmp_path):
    told = train("--load-from", whole / "iter_8.pth", model__decode_head__channels=8, code=2)
    assert "of another shape" in told and "Traceback" not in told
    backbone = {n.removeprefix("backbone.vit."): t for n, t in weights(whole / "iter_8.pth").items() if "vit" in n}
    torch.save(backbone, tmp_path / "backbone.pth")
    for way in (
        ("--load-from", tmp_path / "backbone.pth"),
        ("--cfg-options", f"load_from={tmp_path / 'backbone.pth'}"),
    ):
        told = train(*way, code=2)
        assert "it holds a backbone alone; to train from it: --cfg-options model.backbone.init_cfg.type" in told
    assert "no checkpoint at" in train("--load-from", "nowhere.pth", code=2)
    assert not (tmp_path / "w").exists()


def test_the_checkpoint_of_a_test_is_the_one_given(run, data, whole, tmp_path):
    """And not a ``load_from`` of the config."""
    other = {name: torch.zeros_like(tensor) for name, tensor in weights(whole / "iter_8.pth").items()}
    torch.save(other, tmp_path / "zeros.pth")
    results = []
    for options in ((), ("--cfg-options", f"load_from={tmp_path / 'zeros.pth'}")):
        run("test.py", data[1], whole / "iter_8.pth", "--out", "out", *options, cwd=tmp_path)
        results.append((tmp_path / "out" / "metrics.json").read_bytes())
    assert results[0] == results[1]


# ---- a folder that is used


def test_a_fresh_run_keeps_the_other_runs_files_apart(train, left, whole):
    (left / "mine.txt").write_text("of the user")
    (left / ".iter_8.pth.abcd1234.tmp").write_bytes(b"half")
    told = train(train_cfg__max_iters=2, train_cfg__val_interval=2)
    assert f"held an earlier run, which is now in {left / 'earlier_1'}" in told and ".iter_8.pth.abcd1234.tmp" in told
    for name in ("iter_6.pth", "iter_8.pth", "metrics.json", "last_checkpoint", "tiny.py"):
        assert (left / "earlier_1" / name).read_bytes() == (whole / name).read_bytes()
    assert [p.name for p in left.glob("iter_*")] == ["iter_2.pth"] and (left / "mine.txt").is_file()
    assert [row["iter"] for row in json.loads((left / "metrics.json").read_text())] == [2]
    assert not list(left.rglob("*.tmp"))
    train(train_cfg__max_iters=1)
    assert (left / "earlier_2" / "iter_2.pth").is_file() and (left / "earlier_1" / "iter_8.pth").is_file()


def test_a_fresh_run_does_not_take_the_place_of_what_it_starts_from(train, left, tmp_path):
    told = train("--load-from", "w/iter_8.pth", code=2)
    assert "which a new run would replace: give another --work-dir" in told and (left / "iter_8.pth").is_file()
    shutil.copytree(left, tmp_path / "other")
    train("--resume", tmp_path / "other" / "iter_6.pth")
    assert (left / "earlier_1" / "iter_8.pth").is_file() and (left / "iter_8.pth").is_file()


def test_ctrl_c_promises_only_what_is_there(train, left, monkeypatch):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("mmengine.runner.IterBasedTrainLoop.run_iter", interrupted)
        assert "--resume" not in train(code=130).rpartition("stopped by Ctrl-C")[2]
    train(train_cfg__max_iters=2)
    with monkeypatch.context() as patch:
        patch.setattr("mmengine.runner.IterBasedTrainLoop.run_iter", interrupted)
        told = train("--resume", code=130)
    assert f"What was saved is in {left}; the same command with --resume goes on" in told


def test_leftovers_are_those_of_interrupted_writing(tmp_path):
    names = [".a.pth.ab_12xyz.tmp", ".hidden.tmp", "a.tmp", ".a.pth.TOOLONGNAME.tmp"]
    for name in names:
        (tmp_path / name).touch()
    assert [path.name for path in remove_leftovers(tmp_path)] == names[:1]
    assert {path.name for path in tmp_path.iterdir()} == set(names[1:])


def test_results_of_a_test_in_the_folder_of_a_training(run, train, data, left, whole, tmp_path):
    before = {path.name: path.read_bytes() for path in left.iterdir() if path.is_file()}
    run("test.py", data[1], "w/iter_6.pth", "--work-dir", "w", "--out", "w", "--tta", cwd=tmp_path)
    for name, content in before.items():
        assert (left / name).read_bytes() == content, name
    found = json.loads((left / "test_metrics.json").read_text())
    assert found["tta"] and list(found["IoU"]) == ["ground", "box", "disc"] and "mIoU" in found
    train("--resume", "w/iter_6.pth")
    assert json.loads((left / "metrics.json").read_text()) == json.loads((whole / "metrics.json").read_text())


def test_a_test_writes_no_nan(run, of_four_classes, tmp_path):
    write_trained(of_four_classes, tmp_path / "four.pth")
    run("test.py", of_four_classes, "four.pth", "--out", "out", cwd=tmp_path)
    written = (tmp_path / "out" / "metrics.json").read_text()
    assert json.loads(written)["Acc"]["ghost"] is None and "NaN" not in written


# ---- folders of the data


def test_data_root_of_data_sets_in_data_sets(run, data, tmp_path):
    def joined(first, second):
        inner = [{**dict(Config.fromfile(data[1]).train_dataloader.dataset), "data_root": r} for r in (first, second)]
        parts = [dict(type="RepeatDataset", times=2, dataset=inner[0]), inner[1]]
        dataset = dict(_delete_=True, type="ConcatDataset", datasets=parts)
        (tmp_path / "joined.py").write_text(
            f"_base_ = [{str(data[1])!r}]\ntrain_dataloader = dict(dataset={Config(dataset).to_dict()!r})\n"
            f"val_dataloader = dict(dataset=dict(data_root={second!r}))\ntest_dataloader = val_dataloader\n"
        )

    joined("a", "b")
    told = run("train.py", "joined.py", "--data-root", data[0], cwd=tmp_path, code=2)
    assert "the config's data sets are in 2 folders ('a', 'b')" in told
    joined("a", "a")
    options = ["--data-root", data[0], "--cfg-options", "train_cfg.max_iters=1"]
    run("train.py", "joined.py", *options, cwd=tmp_path)
    dumped = Config.fromfile(tmp_path / "work_dirs" / "joined" / "joined.py")
    assert {d.data_root for d in datasets_of(dumped)} == {str(data[0])}


# ---- a disk that is full


def test_a_full_quota_is_said_to_be_full(train, tmp_path, monkeypatch):
    real = Path.write_bytes

    def write_bytes(path, content):
        if ".iter_4.pth" in path.name:
            real(path, content[:10])
            raise OSError(errno.EDQUOT, os.strerror(errno.EDQUOT))
        return real(path, content)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_bytes", write_bytes)
        told = train(code=1)
    assert "the disk is full" in told and f"What was saved is in {tmp_path / 'w'}" in told
    assert {p.name for p in (tmp_path / "w").glob("*.pth")} == {"iter_2.pth"}
