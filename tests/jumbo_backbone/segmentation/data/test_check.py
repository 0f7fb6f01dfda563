"""jumbo_backbone.segmentation.data.check: sound data passes, and each fault is named with its file and a way out."""

import json
import os
import re
import time
from pathlib import Path

import numpy as np
import pytest
from mmengine.config import Config
from mmseg.datasets import BaseSegDataset
from mmseg.registry import DATASETS
from PIL import Image

from jumbo_backbone.segmentation.data import check as dataset_check
from jumbo_backbone.segmentation.data.check import WAYS_OUT, check_dataset
from jumbo_backbone.segmentation.data.required import require_datasets
from tests.conftest import SHARED

CLASSES = ("sky", "road", "car")
PALETTE = [[0, 0, 255], [90, 90, 90], [255, 0, 0]]


@DATASETS.register_module(force=True)
class MadeUpDataset(BaseSegDataset):
    """Without files, as rendered scenes are."""

    METAINFO = dict(classes=CLASSES, palette=PALETTE)

    def load_data_list(self):
        raise AssertionError("nothing is to be listed")


def write(folder: Path, stem: str, mask, image_size=None) -> None:
    """An image and its mask; PNG and JPG of 8x8 unless the mask or ``image_size`` say otherwise."""
    mask = mask if isinstance(mask, Image.Image) else Image.fromarray(np.asarray(mask))
    for name in ("images", "masks"):
        (folder / name / stem).parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", image_size or mask.size, (200, 100, 50)).save(folder / "images" / f"{stem}.jpg")
    mask.save(folder / "masks" / f"{stem}.png")


def labels(*values: int, dtype=np.uint8) -> np.ndarray:
    """8x8, the values in equal parts."""
    return np.repeat(values, 64 // len(values)).reshape(8, 8).astype(dtype)


@pytest.fixture()
def folder(tmp_path):
    write(tmp_path, "a", labels(0, 1, 2, 255))
    write(tmp_path, "below/b", labels(0, 1))
    return tmp_path


def of(folder: Path, **changes) -> dict:
    return (
        dict(
            type="BaseSegDataset",
            data_root=str(folder),
            data_prefix=dict(img_path="images", seg_map_path="masks"),
            metainfo=dict(classes=CLASSES, palette=PALETTE),
        )
        | changes
    )


def config(dataset: dict, **changes) -> Config:
    return Config(
        dict(
            train_dataloader=dict(dataset=dataset),
            val_dataloader=None,
            model=dict(decode_head=dict(num_classes=3), auxiliary_head=[dict(num_classes=3)]),
        )
        | changes
    )


def refused(cfg, error=ValueError) -> str:
    with pytest.raises(error) as caught:
        require_datasets(cfg)
    return str(caught.value)


def problems(dataset: dict) -> list[tuple[str, str, str]]:
    """Kind, name of the file and what is wrong."""
    report = check_dataset(dataset, workers=2, progress=False)
    for problem in report.problems:
        assert problem.path in str(report) and problem.what in str(report) and problem.way_out in str(report)
    return [(problem.kind, os.path.basename(problem.path), problem.what) for problem in report.problems]


# ---- cheap


@pytest.mark.parametrize(
    "wrap",
    [
        lambda dataset: dataset,
        lambda dataset: dict(type="RepeatDataset", times=3, dataset=dataset),
        lambda dataset: dict(type="ConcatDataset", datasets=[dataset, dict(type="RepeatDataset", dataset=dataset)]),
    ],
)
def test_sound_data_passes_and_wrapped_data_is_found(folder, wrap):
    require_datasets(config(wrap(of(folder))))
    assert "no such folder" in refused(config(wrap(of(folder / "elsewhere"))), FileNotFoundError)


def test_only_the_splits_asked_for(folder):
    cfg = config(of(folder), test_dataloader=dict(dataset=of(folder / "elsewhere")))
    require_datasets(cfg)
    with pytest.raises(FileNotFoundError, match="^test_dataloader: "):
        require_datasets(cfg, splits=("test",))
    with pytest.raises(ValueError, match=r"splits \['vaal'\] are none of train, val, test"):
        require_datasets(cfg, splits=("vaal",))


def test_data_without_files_is_passed_over_but_not_its_classes():
    require_datasets(config(dict(type="MadeUpDataset")))
    assert "3 classes, but model.decode_head.num_classes is 4" in refused(
        config(dict(type="MadeUpDataset"), model=dict(decode_head=dict(num_classes=4)))
    )
    assert "does not find its files" in refused(
        config(dict(type="MadeUpDataset", data_root="absent")), FileNotFoundError
    )


def test_a_missing_folder_says_where_what_and_how(folder, monkeypatch):
    monkeypatch.chdir(folder)
    told = refused(config(of(Path("elsewhere"))), FileNotFoundError)
    assert f"images (*.jpg) in {folder}/elsewhere/images: no such folder" in told
    assert f"masks (*.png) in {folder}/elsewhere/masks: no such folder" in told
    assert told.startswith("train_dataloader: BaseSegDataset does not find its files")
    assert "--data-root" in told and "data_root in the config" in told and "docs/your_own_masks.md" in told
    assert "jumbo train jumbo_upernet_scenes" in told
    assert "ADE20K" not in told


def test_a_missing_ade20k_says_how_to_get_it(tmp_path):
    prefix = dict(img_path="images/training", seg_map_path="annotations/training")
    told = refused(config(dict(type="ADE20KDataset", data_root=str(tmp_path), data_prefix=prefix), model=None),
                   FileNotFoundError)  # fmt: skip
    assert "20,210 for training and 2,000 for validation" in told
    assert "jumbo prepare ADEChallengeData2016.zip" in told and "--data-root" in told


def test_empty_folders_and_other_suffixes(folder):
    (folder / "nothing").mkdir()
    empty = dict(img_path="images", seg_map_path="nothing")
    assert "nothing: the folder is empty" in refused(config(of(folder, data_prefix=empty)), FileNotFoundError)
    told = refused(config(of(folder, img_suffix=".JPG")), FileNotFoundError)
    assert "images (*.JPG)" in told and "none among its 2 files, which end in .jpg" in told and "masks (" not in told


@pytest.mark.parametrize(
    ("gone", "kind", "expected"),
    [
        ("masks/below/b.png", "image without a mask", "below/b.jpg (expected {}/masks/below/b.png)"),
        ("images/a.jpg", "mask without an image", "a.png (expected {}/images/a.jpg)"),
    ],
)
def test_files_without_a_partner(folder, gone, kind, expected):
    (folder / gone).unlink()
    told = refused(config(of(folder)))
    assert f"{kind}: 1, namely" in told and expected.format(folder) in told and WAYS_OUT[kind] in told
    assert [found[0] for found in problems(of(folder))] == [kind]
    assert check_dataset(of(folder), progress=False).pairs == 1


def test_many_without_a_partner_are_counted_and_the_first_named(folder):
    for i in range(9):
        (folder / "masks" / f"{i}.png").write_bytes(b"")
    told = refused(config(of(folder)))
    assert "mask without an image: 9, namely" in told and told.count("expected") == 5 and "(4 more)" in told
    assert "and 4 more" in str(check_dataset(of(folder), progress=False))


def test_suffixes_longer_than_an_ending(tmp_path):
    write(tmp_path, "x", labels(0))
    (tmp_path / "images" / "x.jpg").rename(tmp_path / "images" / "x_photo.jpg")
    (tmp_path / "masks" / "x.png").rename(tmp_path / "masks" / "x_labels.png")
    dataset = of(tmp_path, img_suffix="_photo.jpg", seg_map_suffix="_labels.png")
    require_datasets(config(dataset))
    assert problems(dataset) == []


def test_a_list_of_names(folder):
    listed = of(folder, ann_file="list.txt")
    assert f"{folder}/list.txt: no such file" in refused(config(listed), FileNotFoundError)
    (folder / "list.txt").write_text("")
    assert "list.txt names no images" in refused(config(listed), FileNotFoundError)
    (folder / "list.txt").write_text("a\n")  # below/b belongs to another split
    require_datasets(config(listed))
    assert check_dataset(listed, progress=False).pairs == 1
    (folder / "list.txt").write_text("a\nc\n")
    assert "list.txt names it" in refused(config(listed))
    assert [found[:2] for found in problems(listed)] == [("mask without an image", "c.jpg")]


@pytest.mark.parametrize(
    ("metainfo", "model", "message"),
    [
        ({}, dict(decode_head=dict(num_classes=19)), "3 classes, but model.decode_head.num_classes is 19"),
        (
            {},
            dict(decode_head=[dict(num_classes=3)], auxiliary_head=[dict(num_classes=3), dict(num_classes=2)]),
            "3 classes, but model.auxiliary_head[1].num_classes is 2",
        ),
        (dict(palette=PALETTE[:2]), {}, "3 classes, but 2 colours in its palette: give it 3"),
        (dict(classes=()), {}, "names no classes"),
        (dict(classes="classes.txt"), {}, "metainfo.classes is 'classes.txt', and there is no such file"),
    ],
)
def test_classes_heads_and_palette_agree(folder, metainfo, model, message):
    dataset = of(folder, metainfo=dict(classes=CLASSES, palette=PALETTE) | metainfo)
    assert message in refused(config(dataset, model=model))


def test_some_of_a_type_s_own_classes(folder):
    fewer = dict(classes=("wall", "tree", "floor"))
    require_datasets(config(of(folder, type="ADE20KDataset", metainfo=fewer)))
    told = refused(config(of(folder, type="ADE20KDataset", metainfo=dict(classes=("wall", "cat", "dog")))))
    assert "ADE20KDataset does not have: cat, dog" in told and "type='BaseSegDataset'" in told


def test_classes_from_a_file(folder):
    (folder / "classes.txt").write_text("\n".join(CLASSES))
    require_datasets(config(of(folder, metainfo=dict(classes=str(folder / "classes.txt")))))


def test_a_pipeline_that_reduces_zero_differently(folder):
    load = dict(type="LoadAnnotations", reduce_zero_label=True)
    assert "reduce_zero_label=True, but the data set False" in refused(config(of(folder, pipeline=[load])))
    require_datasets(config(of(folder, pipeline=[load], reduce_zero_label=True)))
    require_datasets(config(of(folder, pipeline=[dict(type="LoadAnnotations")], reduce_zero_label=True)))


def test_unknown_types_and_arguments(folder):
    told = refused(config(of(folder, type="MyDataset")))
    assert "'MyDataset' is not registered" in told and "custom_imports" in told
    assert "colour" in refused(config(of(folder, colour=1)), TypeError)


# ---- thorough


def test_counts_of_sound_data(folder):
    report = check_dataset(of(folder), workers=1, progress=False)
    assert (report.pairs, report.pixels, report.ignored) == (2, [48, 48, 16], 16)
    assert report.sound and report.problems == [] and report.absent == []
    assert "2 pairs, 3 classes" in str(report) and "12.5% of the pixels" in str(report)
    assert "sky 42.86%, road 42.86%, car 14.29%" in str(report) and str(report).endswith("no problems found")
    assert json.loads(json.dumps(report.as_dict()))["pixels"] == dict(sky=48, road=48, car=16)


def test_zero_is_reduced_as_in_training(tmp_path):
    write(tmp_path, "a", labels(0, 1, 3, 255))
    report = check_dataset(of(tmp_path, reduce_zero_label=True), progress=False)
    assert (report.pixels, report.ignored, report.problems) == ([16, 0, 16], 32, [])
    assert report.absent == ["road"] and "never: road" in str(report)
    write(tmp_path, "b", labels(4))
    assert problems(of(tmp_path, reduce_zero_label=True)) == [
        ("labels out of range", "b.png", "4 (100.0% of its pixels); classes have 1 to 3")
    ]


def test_a_class_that_never_occurs_and_why_that_may_be(tmp_path):
    write(tmp_path, "a", labels(0, 1))
    shifted = check_dataset(of(tmp_path, reduce_zero_label=True), progress=False)
    assert shifted.absent == ["road", "car"] and "set reduce_zero_label=False" in str(shifted) and shifted.sound
    write(tmp_path, "a", labels(0, 255))  # a binary mask as drawing programs save it
    assert "is a class marked by 255" in str(check_dataset(of(tmp_path), progress=False))


def test_a_selection_of_classes(tmp_path):
    write(tmp_path, "a", labels(1, 4, 5, 255))  # wall, floor, tree: the others of ADE20K are ignored
    report = check_dataset(of(tmp_path, type="ADE20KDataset", metainfo=dict(classes=("tree", "wall"))), progress=False)
    assert (report.pixels, report.ignored, report.problems) == ([16, 16], 32, [])


@pytest.mark.parametrize(
    ("mask", "kind", "what"),
    [
        (labels(0, 3, 1, 254), "labels out of range", "3, 254 (50.0% of its pixels); classes have 0 to 2"),
        (labels(0, 256, dtype=np.uint16), "labels out of range", "256 (50.0% of its pixels)"),  # 0 in 8 bits
        (np.dstack([labels(0, 1)] * 3), "mask of colours", "3 channels instead of one"),
        (np.dstack([labels(0, 1)] * 4), "mask of colours", "4 channels instead of one"),
        (labels(255), "mask of which every pixel is ignored", "nothing but 255"),
    ],
)
def test_masks_that_are_no_labels(folder, mask, kind, what):
    write(folder, "bad", mask)
    [found] = problems(of(folder))
    assert found[:2] == (kind, "bad.png") and what in found[2]


def test_masks_of_numbers_that_are_no_integers(folder):
    write(folder, "bad", labels(0))
    (folder / "masks" / "bad.png").unlink()
    Image.fromarray(labels(1).astype(np.float32)).save(folder / "masks" / "bad.png", format="TIFF")
    assert problems(of(folder)) == [
        ("mask that holds no labels", "bad.png", "its pixels are float32, not 8 or 16 bits")
    ]


def test_palette_one_bit_and_sixteen_bit_masks_are_fine(tmp_path):
    palette = Image.fromarray(labels(0, 2))
    palette.putpalette([255, 0, 0, 0, 255, 0, 0, 0, 255])
    assert palette.mode == "P"
    write(tmp_path, "palette", palette)
    write(tmp_path, "one_bit", Image.fromarray(labels(0, 1) * 255).convert("1"))
    write(tmp_path, "sixteen", labels(1, 2, dtype=np.uint16))
    report = check_dataset(of(tmp_path), progress=False)
    assert report.problems == [] and report.pixels == [64, 64, 64]


def test_ignoring_some_masks_is_sound_ignoring_all_is_not(folder):
    write(folder, "ignored", labels(255))
    assert check_dataset(of(folder), progress=False).sound
    for stem in ("a", "below/b"):
        write(folder, stem, labels(255))
    assert not check_dataset(of(folder), progress=False).sound


def test_other_sizes(folder):
    write(folder, "wide", labels(0), image_size=(10, 8))
    assert problems(of(folder)) == [
        ("mask of another size than its image", "wide.png", "8x8 pixels, the image is 10x8")
    ]


def test_an_image_that_is_turned_when_read(folder):
    write(folder, "photo", np.zeros((4, 6), dtype=np.uint8))
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by 90 degrees
    Image.new("RGB", (6, 4)).save(folder / "images" / "photo.jpg", exif=exif)
    assert problems(of(folder)) == [
        ("mask of another size than its image", "photo.png", "6x4 pixels, the image is 4x6")
    ]


@pytest.mark.parametrize("name", ["images/bad.jpg", "masks/bad.png"])
@pytest.mark.parametrize("damage", ["cut", "empty", "text"])
def test_unreadable_files(folder, name, damage):
    rng = np.random.default_rng(0)
    write(folder, "bad", rng.integers(0, 3, (64, 64), dtype=np.uint8))
    Image.fromarray(rng.integers(0, 255, (64, 64, 3), dtype=np.uint8)).save(folder / "images" / "bad.jpg")
    content = (folder / name).read_bytes()
    (folder / name).write_bytes(dict(cut=content[: len(content) // 2], empty=b"", text=b"<html>404</html>")[damage])
    [found] = problems(of(folder))
    assert found[:2] == ("unreadable file", os.path.basename(name)) and found[2]
    assert damage != "cut" or "truncated" in found[2]


def test_an_image_that_only_pillow_can_read(folder, monkeypatch):
    monkeypatch.setattr(dataset_check.mmcv, "imfrombytes", lambda content, **kwargs: (
        None if kwargs.get("backend") == "cv2" else labels(0)))  # fmt: skip
    assert {found[2] for found in problems(of(folder))} == {
        "Pillow can read it, but LoadImageFromFile, with which training reads, cannot"
    }


def test_data_without_masks_is_read_too(folder):
    assert check_dataset(of(folder, data_prefix=dict(img_path="images")), progress=False).pairs == 2
    (folder / "images" / "a.jpg").write_bytes(b"no image")
    assert problems(of(folder, data_prefix=dict(img_path="images")))[0][:2] == ("unreadable file", "a.jpg")


def test_what_cannot_be_checked(folder):
    with pytest.raises(ValueError, match="MadeUpDataset has no files on this disk to check: it needs data_root"):
        check_dataset(dict(type="MadeUpDataset"))
    with pytest.raises(ValueError, match="workers=0 cannot read anything: give 1 or more"):
        check_dataset(of(folder), workers=0)
    with pytest.raises(FileNotFoundError, match="no such folder"):
        check_dataset(of(folder / "elsewhere"))


def test_stopping_does_not_wait_for_the_rest(folder, monkeypatch):
    for i in range(50):
        write(folder, f"{i}", labels(0))

    def slow(*args):
        time.sleep(0.1)
        examined.append(1)
        return np.zeros(256, dtype=np.int64), []

    class Stopped:
        def __init__(self, iterable, **kwargs):
            self.iterable = iterable

        def __iter__(self):
            yield next(iter(self.iterable))
            raise KeyboardInterrupt

    examined = []
    monkeypatch.setattr(dataset_check, "_examine", slow)
    monkeypatch.setattr(dataset_check, "tqdm", Stopped)
    with pytest.raises(KeyboardInterrupt):
        check_dataset(of(folder), workers=2)
    assert len(examined) < 10


# ---- real files


def test_the_real_ade20k_pair_and_camvid():
    root = SHARED / "data" / "segmentation"
    if not (root / "ade20k_sample").is_dir() or not (root / "camvid").is_dir():
        pytest.skip("the sample of ADE20K and CamVid are not beside this checkout")
    prefix = dict(img_path="images/validation", seg_map_path="annotations/validation")
    ade = dict(type="ADE20KDataset", data_root=str(root / "ade20k_sample"), data_prefix=prefix)
    require_datasets(config(ade, model=dict(decode_head=dict(num_classes=150))))
    report = check_dataset(ade, progress=False)
    assert [(p.kind, p.what) for p in report.problems] == [
        ("other number of pairs than was published", "1 instead of 2,000")
    ]
    path = root / "ade20k_sample" / "annotations" / "validation" / "ADE_val_00000001.png"
    assert sum(report.pixels) == np.count_nonzero(np.array(Image.open(path))) > 0

    names = (root / "camvid" / "classes.txt").read_text().split()
    camvid = of(root / "camvid", data_prefix=prefix, metainfo=dict(classes=names), reduce_zero_label=True)
    report = check_dataset(camvid, progress=False)
    assert report.sound and report.pairs == 40 and not report.absent
    wrong = check_dataset(camvid | dict(reduce_zero_label=False), progress=False)  # 11 becomes one too many
    assert {p.kind for p in wrong.problems} == {"labels out of range"} and re.search(r"\b11 \(", str(wrong))
