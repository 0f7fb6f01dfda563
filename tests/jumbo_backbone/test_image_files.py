"""Which images are read, and names that never meet."""

import pytest

from jumbo_backbone.image_files import find_images, output_stems

ENDINGS = ("_overlay.png", "_labels.png")


def touch(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    return path


def test_folders_are_taken_without_those_below_and_without_own_outputs(tmp_path):
    for name in ("a.png", "B.JPG", "below/c.png", ".hidden.png", "note.txt.png", "a_overlay.png", "readme.txt"):
        touch(tmp_path / name)
    names = ["B.JPG", "a.png", "note.txt.png"]
    assert [p.name for p in find_images([tmp_path], ENDINGS)] == names
    assert [p.name for p in find_images([tmp_path, tmp_path / "a.png"], ENDINGS)] == names
    assert len(find_images([tmp_path, tmp_path / "below"], ENDINGS)) == 4


def test_a_link_does_not_hide_its_image(tmp_path):
    image = touch(tmp_path / "a.png")
    (tmp_path / "b.png").symlink_to(image)
    (tmp_path / "elsewhere").symlink_to(tmp_path)
    assert [p.name for p in find_images([tmp_path], ENDINGS)] == ["a.png", "b.png"]
    assert len(find_images([image, tmp_path / "elsewhere" / "a.png", tmp_path], ENDINGS)) == 2
    # neither the link nor the image is written over
    (tmp_path / "x_overlay.png").symlink_to(touch(tmp_path / "y_overlay.png"))
    stems = output_stems([tmp_path / "x_overlay.png", tmp_path / "x.jpg", tmp_path / "y.jpg"], tmp_path, ENDINGS)
    assert [p.name for p in stems] == ["x_overlay", "x-2", "y-2"]


def test_names_never_meet(tmp_path):
    images = [touch(tmp_path / name) for name in ("a/x.png", "b/x.png", "b/X.jpg", "a/x-2.png", "a/x_labels.png")]
    stems = [p.name for p in output_stems(images, tmp_path / "out", ENDINGS)]
    assert stems == ["x", "x-2", "X-3", "x-2-2", "x_labels"]
    # in the folder of the images themselves, none is overwritten, through a link neither
    (tmp_path / "link").symlink_to(tmp_path / "a")
    assert [p.name for p in output_stems(images[:1] + images[4:], tmp_path / "link", ENDINGS)] == ["x-2", "x_labels"]


def test_no_images_is_told(tmp_path):
    for path in (tmp_path, tmp_path / "absent.png"):
        with pytest.raises(FileNotFoundError, match="no images at .*: name image files, or a folder that itself holds"):
            find_images([path], ENDINGS)
