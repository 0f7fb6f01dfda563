"""What the segmentation tools say of wrong inputs: in words, with exit code 2, before any work is done."""

from pathlib import Path
from unittest.mock import MagicMock

import pytest

pytest.importorskip("mmseg")
from mmengine.config import Config

from jumbo_backbone.segmentation.cli.test import prepare
from jumbo_backbone.segmentation.data.required import require_datasets
from jumbo_cli.commands.test import COMMAND
from tests.conftest import imported_tool, write_cascade, write_config, write_pairs, write_trained


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("messages")
    write_pairs(folder, 2)
    write_config(folder)
    write_trained(folder / "tiny.py", folder / "trained.pth")
    write_cascade(folder, "cascade")
    return folder


def run(tool: str, *options) -> None:
    with imported_tool(tool) as module:
        module.main([str(option) for option in options])


def refused(capsys, tool: str, *options) -> str:
    with pytest.raises(SystemExit) as stopped:
        run(tool, *options)
    assert stopped.value.code == 2
    return capsys.readouterr().err


@pytest.mark.parametrize("options", [[], ["--resume"]])
def test_a_cascade_is_not_trained(folder, capsys, options):
    told = refused(capsys, "train", folder / "cascade.py", "--work-dir", folder / "w", *options)
    assert f"a cascade cannot be trained: give the config of a member ({folder / 'tiny.py'})" in told
    assert not (folder / "w").exists()


def test_a_cascade_is_not_exported(folder, capsys):
    told = refused(capsys, "export", folder / "cascade.py", folder / "trained.pth")
    assert "a cascade cannot be exported: give the config of a member" in told


@pytest.mark.parametrize(("out", "told"), [("", "is a folder: name a file in it"), ("tiny.py/a.onnx", "is a file")])
def test_places_that_no_export_can_have(folder, capsys, monkeypatch, out, told):
    monkeypatch.setattr("torch.onnx.export", None)  # not even tried
    message = refused(capsys, "export", folder / "tiny.py", folder / "trained.pth", "--out", folder / out)
    assert told in message


def test_an_export_makes_its_folder(folder, monkeypatch):
    program = MagicMock()
    program.save = lambda path, **_: Path(path).touch()
    monkeypatch.setattr("torch.onnx.export", lambda *_, **__: program)
    run("export", folder / "tiny.py", folder / "trained.pth", "--out", folder / "new" / "folder" / "a.onnx")
    assert (folder / "new" / "folder" / "a.onnx").is_file()


@pytest.mark.parametrize("several", ["[a, b]", "dict(_delete_=True, metrics=[a, b])"])
def test_several_evaluators(folder, several):
    """mmengine takes a list of metrics; label maps are written once, by the first that can."""
    config = folder / "several.py"
    config.write_text(
        "_base_ = 'tiny.py'\n"
        "a = dict(type='IoUMetric', iou_metrics=['mIoU'])\n"
        "b = dict(type='IoUMetric', iou_metrics=['mFscore'], prefix='second')\n"
        f"test_evaluator = {several}\n"
    )
    with imported_tool("test") as tool:
        found = tool.main([str(config), str(folder / "trained.pth"), "--out", str(folder / "out")])
    assert "mIoU" in found and any("second" in name for name in found)
    assert len(list((folder / "out" / "labels").glob("*.png"))) == 2


def test_no_evaluator_that_writes(folder, capsys):
    config = folder / "none.py"
    metric = "dict(type='DumpResults', out_file_path='a.pkl')"
    config.write_text(f"_base_ = 'tiny.py'\ntest_evaluator = dict(_delete_=True, metrics=[{metric}])\n")
    told = refused(capsys, "test", config, folder / "trained.pth", "--out", folder / "out2")
    assert "no metric of test_evaluator writes label maps (DumpResults): add dict(type='IoUMetric')" in told


BROKEN = {
    "mark": (b"\xef\xbb\xbf000\n001\n", "begins with a byte-order mark.*save it without"),
    "blank": (b"000\n\n001\n", r"has a blank line \(2 of 3\): remove it"),
    "spaces": (b"000\n001\n   \n", r"has a blank line \(3 of 3\)"),
    "utf-16": ("000\n001\n".encode("utf-16"), "is not UTF-8 text"),
}


@pytest.mark.parametrize("what", BROKEN)
def test_lists_that_would_be_read_wrong(folder, what):
    content, told = BROKEN[what]
    (folder / "list.txt").write_bytes(content)
    cfg = Config.fromfile(folder / "tiny.py")
    cfg.train_dataloader.dataset.update(ann_file=str(folder / "list.txt"))
    with pytest.raises(ValueError, match=rf"train_dataloader: names \(ann_file\) in .*list.txt {told}"):
        require_datasets(cfg)
    cfg = Config.fromfile(folder / "tiny.py")
    (folder / "classes.txt").write_bytes(content)
    cfg.train_dataloader.dataset.metainfo = dict(classes=str(folder / "classes.txt"))
    with pytest.raises(ValueError, match=rf"classes \(metainfo.classes\) in .*classes.txt {told}"):
        require_datasets(cfg)


@pytest.mark.parametrize("content", [b"000\n001\n", b"000\n001", b"000\r\n001\r\n", b"000\n001\n001\n"])
def test_lists_that_are_sound(folder, content):
    (folder / "list.txt").write_bytes(content)
    cfg = Config.fromfile(folder / "tiny.py")
    cfg.train_dataloader.dataset.update(ann_file=str(folder / "list.txt"))
    require_datasets(cfg)


def test_tta_reads_images_as_the_test_does(folder, capsys):
    """A loader of one's own in the test's pipeline, and the base's in that of the augmentation."""
    config = folder / "loader.py"
    config.write_text(
        "_base_ = 'tiny.py'\n"
        "loaded = dict(type='LoadImageFromFile', color_type='unchanged')\n"
        "steps = [loaded, dict(type='LoadAnnotations'), dict(type='PackSegInputs')]\n"
        "train_dataloader = dict(dataset=dict(pipeline=steps))\n"
        "val_dataloader = dict(dataset=dict(pipeline=steps))\n"
        "test_dataloader = val_dataloader\n"
    )
    told = refused(capsys, "test", config, folder / "trained.pth", "--tta")
    assert "tta_pipeline reads images by {'type': 'LoadImageFromFile'}, the test by" in told


def test_tta_of_wrapped_data(folder):
    config = folder / "wrapped.py"
    config.write_text(
        "_base_ = 'tiny.py'\n"
        "one = {{_base_.test_dataloader.dataset}}\n"
        "test_dataloader = dict(dataset=dict(_delete_=True, type='ConcatDataset', datasets=[one, one]))\n"
    )
    cfg = prepare(COMMAND.parse([str(config), str(folder / "trained.pth"), "--tta"]))
    assert all(one.pipeline[1].type == "TestTimeAug" for one in cfg.test_dataloader.dataset.datasets)


def test_options_that_cannot_be_read(folder, capsys):
    for tool, rest in (("train", []), ("test", [folder / "trained.pth"]), ("export", [folder / "trained.pth"])):
        told = refused(capsys, tool, folder / "tiny.py", *rest, "--cfg-options", "train_cfg.max_iters")
        assert "'train_cfg.max_iters' is not KEY=VALUE" in told
