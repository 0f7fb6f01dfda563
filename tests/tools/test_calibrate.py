"""tools/calibrate.py: thresholds on real files, what it leaves, and that test.py and infer.py take it."""

import json
import os
import shutil

import numpy as np
import pytest
import torch
from PIL import Image

pytest.importorskip("mmseg")
from mmengine.registry import init_default_scope
from mmseg.registry import MODELS

from jumbo_backbone import Calibration
from jumbo_backbone.segmentation import calibration
from jumbo_backbone.segmentation.cli import read_config
from jumbo_cli.commands.calibrate import COMMAND
from tests.conftest import imported_tool, write_cascade, write_config, write_pairs, write_trained


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("calibrate")
    write_pairs(folder, 6)
    write_config(folder)
    write_cascade(folder, "cascade")
    return folder


@pytest.fixture(scope="module")
def calibrate():
    with imported_tool("calibrate") as tool:
        yield tool.main


@pytest.fixture(scope="module")
def calibrated(folder, calibrate):
    calibrate([str(folder / "cascade.py"), "--work-dir", str(folder / "work"), "--pictures", "2"])
    return folder / "work"


def metrics_of(folder, *options) -> dict:
    with imported_tool("test") as tool:
        return tool.main([str(folder / "cascade.py"), *map(str, options)])


def test_a_calibrated_cascade_tests_as_calibrated(folder, calibrated):
    found = Calibration.load(calibrated / "calibration.json")
    assert found.names == ["first", "second"] and found.metric == "mIoU" and found.samples == 6
    assert found.value >= found.member_values[1]
    metrics = metrics_of(folder, calibrated / "calibration.json", "--out", folder / "out")
    assert metrics["mIoU"] / 100 == pytest.approx(found.value, abs=1e-3)  # of mmsegmentation's own metric
    shares = json.loads((folder / "out" / "metrics.json").read_text())["answered"]
    assert [shares[name] / 6 for name in found.names] == pytest.approx(found.shares)


def test_pictures_are_left(calibrated):
    found = Calibration.load(calibrated / "calibration.json")
    for name in ("committee.png", *(["went_on.png"] if found.shares[1] else [])):
        with Image.open(calibrated / name) as picture:
            assert min(picture.size) > 300


def test_every_image_of_a_batch_may_be_shown(folder):
    cfg, model = built(folder, "--cfg-options", "val_dataloader.batch_size=3")
    outcomes = calibration.ask(cfg, model, "cpu", ensembles=False)  # all go on: there is no calibration yet
    shown = calibration.went_on(cfg, model, outcomes, "cpu", 6)
    assert len(shown) == 6 and len({image.tobytes() for image, *_ in shown}) == 6
    sure = [confidence for *_, confidence in shown]
    assert sure == sorted(sure) and sure == pytest.approx(sorted(outcomes.of((0,))[0].tolist()))


def test_another_target_asks_nobody_again(folder, calibrate, calibrated, capsys, monkeypatch):
    found = Calibration.load(calibrated / "calibration.json")
    least = str(min(found.member_values) - 0.001)
    work = folder / "again"
    shutil.copytree(calibrated, work)
    monkeypatch.setattr("jumbo_backbone.committees.outcomes.Outcomes.concatenate", None)  # would be needed to ask
    other = calibrate([str(folder / "cascade.py"), "--work-dir", str(work), "--target", least, "--pictures", "0"])
    assert "are read from" in capsys.readouterr().out
    assert other.value >= float(least) and other.expected_cost <= found.expected_cost


def rewrite_a_mask(folder):
    """Two pixels change places: the file's name, size and date stay as they are."""
    path = sorted((folder / "annotations" / "validation").iterdir())[0]
    stat, pixels = path.stat(), np.array(Image.open(path))
    Image.fromarray(pixels[::-1]).save(path)
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))


def rewrite_a_base(folder):
    """The members' config stays as it is, what it builds on does not."""
    (folder / "base.py").write_text("model = dict(decode_head=dict(align_corners=True))\n")


def rewrite_weights(folder):
    stat = (folder / "first.pth").stat()
    write_trained(folder / "tiny.py", folder / "first.pth", seed=7)
    os.utime(folder / "first.pth", ns=(stat.st_atime_ns, stat.st_mtime_ns))


@pytest.fixture()
def copied(folder, calibrated, tmp_path):
    """The same files elsewhere, the members' config on a base that may change."""
    copy = tmp_path / "copied"
    shutil.copytree(folder, copy)
    for name in ("tiny.py", "cascade.py"):
        (copy / name).write_text((copy / name).read_text().replace(str(folder), str(copy)))
    (copy / "base.py").write_text("model = dict()\n")
    text = (copy / "tiny.py").read_text()
    (copy / "tiny.py").write_text(text.replace("_base_ = [", f"_base_ = [{str(copy / 'base.py')!r}, ", 1))
    return copy


def built(folder, *options):
    """The config and the cascade of it."""
    cfg = read_config(COMMAND.parse([str(folder / "cascade.py"), *options]))
    init_default_scope("mmseg")
    return cfg, MODELS.build(cfg.model).eval()


@pytest.mark.parametrize("change", [lambda _: None, rewrite_a_mask, rewrite_a_base, rewrite_weights])
def test_what_changed_is_asked_about_again(copied, change):
    before, after = [], []
    for prints, do in ((before, lambda _: None), (after, change)):
        do(copied)
        cfg, model = built(copied)
        prints += [calibration.fingerprint(cfg, model, temperatures) for temperatures in (False, True)]
    assert before[0] != before[1]
    assert (before == after) == (change.__name__ == "<lambda>")


OTHERS = {
    "base config": rewrite_a_base,
    "weights": rewrite_weights,
    "budget": lambda copied: replace_in(copied / "cascade.py", "'keep_rate': 0.5", "'keep_rate': 0.6"),
    "windows": lambda copied: replace_in(copied / "tiny.py", "{'mode': 'whole'}", "{'mode': 'whole', 'max_batch': 2}"),
}


def replace_in(path, old, new):
    path.write_text(path.read_text().replace(old, new))


@pytest.mark.parametrize("what", OTHERS)
def test_a_calibration_is_refused_for_other_members_of_the_same_names(copied, calibrated, what):
    OTHERS[what](copied)
    *_, model = built(copied)
    with pytest.raises(ValueError, match="calibrated for other members.*calibrate the cascade anew"):
        model.load_calibration(calibrated / "calibration.json")


def test_a_calibration_follows_its_members_under_other_names(copied, calibrated, caplog):
    shutil.move(copied / "second.pth", copied / "moved.pth")
    replace_in(copied / "cascade.py", "'name': 'first'", "'name': 'cheap'")
    replace_in(copied / "cascade.py", "second.pth", "moved.pth")
    *_, model = built(copied)
    model.load_calibration(calibrated / "calibration.json")
    assert list(model.cascade.thresholds) == list(Calibration.load(calibrated / "calibration.json").thresholds)


def test_infer_takes_a_cascade(folder, calibrated, tmp_path):
    image = sorted((folder / "images" / "validation").iterdir())[0]
    with imported_tool("infer") as tool:
        options = [calibrated / "calibration.json", image, "--out", tmp_path, "--labels"]
        assert tool.main([str(folder / "cascade.py"), *map(str, options)]) == 0
    assert (tmp_path / f"{image.stem}_overlay.png").is_file()
    assert (tmp_path / f"{image.stem}_labels.png").is_file()


@pytest.mark.parametrize("options", [["--temperature"], ["--unit", "ms"], ["--tolerance", "0.9"]])
def test_ways_to_calibrate(folder, calibrate, options):
    found = calibrate([str(folder / "cascade.py"), "--work-dir", str(folder / "other"), "--pictures", "0", *options])
    assert (found.temperatures != [1.0, 1.0]) == ("--temperature" in options)
    assert found.unit == ("ms" if "ms" in options else "FLOPs") and min(found.costs) > 0
    if "--tolerance" in options:
        assert found.shares == [1.0, 0.0] and found.target == pytest.approx(found.member_values[1] - 0.9)


BAD = {
    "no cascade": (["tiny.py"], [], "JumboSegmentor, not a CascadeSegmentor"),
    "target": (["cascade.py"], ["--target", "0.999"], "the best is"),
    "number": (["cascade.py"], ["--target", "38"], "between 0 and 1"),
    "word": (["cascade.py"], ["--target", "best"], "neither 'last' nor a number"),
    "points": (["cascade.py"], ["--tolerance", "1"], "half a point is 0.005"),
    "no points": (["cascade.py"], ["--tolerance", "little"], "'little' is not a number"),
    "tolerance of a number": (["cascade.py"], ["--target", "0.3", "--tolerance", "0.01"], "lower --target 0.3 itself"),
}


@pytest.mark.parametrize("what", BAD)
def test_bad_input(folder, calibrate, calibrated, capsys, what):
    (config,), options, told = BAD[what]
    with pytest.raises(SystemExit) as stopped:
        calibrate([str(folder / config), "--work-dir", str(calibrated), *options])
    assert stopped.value.code == 2 and told in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "told"),
    [(["--keep-rate", "0.5"], "have budgets of their own"), (["--slide"], "as their own configs say")],
)
def test_dials_of_a_cascade_are_in_its_config(folder, calibrated, capsys, options, told):
    with pytest.raises(SystemExit):
        metrics_of(folder, calibrated / "calibration.json", *options)
    assert told in capsys.readouterr().err


def test_a_checkpoint_is_no_calibration(folder, capsys):
    with pytest.raises(SystemExit):
        metrics_of(folder, folder / "first.pth")
    assert "holds no calibration" in capsys.readouterr().err
    assert torch.load(folder / "first.pth")["state_dict"]
