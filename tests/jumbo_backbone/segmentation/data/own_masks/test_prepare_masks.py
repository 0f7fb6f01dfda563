"""`jumbo prepare PHOTOS MASKS`: what it writes is what training reads, and it writes all of it or nothing."""

import json
import os
import re
from pathlib import Path

import numpy as np
import pytest
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmseg.registry import DATASETS
from PIL import Image

from jumbo_backbone.segmentation.cli.check import check_config
from jumbo_backbone.segmentation.data.own_masks import folder as folders
from jumbo_backbone.segmentation.data.own_masks import prepare as module
from jumbo_cli.commands.prepare import COMMAND

COLOURS = np.array([(120, 120, 120), (230, 60, 60), (60, 60, 230), (0, 0, 0)], dtype=np.uint8)
CLASSES = ["ground=#787878", "a box=#e63c3c", "disc=#3c3ce6"]
SIZE = (40, 48)  # height and width


@pytest.fixture()
def own(tmp_path, monkeypatch):
    """Photos and coloured masks of four scenes with five frames each; what is black is ignored."""
    monkeypatch.chdir(tmp_path)
    for name in ("photos", "masks"):
        (tmp_path / name).mkdir()
    rng = np.random.default_rng(0)
    for scene in "abcd":
        for frame in range(5):
            labels = np.repeat(np.repeat(rng.integers(0, 4, (5, 6)), 8, 0), 8, 1)
            Image.fromarray(COLOURS[labels]).save(f"masks/{scene}_{frame:02d}_mask.png")
            photo = np.clip(COLOURS[labels] + rng.integers(0, 20, (*SIZE, 3)), 0, 255).astype(np.uint8)
            Image.fromarray(photo).save(f"photos/{scene}_{frame:02d}.JPG", format="JPEG")
    return tmp_path


def prepare(*arguments, code=0, out="my_data"):
    try:
        found = COMMAND.run(["photos", "masks", "--out", out, "--workers", "2", *map(str, arguments)])
    except SystemExit as stopped:
        found = stopped.code
    assert found == code


def content(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def named(*arguments, **rest):
    prepare("--classes", *CLASSES, "--ignore", "#000000", *arguments, **rest)


def test_the_config_reads_what_the_masks_show(own, capsys):
    before = content(own)
    named()
    told = capsys.readouterr().out
    assert "4 scenes of 20 pictures" in told and "jumbo train my_data/config.py" in told and "20 pairs" in told
    assert {name: data for name, data in content(own).items() if not name.startswith("my_data")} == before
    init_default_scope("mmseg")
    cfg = Config.fromfile("my_data/config.py")
    assert cfg.model.decode_head.num_classes == 3 and cfg.work_dir == "work_dirs/my_data"
    assert cfg.train_dataloader.dataset.metainfo.palette == COLOURS[:3].tolist()
    seen = []
    for split in ("train", "val", "test"):
        dataset = DATASETS.build(cfg[f"{split}_dataloader"].dataset | dict(pipeline=[
            dict(type="LoadImageFromFile"), dict(type="LoadAnnotations")]))  # fmt: skip
        assert dataset.metainfo["classes"] == ("ground", "a box", "disc") and not dataset.reduce_zero_label
        for number in range(len(dataset)):
            sample = dataset[number]
            name = Path(sample["img_path"]).stem
            mask = np.asarray(Image.open(f"masks/{name}_mask.png"))
            expected = np.full(SIZE, 255)
            for label, colour in enumerate(COLOURS[:3]):
                expected[(mask == colour).all(axis=2)] = label
            assert (sample["gt_seg_map"] == expected).all()
            assert Path(sample["img_path"]).read_bytes() == Path(f"photos/{name}.JPG").read_bytes()
            seen += [name] if split != "test" else []
    assert sorted(seen) == sorted(path.stem for path in Path("photos").iterdir())  # each once
    scenes = [{path.name[0] for path in Path("my_data/images", s).iterdir()} for s in ("training", "validation")]
    assert [len(found) for found in scenes] == [3, 1] and not scenes[0] & scenes[1]


def test_what_was_prepared_is_sound_and_may_be_moved(own, monkeypatch):
    named()
    (own / "else where").mkdir()
    Path("my_data").rename("else where/moved")
    monkeypatch.chdir("/")
    reports = check_config(own / "else where" / "moved" / "config.py", None, 2, False)
    assert [(report["pairs"], report["sound"]) for report in reports] == [(15, True), (5, True)]


def test_the_same_command_gives_the_same_folder_and_the_seed_another(own):
    named("--scenes", "none")
    first = content(own / "my_data")
    named("--scenes", "none", "--overwrite")
    again = content(own / "my_data")
    told = {"config.py", "prepared.json"}  # hold the command
    assert {k: v for k, v in first.items() if k not in told} == {k: v for k, v in again.items() if k not in told}
    named("--scenes", "none", "--seed", "1", "--overwrite")
    assert content(own / "my_data").keys() != first.keys()
    record = json.loads(Path("my_data/prepared.json").read_text())
    assert record["seed"] == 1 and sorted(map(len, record["split"].values())) == [4, 16]


def test_photos_are_hard_links_or_copies(own, monkeypatch):
    named()
    (image, *_) = sorted(Path("my_data/images/training").iterdir())
    assert image.suffix == ".jpg" and image.samefile(f"photos/{image.stem}.JPG")

    def no_links(*_):
        raise OSError("another file system")

    monkeypatch.setattr(os, "link", no_links)
    named("--overwrite")
    assert not image.samefile(f"photos/{image.stem}.JPG")
    assert image.read_bytes() == Path(f"photos/{image.stem}.JPG").read_bytes()


def test_a_folder_that_is_there(own, capsys):
    named()
    before = content(own / "my_data")
    named(code=2)
    assert "my_data is there already: --overwrite makes it anew" in capsys.readouterr().err
    assert content(own / "my_data") == before
    Path("theirs").mkdir()
    Path("theirs/file").write_text("")
    named("--overwrite", out="theirs", code=2)
    assert "was not made by this command" in capsys.readouterr().err and os.listdir("theirs") == ["file"]
    Path("empty").mkdir()
    named(out="empty")
    assert Path("empty/config.py").is_file()


@pytest.mark.parametrize("error", [KeyboardInterrupt, OSError("disk")])
def test_what_breaks_leaves_nothing_and_the_folder_as_it_was(own, monkeypatch, error):
    def break_down(*_):
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(module, "link_or_copy", break_down)
        named(code=130 if error is KeyboardInterrupt else 2)
        assert sorted(os.listdir()) == ["masks", "photos"]
    named()
    before = content(own / "my_data")
    monkeypatch.setattr(module, "link_or_copy", break_down)
    named("--overwrite", "--seed", "1", code=130 if error is KeyboardInterrupt else 2)
    assert content(own / "my_data") == before and sorted(os.listdir()) == ["masks", "my_data", "photos"]


def test_a_kill_between_two_renames_is_put_back(own, capsys):
    named()
    Path("my_data").rename(".my_data.old")
    Path(".my_data.part").mkdir()
    named(code=2)
    assert "is there already" in capsys.readouterr().err and Path("my_data/config.py").is_file()
    named("--overwrite")
    assert sorted(os.listdir()) == ["masks", "my_data", "photos"]


def test_another_base_with_two_heads(own):
    (own / "big.py").write_text(
        f"_base_ = {str(Path(module.__file__).parents[4] / 'seg_configs/_base_/upernet.py')!r}\n"
        "train_dataloader = dict(dataset=dict(type='BaseSegDataset'))\n"
    )
    named("--base", "big.py")
    cfg = Config.fromfile("my_data/config.py")
    assert cfg.model.decode_head.num_classes == cfg.model.auxiliary_head.num_classes == 3


def test_photos_of_other_bands_pass_through_and_are_told(own, capsys):
    for path in Path("photos").iterdir():
        Image.new("RGBA", SIZE[::-1], (1, 2, 3, 4)).save(path.with_suffix(".png"))
        path.unlink()
    named()
    assert "20 photos have 4 bands of 8 bits" in capsys.readouterr().out
    (image, *_) = Path("my_data/images/training").iterdir()
    assert Image.open(image).getbands() == ("R", "G", "B", "A")
    assert Config.fromfile("my_data/config.py").train_dataloader.dataset.img_suffix == ".png"


def test_a_class_that_training_lacks_is_told(own, capsys):
    for path in Path("masks").iterdir():
        number = COLOURS[2] if path.name.startswith("a") else COLOURS[1]
        array = np.tile(number, (*SIZE, 1))
        array[:20] = COLOURS[0]
        Image.fromarray(array).save(path)
    for seed in range(20):
        named("--seed", seed, *(["--overwrite"] if seed else []))
        out = capsys.readouterr().out
        if "validation" in out and Path("my_data/images/validation/a_00.jpg").exists():
            assert "warning: nothing is learned of disc, absent from training: try another --seed" in out
            return
        assert "warning: nothing is measured of disc, absent from validation" in out
    raise AssertionError("no seed put scene a aside")


def turned(own: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", SIZE[::-1]).save("photos/a_00.JPG", format="JPEG", exif=exif)


def mixed(own: Path) -> None:
    Image.new("RGB", SIZE[::-1]).save("photos/a_00.png")
    Path("photos/a_00.JPG").unlink()


def small(own: Path) -> None:
    Image.fromarray(np.tile(COLOURS[0], (8, 8, 1))).save("masks/a_00_mask.png")


def broken(own: Path) -> None:
    Path("photos/a_00.JPG").write_bytes(b"no photo")


@pytest.mark.parametrize(
    ("change", "arguments", "told"),
    [
        (turned, [], "1 masks have another size .*photo 40x48, mask 48x40: the photo is turned upright .*EXIF"),
        (small, [], "1 masks have another size than their photo: .*photo 48x40, mask 8x8"),
        (mixed, [], "several kinds .19 .jpg, 1 .png."),
        (broken, [], "a_00.JPG cannot be read as a photo"),
        (None, ["--out", "photos/made"], "--out .*photos/made lies in photos"),
        (None, ["--out", "bad\\name"], "has a quote, a backslash"),
        (None, ["--val", "1.5"], "val=1.5 leaves nothing"),
        (None, ["--scenes", "folder"], "all 20 pictures are of one scene"),
        (None, ["--scene-pattern", "("], "no regular expression"),
        (None, ["--ignore", "0"], "masks have colours, and --ignore gives a number"),
        (None, ["--base", "mask_small"], "did you mean masks_small"),
        (None, ["--base", "jumbo_upernet_scenes"], "cannot be the base of a config for masks"),
        (None, ["--workers", "0"], "--workers 0 cannot read"),
        (None, ["--classes", "only.txt"], "1 classes are named .*there is no file only.txt"),
    ],
)
def test_bad_input_writes_nothing(own, capsys, change, arguments, told):
    if change:
        change(own)
    before = content(own)
    named(*arguments, code=2)
    err = " ".join(capsys.readouterr().err.split())
    assert err.startswith("jumbo prepare: ") and re.search(told, err), err
    assert content(own) == before and not list(own.glob(".my_data*"))


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["photos", "masks"], "say where the folder to train on goes: --out my_data"),
        (["ade.zip", "--val", "0.3"], "--val belongs to PHOTOS MASKS"),
        (["photos", "masks", "--out", "o", "--json", "x"], "--json does not go with PHOTOS MASKS"),
        (["photos", "masks", "--out", "o", "--scenes", "name", "--scene-pattern", "x"], "not allowed with"),
    ],
)
def test_arguments_that_do_not_go_together(capsys, arguments, told):
    with pytest.raises(SystemExit) as stopped:
        COMMAND.run(arguments)
    assert stopped.value.code == 2 and told in capsys.readouterr().err


def test_a_link_is_followed_once(tmp_path):
    source = tmp_path / "photo.jpg"
    source.write_bytes(b"x")
    (tmp_path / "link.jpg").symlink_to(source)
    folders.link_or_copy(tmp_path / "link.jpg", tmp_path / "made" / "photo.jpg")
    assert not (tmp_path / "made" / "photo.jpg").is_symlink() and (tmp_path / "made" / "photo.jpg").samefile(source)
