"""Masks of every kind become labels: numbers, palettes, colours, nearest colours; what shows no classes is refused."""

import numpy as np
import pytest
from PIL import Image

from jumbo_backbone.segmentation.data.own_masks.classes import distinct_colours, read_classes, read_ignored
from jumbo_backbone.segmentation.data.own_masks.labels import choose
from jumbo_backbone.segmentation.data.own_masks.masks import read_mask, survey

RED, GREEN, BLACK = (255, 0, 0), (0, 255, 0), (0, 0, 0)
NAMED = ["r=#ff0000", "g=#00ff00"]


def grey(*values: int, dtype=np.uint8) -> Image.Image:
    """8x6, the values in turn."""
    return Image.fromarray(np.resize(np.array(values, dtype=dtype), (6, 8)))


def colours(*values: tuple) -> Image.Image:
    return Image.fromarray(np.resize(np.array(values, dtype=np.uint8), (6, 8, len(values[0]))))


def palette(*values: int, of=(BLACK, RED, GREEN)) -> Image.Image:
    image = Image.fromarray(np.resize(np.array(values, dtype=np.uint8), (6, 8)), "P")
    image.putpalette([band for colour in of for band in colour])
    return image


def convert(folder, masks, classes=None, ignore=None, nearest=False, suffix=".png"):
    """Meaning, and the labels of all masks with the number of changed pixels."""
    paths = []
    for number, mask in enumerate(masks):
        paths.append(folder / f"{number}{suffix}")
        mask.save(paths[-1])
    named = read_classes(classes) if classes else None
    found = survey(paths, bool(named and named.coloured), nearest, 2, False)
    meaning = choose(found, named, read_ignored(ignore)[0], nearest)
    return meaning, [meaning.apply(read_mask(path, meaning.coloured)) for path in paths]


CASES = {  # masks, classes, ignored, names, labels of the first pixels of the first mask
    "binary": ([grey(0, 255)], None, None, ["background", "foreground"], [0, 1]),
    "one bit": ([grey(0, 255).convert("1")], None, None, ["background", "foreground"], [0, 1]),
    "binary in colours": ([colours((255,) * 3, BLACK)], None, None, ["background", "foreground"], [1, 0]),
    "binary with names": ([grey(0, 255)], ["off", "on"], None, ["off", "on"], [0, 1]),
    "numbers": ([grey(0, 2, 255), grey(1)], None, None, ["class_0", "class_1", "class_2"], [0, 2, 255]),
    "numbers in colours": ([colours((1,) * 3, BLACK), colours((1,) * 3)], ["a", "b"], None, ["a", "b"], [1, 0]),
    "gaps": ([grey(0, 50, 100)], None, None, ["class_0", "class_50", "class_100"], [0, 1, 2]),
    "16 bits": ([grey(7, 900, 255, dtype=np.uint16)], None, None, ["class_7", "class_900"], [0, 1, 255]),
    "255 is a class": ([grey(0, 1, 255)], None, ["none"], ["class_0", "class_1", "class_255"], [0, 1, 2]),
    "255 is named": ([grey(0, 1, 255)], ["a=0", "b=1", "c=255"], None, ["a", "b", "c"], [0, 1, 2]),
    "0 is ignored": ([grey(0, 1, 2)], ["a", "b"], ["0"], ["a", "b"], [255, 0, 1]),
    "numbers by name": ([grey(5, 3, 9)], ["a=9", "b=3"], ["5"], ["a", "b"], [255, 1, 0]),
    "palette": ([palette(0, 2)], None, None, ["class_0", "class_1", "class_2"], [0, 2]),
    "palette, 0 ignored": ([palette(0, 1, 2)], None, ["0"], ["class_1", "class_2"], [255, 0, 1]),
    "palette with names": ([palette(0, 2)], ["a", "b", "c"], None, ["a", "b", "c"], [0, 2]),
    "palettes by colour": (
        [palette(1, 2), palette(1, 2, of=(BLACK, GREEN, RED))], ["g=#00ff00", "r=#FF0000"], None, ["g", "r"], [1, 0]
    ),
    "colours": ([colours(RED, GREEN)], None, None, ["colour_00ff00", "colour_ff0000"], [1, 0]),
    "colours with names": ([colours(RED, GREEN)], NAMED, None, ["r", "g"], [0, 1]),
    "a colour is ignored": ([colours(RED, BLACK, GREEN)], NAMED, ["#000000"], ["r", "g"], [0, 255, 1]),
    "one mask is grey": ([colours(RED, BLACK), colours(BLACK)], ["k=#000000", "r=#ff0000"], None, ["k", "r"], [1, 0]),
    "grey by colour": ([grey(0, 255)], ["on=#ffffff", "off=#000000"], None, ["on", "off"], [1, 0]),
    "transparent is black": (
        [colours((9, 9, 9, 0), (255, 0, 0, 255))], ["k=#000000", "r=#ff0000"], None, ["k", "r"], [0, 1]
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_masks_become_labels(tmp_path, case):
    masks, classes, ignore, names, first = CASES[case]
    meaning, found = convert(tmp_path, masks, classes, ignore)
    labels, changed = found[0]
    assert labels.dtype == np.uint8 and labels.shape == (6, 8) and changed == 0
    assert labels.ravel()[: len(first)].tolist() == first
    assert list(meaning.names) == names and len(meaning.palette) == len(names)


def test_both_palettes_by_colour_mean_the_same(tmp_path):
    masks, classes, *_ = CASES["palettes by colour"]
    _, ((one, _), (other, _)) = convert(tmp_path, masks, classes)
    assert (one == 1 - other).all()


def test_palettes_give_the_colours_of_pictures(tmp_path):
    assert convert(tmp_path, [palette(0, 1, 2)])[0].palette == [list(BLACK), list(RED), list(GREEN)]
    assert convert(tmp_path, [colours(RED, GREEN)])[0].palette == [list(GREEN), list(RED)]
    assert len({tuple(colour) for colour in distinct_colours(100)}) == 100


def test_the_nearest_colour_and_how_many_pixels_changed(tmp_path):
    near = NAMED
    mask = colours(RED, (250, 3, 9), (20, 230, 0), (1, 1, 1))
    meaning, ((labels, changed),) = convert(tmp_path, [mask], near, ["#000000"], nearest=True)
    assert labels.ravel()[:4].tolist() == [0, 0, 1, 255] and changed == 36


def test_a_smoothed_jpeg_is_read_by_the_nearest_colour(tmp_path):
    exact = np.zeros((32, 32), dtype=np.uint8)
    exact[6:25, 9:22] = 255  # edges within blocks of 8x8
    _, ((labels, changed),) = convert(
        tmp_path, [Image.fromarray(exact)], ["off=#000000", "on=#ffffff"], nearest=True, suffix=".jpg"
    )
    assert (labels == exact // 255).mean() > 0.98 and changed > 0


def test_unnamed_colours_are_listed_with_words_to_copy(tmp_path):
    told = "\n".join(convert(tmp_path, [colours(RED, RED, GREEN)])[0].told)
    assert "#ff0000 (66.67%, as in 0.png)" in told and "--classes colour_00ff00=#00ff00 colour_ff0000=#ff0000" in told


def noise(size: int = 40) -> Image.Image:
    return Image.fromarray(np.random.default_rng(0).integers(0, 256, (size, size, 3), dtype=np.uint8))


REFUSED = {  # masks, classes, ignored, nearest, suffix, message
    "one class": ([grey(3)], None, None, False, "masks show one class alone, class_3"),
    "all ignored": ([grey(255)], None, None, False, "masks show no class"),
    "names for fewer": ([grey(0, 1, 2)], ["a", "b"], None, False, "neither a class's nor ignored: 2 .33.33%, as in 0"),
    "names of colours unknown": ([colours(RED, GREEN)], ["a", "b"], None, False, "names alone do not say .*#00ff00 "),
    "numbers for colours": ([colours(RED, GREEN)], ["a=1", "b=2"], None, False, "numbers, but masks have colours"),
    "a colour without a name": ([colours(RED, GREEN, BLACK)], NAMED, None, False, "#000000 .*--nearest"),
    "a class that is ignored": ([grey(0, 1, 2)], ["a=0", "b=1"], ["1", "2"], False, "1 is a class and ignored"),
    "nearest of nothing": ([colours(RED, GREEN)], None, None, True, "--nearest takes the nearest of .* named"),
    "a photo": ([noise()], None, None, False, "1,600 different values, more than a map .*anti-aliasing.*--nearest"),
    "many colours": ([colours(*[(i, j, 9) for i in range(6) for j in range(8)]),
                      colours(*[(i, j, 7) for i in range(6) for j in range(8)])], None, None, False,
                     "masks have 96 colours.*anti-aliasing.*--nearest"),
    "too many numbers": ([grey(*range(i, i + 48), dtype=np.uint16) for i in range(0, 480, 48)], None, None, False,
                         "479 classes are too many, .*single objects"),
    "palettes that differ": ([palette(1), palette(1, of=(BLACK, GREEN))], None, None, False,
                             "index 1 is #ff0000 in .*0.png and #00ff00 in .*1.png"),
    "numbers and colours": ([grey(0, 1), colours(RED, GREEN)], None, None, False,
                            "1 masks have one channel .*0.png.*1.png"),
    "transparent in part": ([colours((9, 9, 9, 100), (1, 1, 1, 255))], None, None, False, "transparent in part"),
    "deep numbers as colours": ([grey(0, 300, dtype=np.uint16)], ["a=#000000", "b=#ffffff"], None, False,
                                "no shades of grey"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_bad_masks(tmp_path, case):
    masks, classes, ignore, nearest, told = REFUSED[case]
    with pytest.raises(ValueError, match=told):
        convert(tmp_path, masks, classes, ignore, nearest)


def test_files_that_are_no_masks(tmp_path):
    with pytest.raises(ValueError, match="1 masks are JPEG .*--nearest"):
        convert(tmp_path, [grey(0, 255)], suffix=".jpg")
    with pytest.raises(ValueError, match="32-bit floats"):
        convert(tmp_path, [Image.fromarray(np.zeros((4, 4), dtype=np.float32))], suffix=".tif")
    (tmp_path / "broken.png").write_bytes(b"\x89PNG")
    with pytest.raises(ValueError, match="broken.png cannot be read as a mask"):
        read_mask(tmp_path / "broken.png")


# ---- what users type


def test_classes_from_a_file(tmp_path):
    (tmp_path / "names.txt").write_text("sky\nold road=side\n".replace("=side", ""))
    assert read_classes([str(tmp_path / "names.txt")]).names == ("sky", "old road")
    (tmp_path / "colours.txt").write_text("sky=#0000ff\na=b=#ff0000\n")
    named = read_classes([str(tmp_path / "colours.txt")])
    assert named.names == ("sky", "a=b") and named.values == (0xFF, 0xFF0000) and named.coloured
    (tmp_path / "blank.txt").write_text("sky\n\nroad\n")
    with pytest.raises(ValueError, match="blank line"):
        read_classes([str(tmp_path / "blank.txt")])


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["absent.txt"], "1 classes are named .*there is no file absent.txt"),
        (["a", "a"], "names of classes are there twice: a"),
        (["a=#ff0000", "b=#FF0000"], "values of classes are there twice: #ff0000"),
        (["a=1", "b"], "some classes have a value, but 'b' has none"),
        (["a=1", "=2"], "'=2' has none"),
        (["a=1", "b=#000001"], "numbers and colours"),
        (["a=1", "b=red"], "'red' is neither a colour #rrggbb nor a number"),
        (["a=1", "b=#fff"], "'#fff' is neither"),
        (["a=1", "b=70000"], "'70000' is neither"),
        ([f"c{i}" for i in range(256)], "256 classes are named .*name 2 to 255"),
    ],
)
def test_bad_classes(words, told):
    with pytest.raises(ValueError, match=told):
        read_classes(words)


@pytest.mark.parametrize(("words", "told"), [(["0", "#000000"], "numbers and colours"), (["red"], "--ignore: 'red'")])
def test_bad_ignored(words, told):
    with pytest.raises(ValueError, match=told):
        read_ignored(words)
