"""Pictures of any size and format, in folders and tar files; broken ones; who is held out."""

import io
import random
import tarfile

import cv2
import numpy as np
import pytest
import torch
from PIL import Image

from jumbo_backbone.segmentation.pretraining.crops import middle_crop, random_crop
from jumbo_backbone.segmentation.pretraining.files import find_pictures
from jumbo_backbone.segmentation.pretraining.pictures import ClassPictureDataset, PictureDataset
from jumbo_backbone.segmentation.training.resume import Draw, seed_by_draw


def picture(size=(20, 30), seed=0) -> np.ndarray:
    small = np.random.default_rng(seed).integers(0, 256, (3, 4, 3), dtype=np.uint8)
    return np.asarray(Image.fromarray(small).resize((size[1], size[0]), Image.Resampling.BILINEAR))


@pytest.fixture()
def folder(tmp_path):
    for i in range(12):
        place = tmp_path / ("a", "b/c")[i % 2]
        place.mkdir(parents=True, exist_ok=True)
        Image.fromarray(picture(seed=i)).save(place / f"{i:02d}.png")
    return tmp_path


def into_tar(path, folder, suffix=".png"):
    with tarfile.open(path, "w") as archive:
        for file in sorted(folder.rglob(f"*{suffix}")):
            archive.add(file, file.relative_to(folder))


def test_folders_of_any_depth_and_tar_files_hold_the_same(folder, tmp_path_factory):
    other = tmp_path_factory.mktemp("other")
    into_tar(other / "x-1.tar", folder)
    (other / ".hidden.png").touch()
    (other / "notes.txt").touch()
    for root in (other, other / "x-1.tar", other / "x-*.tar"):
        found = find_pictures(str(root))
        assert [file.member for file in found[:2]] == ["a/00.png", "a/02.png"] and len(found) == 12
        for one, same in zip(find_pictures(str(folder)), found, strict=True):
            assert np.array_equal(one.read(), same.read())
    assert len(find_pictures([str(folder), str(other)])) == 24


@pytest.mark.parametrize("suffix", [".png", ".bmp", ".jpg", ".webp", ".tif"])
def test_formats(tmp_path, suffix):
    Image.fromarray(picture()).save(tmp_path / f"x{suffix}", **(dict(quality=95) if suffix != ".png" else {}))
    (file,) = find_pictures(str(tmp_path))
    assert np.abs(file.read().astype(int) - picture()).mean() < 6


def test_kinds_of_pixels(tmp_path):
    colours = Image.fromarray(picture())
    for mode in ("L", "P", "RGBA", "1", "LA"):
        colours.convert(mode).save(tmp_path / f"{mode}.png")
    cv2.imwrite(str(tmp_path / "deep.png"), picture()[..., ::-1].astype(np.uint16) * 257)
    cv2.imwrite(str(tmp_path / "grey.tif"), picture()[..., 0].astype(np.uint16) * 257)
    read = {file.path.rsplit("/", 1)[1]: file.read() for file in find_pictures(str(tmp_path))}
    assert len(read) == 7 and all(x.shape == (20, 30, 3) and x.dtype == np.uint8 for x in read.values())
    assert np.abs(read["deep.png"].astype(int) - picture()).max() <= 1
    assert np.abs(read["grey.tif"].astype(int) - picture()[..., :1]).max() <= 1


def test_a_photograph_is_turned_as_its_camera_noted(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(picture()).save(tmp_path / "x.png", exif=exif)
    assert np.array_equal(find_pictures(str(tmp_path))[0].read(), np.rot90(picture(), 3))


def test_parts(folder):
    parts = {part: PictureDataset(str(folder), 8, part, hold_out_every=4) for part in ("train", "held_out", "all")}
    names = {part: [str(file) for file in dataset.files] for part, dataset in parts.items()}
    assert len(names["train"]) == 9 and len(names["held_out"]) == 3
    assert sorted(names["train"] + names["held_out"]) == names["all"]
    whole = PictureDataset(str(folder), 8, "test")
    assert [str(file) for file in whole.files] == names["all"]
    assert torch.equal(whole[0]["inputs"], whole[0]["inputs"])  # not at random
    few = PictureDataset(str(folder), 8, "all", limit=4)
    assert [str(file) for file in few.files] == names["all"][::3]


@pytest.mark.parametrize("keep_side", [None, 16])
def test_samples(folder, keep_side):
    dataset = PictureDataset(str(folder), (8, 16), keep_side=keep_side)
    sample = dataset[3]
    assert sample["inputs"].shape == (3, 8, 16) and sample["inputs"].dtype == torch.uint8 and sample["index"] == 3
    held = PictureDataset(str(folder), 20, "held_out", keep_side=keep_side)
    expected = middle_crop(held.files[0].read(), (20, 20)).transpose(2, 0, 1).astype(int)
    assert np.abs(held[0]["inputs"].numpy() - expected).mean() < (1e-6 if keep_side is None else 8)


def test_what_memory_may_not_hold_is_read_from_files(folder, monkeypatch):
    told = []
    monkeypatch.setattr(
        "jumbo_backbone.segmentation.pretraining.pictures.print_log", lambda text, **_: told.append(text)
    )
    size = 20 * 30 * 3
    some = PictureDataset(str(folder), 20, "held_out", hold_out_every=2, keep_side=20, keep_gigabytes=3.5 * size / 1e9)
    assert told == [
        "the first 4 pictures are kept in memory (keep_gigabytes), the other 2 are read each time they are drawn"
    ]
    whole = PictureDataset(str(folder), 20, "held_out", hold_out_every=2)
    assert [str(file) for file in some.files] == [str(file) for file in whole.files]
    assert all(torch.equal(some[i]["inputs"], whole[i]["inputs"]) for i in range(6))


def test_a_large_jpeg_is_read_at_a_part_of_its_size(tmp_path):
    Image.fromarray(picture((400, 600))).save(tmp_path / "x.jpg", quality=95)
    (file,) = find_pictures(str(tmp_path))
    assert [file.read(side).shape[:2] for side in (None, 400, 200, 150, 50)] == [
        (400, 600),
        (400, 600),
        (200, 300),
        (200, 300),
        (50, 75),
    ]


def test_a_draw_decides_the_crop(folder):
    dataset = PictureDataset(str(folder), 8)
    seed_by_draw(dataset)
    one, other, same = (dataset.__getitems__([Draw(0, 0, place)])[0]["inputs"] for place in (1, 2, 1))
    assert torch.equal(one, same) and not torch.equal(one, other)


@pytest.mark.parametrize("shape", [(20, 30), (200, 10), (7, 7)])
def test_crops_are_within_the_picture_and_of_its_colours(shape):
    image = np.clip(picture(shape), 80, 180)  # bicubic goes beyond by a little
    random.seed(0)
    for _ in range(50):
        cut = random_crop(image, (8, 16), (0.2, 1.0))
        assert cut.shape == (8, 16, 3) and cut.min() >= 40 and cut.max() <= 210


def test_half_of_the_crops_are_mirrored():
    ramp = np.repeat(np.arange(0, 240, 8, dtype=np.uint8)[None, :, None], 20, 0).repeat(3, 2)
    random.seed(0)
    cuts = [random_crop(ramp, (8, 8), (0.5, 1)) for _ in range(200)]
    rising = [int(cut[0, -1, 0]) > int(cut[0, 0, 0]) for cut in cuts]
    assert 70 < sum(rising) < 130


def test_the_area_of_crops():
    """Of a picture whose colour is its column, the range of colours shows the width of a crop."""
    ramp = np.repeat(np.arange(256, dtype=np.uint8)[None, :, None], 256, 0).repeat(3, 2)
    random.seed(0)
    widths = [np.ptp(random_crop(ramp, (32, 32), (0.2, 1.0))[0, :, 0].astype(int)) / 256 for _ in range(300)]
    assert 0.3 < min(widths) < 0.45 and max(widths) > 0.9  # sqrt(0.2 * 3/4) = 0.39


# ---- what is broken


def break_one(folder, kind):
    path = folder / "a" / "00.png"
    if kind == "cut off":
        Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)).save(path)
        path.write_bytes(path.read_bytes()[:3000])
    elif kind == "empty":
        path.write_bytes(b"")
    elif kind == "text":
        path.write_text("no picture")
    else:
        Image.fromarray(picture((5, 40))).save(path)
    return path


@pytest.mark.parametrize("kind", ["cut off", "empty", "text", "small"])
@pytest.mark.parametrize("keep_side", [None, 16])
def test_a_broken_picture(folder, monkeypatch, kind, keep_side):
    path, told = break_one(folder, kind), []
    monkeypatch.setattr(
        "jumbo_backbone.segmentation.pretraining.pictures.print_log", lambda text, **_: told.append(text)
    )
    with pytest.raises(ValueError, match=f"{path}.*broken='skip' goes on without it"):
        PictureDataset(str(folder), 8, keep_side=keep_side, broken="refuse")[0]
    dataset = PictureDataset(str(folder), 8, "held_out", hold_out_every=2, keep_side=keep_side)
    whole = PictureDataset(str(folder), 8, "train", hold_out_every=2, keep_side=keep_side)
    assert len(dataset) == 6 and len(whole) == (6 if keep_side is None else 5)
    first = [whole[0]["inputs"] for _ in range(3)]
    assert len(told) == 1 and told[0].startswith(f"left out: {path}") and all(x.shape == (3, 8, 8) for x in first)


@pytest.mark.parametrize("keep_side", [None, 16])
def test_all_are_broken(tmp_path, keep_side):
    for i in range(10):
        (tmp_path / f"{i}.png").touch()
    with pytest.raises(ValueError, match="all of 9 pictures are broken, the first being .*0.png"):
        PictureDataset(str(tmp_path), 8, keep_side=keep_side)[0]


@pytest.mark.parametrize(
    "arguments, message",
    [
        (dict(part="val"), "part='val' is unknown: choose one of train, held_out, all, test"),
        (dict(broken="ignore"), "broken='ignore' is unknown: choose skip or refuse"),
        (dict(hold_out_every=1), "hold_out_every=1 leaves nothing to train on"),
        (dict(hold_out_every=13), "has 12 pictures, too few to hold one of 13 out"),
        (dict(crop_scale=(0, 1)), r"crop_scale=\(0, 1\): give two shares"),
        (dict(crop_scale=(0.5, 0.2)), "give two shares"),
        (dict(keep_side=0), "keep_side=0: give a number of pixels from 1"),
        (dict(limit=0), "limit=0: give a number of pictures from 1"),
        (dict(img_size=0), "img_size=0: give pixels from 1"),
    ],
)
def test_arguments(folder, arguments, message):
    with pytest.raises(ValueError, match=message):
        PictureDataset(**{"data_root": str(folder), "img_size": 8, **arguments})


@pytest.mark.parametrize(
    "name, error, message",
    [
        ("nowhere", FileNotFoundError, "no pictures at .*nowhere: there is no such folder or file"),
        ("no-*.tar", FileNotFoundError, "there is no such folder or file"),
        ("empty", FileNotFoundError, "no pictures at .*empty, nor in folders below: looked for bmp/"),
        ("bad.tar", ValueError, "bad.tar cannot be read as a tar file"),
    ],
)
def test_places_without_pictures(tmp_path, name, error, message):
    (tmp_path / "empty").mkdir()
    (tmp_path / "bad.tar").write_bytes(io.BytesIO(b"x" * 2000).getvalue())
    with pytest.raises(error, match=message):
        find_pictures(str(tmp_path / name))


# ---- classes


def test_the_folder_is_the_class(folder):
    dataset = ClassPictureDataset(str(folder), 8, "all")
    assert dataset.classes == ["a", "c"] and [dataset[i]["label"] for i in range(12)] == [0] * 6 + [1] * 6
    held = ClassPictureDataset(str(folder), 8, "held_out", hold_out_every=12)
    assert held.classes == ["a", "c"] and held[0]["label"] == 1  # numbered by all parts
    assert ClassPictureDataset(str(folder), 8, classes=["c", "a"])[0]["label"] == 1


@pytest.mark.parametrize("keep_side", [None, 16])
def test_the_label_is_of_the_picture_that_stands_in(folder, keep_side):
    for path in (folder / "a").iterdir():
        path.write_bytes(b"")
    dataset = ClassPictureDataset(str(folder), 8, "all", keep_side=keep_side)
    assert dataset[0]["label"] == 1


@pytest.mark.parametrize(
    "classes, message", [(["a"], "foreign are c"), (["a", "c", "d"], "missing are d"), (["a", "x"], "foreign are c")]
)
def test_other_classes(folder, classes, message):
    with pytest.raises(ValueError, match=message):
        ClassPictureDataset(str(folder), 8, classes=classes)
