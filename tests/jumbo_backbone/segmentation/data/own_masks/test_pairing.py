"""Which mask is whose: by path and name; what is left over is told, and what is unclear refused."""

from pathlib import Path

import pytest

from jumbo_backbone.segmentation.data.own_masks.pairing import pair_up


def files(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"")
    folder.mkdir(exist_ok=True)
    return folder


def names(pairing) -> list[tuple[str, str, str]]:
    return [(pair.name, pair.photo.name, pair.mask.name) for pair in pairing.pairs]


def test_pairs_are_of_one_path_whatever_suffix_and_ending(tmp_path):
    photos = files(tmp_path / "p", "a.jpg", "deep/er/b.JPG", "c.v2.jpg", "d_mask.jpg", "e.jpg", "notes.txt", ".f.jpg")
    masks = files(tmp_path / "m", "a.png", "deep/er/b_mask.PNG", "c.v2-labels.tif", "d_mask.png", "e_GT.bmp", ".f.png")
    found = pair_up(photos, masks)
    assert names(found) == [
        ("a", "a.jpg", "a.png"),
        ("c.v2", "c.v2.jpg", "c.v2-labels.tif"),
        ("d_mask", "d_mask.jpg", "d_mask.png"),
        ("deep/er/b", "b.JPG", "b_mask.PNG"),
        ("e", "e.jpg", "e_GT.bmp"),
    ]
    assert not found.photos_alone and not found.masks_alone and str(found) == "5 pairs of a photo and a mask"


def test_what_is_alone_is_told_and_left_out(tmp_path):
    photos = files(tmp_path / "p", "a.jpg", "b.jpg", "lonely.jpg", "other/a.jpg")
    masks = files(tmp_path / "m", "a.png", "b.png", "widow_mask.png", "orphan.png")
    found = pair_up(photos, masks)
    assert [pair.name for pair in found.pairs] == ["a", "b"]
    assert [path.name for path in found.photos_alone] == ["lonely.jpg", "a.jpg"]
    assert sorted(path.name for path in found.masks_alone) == ["orphan.png", "widow_mask.png"]
    assert "2 photos without a mask: " in str(found) and str(photos / "lonely.jpg") in str(found)
    assert "2 masks without a photo: " in str(found) and str(masks / "orphan.png") in str(found)


@pytest.mark.parametrize(("below", "photos", "masks"), [("", "", ""), ("masks/", "", "masks"), ("", "photos", "")])
def test_one_folder_may_lie_in_the_other_or_be_it(tmp_path, below, photos, masks):
    of_photos = "photos/" if photos else ""
    for name in ("a", "b"):
        files(tmp_path, f"{of_photos}{name}.jpg", f"{below}{name}_mask.png")
    assert [pair.name for pair in pair_up(tmp_path / photos, tmp_path / masks).pairs] == ["a", "b"]


@pytest.mark.parametrize(
    ("photos", "masks", "error", "told"),
    [
        (None, ["a.png"], FileNotFoundError, "no folder at "),
        (["a.jpg"], None, FileNotFoundError, "no folder at "),
        ([], ["a.png"], FileNotFoundError, "no images in .*bmp/jpeg/jpg"),
        (["a.jpg"], ["a.txt"], FileNotFoundError, "no images in "),
        (["a.jpg", "b.jpg"], ["c.png"], ValueError, r"no photo in .* has a mask .*_label, .*Photos are a.jpg.* c.png"),
        (["a.jpg", "b.jpg"], ["a.png"], ValueError, "there is one pair only .*a.jpg and .*a.png"),
        (["a.jpg", "a.png", "b.jpg"], ["a.png", "b.png"], ValueError, "1 names have several photos .a: a.jpg, a.png"),
        (["a.jpg", "b.jpg"], ["a.png", "a_gt.png", "b.png"], ValueError, "1 names have several masks .a: a.png, a_gt"),
        (["a.jpg", "b.jpg"], ["a_mask.png", "a.tif", "b.png"], ValueError, "several masks .a: a.tif, a_mask.png"),
    ],
)
def test_bad_input(tmp_path, photos, masks, error, told):
    for name, content in (("p", photos), ("m", masks)):
        if content is not None:
            files(tmp_path / name, *content)
    with pytest.raises(error, match=told):
        pair_up(tmp_path / "p", tmp_path / "m")
