"""tools/attention.py: heat lies where attention is, names do not collide, and what is wrong is said in one line."""

import numpy as np
import pytest
import torch
from PIL import Image

from jumbo_backbone import ComputeBudget, JumboViT, create_model, save_checkpoint
from jumbo_backbone.cli import attention, attention_pictures
from tests.conftest import imported_tool, tiny_model


@pytest.fixture(scope="module")
def tool():
    with imported_tool("attention") as module:
        yield module


@pytest.fixture()
def picture(tmp_path):
    y, x = np.mgrid[:90, :120]
    pixels = np.stack([2 * x, 2 * y, 255 - x - y], axis=-1).clip(0, 255).astype(np.uint8)
    Image.fromarray(pixels).save(tmp_path / "picture.png")
    return tmp_path / "picture.png"


@pytest.fixture()
def folder(tmp_path):
    tiny_model().save_pretrained(tmp_path / "model")
    return tmp_path / "model"


def test_heat_lies_where_the_attention_is(tool):
    attention = np.zeros((4, 6))
    attention[1, 4] = 1.0
    grey = np.full((64, 96, 3), 128, dtype=np.uint8)
    heat = attention_pictures.heat_map(attention, 64, 96)
    y, x = np.unravel_index(heat.argmax(), heat.shape)
    assert 16 <= y < 32 and 64 <= x < 80
    bright = attention_pictures.overlay(grey, attention).astype(int).sum(-1)
    assert bright[24, 72] > bright[56, 8] + 100
    assert np.array_equal(attention_pictures.overlay(grey, attention, opacity=0.0), grey)


def written(figure) -> str:
    """All texts of a picture."""
    return " ".join(text.get_text() for axes in figure.axes for text in axes.texts)


@pytest.mark.parametrize("spread", [0.0, 0.02, 0.1])
def test_almost_even_attention_is_said_and_not_stretched(tool, spread):
    attention = 1 + spread * np.random.default_rng(0).standard_normal((9, 9)).clip(-2, 2)
    heat = attention_pictures.heat_map(attention, 90, 90)
    assert heat.max() <= 1.2 * 4 * spread / attention_pictures.LEAST_SPAN  # 4: from -2 to 2
    figure = attention_pictures.draw(np.zeros((90, 90, 3), np.uint8), attention, "a", "b", ("c", "d", "e"))
    told = written(figure)
    scale = attention_pictures.scale_of(attention)
    assert "Attention is almost even" in told and "may be noise" in told
    assert f"{scale.high:.2f}×" in told and scale.high == pytest.approx(scale.low + attention_pictures.LEAST_SPAN)


def test_attention_with_contrast_has_the_whole_scale(tool):
    attention = np.ones((9, 9))
    attention[:3] = 4
    assert attention_pictures.heat_map(attention, 90, 90).max() == 1
    figure = attention_pictures.draw(np.zeros((90, 90, 3), np.uint8), attention, "a", "b", ("c", "d", "e"))
    assert "even" not in written(figure) and "0.50×" in written(figure) and "2.00×" in written(figure)


@pytest.mark.parametrize(
    ("bad", "message"),
    [(np.full((3, 3), np.nan), "not a map of finite numbers"), (np.ones(3), "not a map of finite numbers")],
)
def test_what_is_no_map_is_refused(tool, bad, message):
    with pytest.raises(ValueError, match=message):
        attention_pictures.heat_map(bad, 12, 12)


@pytest.mark.parametrize(("block", "which"), [(6, "one"), (11, "none")])
def test_panels_and_veil_are_explained(tool, block, which):
    depths = np.array([[12, 12, 3], [6, 9, 12]])
    captions, (note,) = attention.told_of(block, 12, ComputeBudget(0.7), depths)
    assert captions == (
        "the image",
        f"attention in block {block}, all patches kept",
        "what is kept to the end: 50% of the patches",
    )
    assert "keep rate 0.7 each of the blocks 3, 6, 9 ranks" in note and f"block {block}, {which} of these" in note
    assert "The veil covers the patches that were dropped: the denser, the earlier" in note
    captions, notes = attention.told_of(block, 12, ComputeBudget(), None)
    assert captions[2].startswith("the same: in colour where attended to") and notes == []
    _, notes = attention.told_of(block, 12, ComputeBudget(), np.full((2, 2), 12))
    assert notes == ["At keep rate 1 no block drops a patch."]


def test_texts_stay_within_the_picture(tool):
    """Of a small and a tall image, with a long name."""
    for size in ((30, 30), (200, 64)):
        flat = attention_pictures.draw(
            np.zeros((*size, 3), np.uint8),
            np.ones((4, 4)),
            "name_" * 40,
            "what it shows " * 20,
            ["caption " * 20] * 3,
            ["a note " * 40],
        )
        flat.canvas.draw()
        for text in flat.axes[0].texts:
            box = text.get_window_extent()
            assert box.x0 >= 0 and box.x1 <= flat.bbox.width and box.y0 >= 0 and box.y1 <= flat.bbox.height, text


def test_the_picture_s_hot_patch_is_the_model_s(tool, picture, folder, tmp_path, monkeypatch):
    seen = {}

    def hot_corner(self, images, block=-1):
        seen.update(shape=tuple(images.shape), block=block)
        maps = torch.zeros(1, images.shape[2] // 16, images.shape[3] // 16)
        maps[:, -1, 0] = 1.0  # bottom left
        return maps

    drawn = {}
    monkeypatch.setattr(JumboViT, "attention_map", hot_corner)
    monkeypatch.setattr(attention_pictures, "PERCENTILES", (0.0, 100.0))
    original = attention_pictures.overlay
    monkeypatch.setattr(
        attention_pictures,
        "overlay",
        lambda image, attention, *a, **k: drawn.update(a=attention) or original(image, attention, *a, **k),
    )
    assert tool.main([str(picture), "--checkpoint", str(folder), "--out", str(tmp_path / "out"), "--size", "96"]) == 0
    assert seen == {"shape": (1, 3, 96, 128), "block": 2}  # 90x120 scaled to 96x128, whole patches
    assert drawn["a"].argmax() == 5 * 8


@pytest.mark.parametrize("kind", ["folder", "safetensors", "released"])
def test_writes_a_picture_from_every_kind_of_checkpoint(tool, picture, folder, tmp_path, kind, capsys):
    arguments = [str(picture), "--out", str(tmp_path / "out"), "--size", "64"]
    if kind == "folder":
        arguments += ["--checkpoint", str(folder)]
    else:
        model, path = create_model("pico", num_classes=7), tmp_path / f"weights.{kind}"
        if kind == "safetensors":
            save_checkpoint(model, path)
        else:
            path = tmp_path / "jumbo_pico.pth"
            torch.save({**model.state_dict(), "cls_token": torch.zeros(1, 1, 96)}, path)
        arguments += ["--checkpoint", str(path), "--model", "jumbo_pico_patch16_224"]
    assert tool.main(arguments) == 0
    written = tmp_path / "out" / "picture_attention.png"
    assert capsys.readouterr().out.strip().endswith(str(written))
    assert [p.name for p in (tmp_path / "out").iterdir()] == [written.name]
    with Image.open(written) as image:
        assert image.width > 300 and np.asarray(image.convert("L")).std() > 10


def test_kept_patches_are_seen_and_dropped_ones_veiled(tool):
    image = np.full((8, 12, 3), 200, dtype=np.uint8)
    drawn = attention_pictures.kept_patches(image, np.array([[3, 0, 1], [2, 3, 3]]), depth=3).astype(int)
    assert np.array_equal(drawn[:4, :4], image[:4, :4]) and np.array_equal(drawn[4:, 4:], image[4:, 4:])
    distances = [abs(drawn[at] - np.array(attention_pictures.VEIL)).sum() for at in ((0, 4), (0, 8), (4, 0), (0, 0))]
    assert distances == sorted(distances) and len(set(distances)) == 4  # the earlier, the denser


def test_keep_rate_draws_what_is_kept(tool, picture, folder, tmp_path, monkeypatch, capsys):
    drawn = {}
    original = attention.kept_patches
    monkeypatch.setattr(attention, "kept_patches", lambda *a: drawn.update(depths=a[1], depth=a[2]) or original(*a))
    words = [str(picture), "--checkpoint", str(folder), "--out", str(tmp_path / "out"), "--size", "96"]
    assert tool.main([*words, "--keep-rate", "0.5"]) == 0
    depths = drawn["depths"]  # blocks 0, 1 and 2 halve the 48 patches
    assert [(depths == d).sum() for d in (3, 2, 1, 0)] == [6, 6, 12, 24] and drawn["depth"] == 3
    assert tool.main([*words, "--keep-rate", "1.5"]) == 2
    assert "keep_rate 1.5" in capsys.readouterr().err


def test_an_unreadable_image_does_not_stop_the_others(tool, picture, folder, tmp_path, capsys):
    (tmp_path / "broken.png").write_bytes(picture.read_bytes()[:50])
    out = tmp_path / "out"
    arguments = [str(tmp_path / "broken.png"), str(picture), "--checkpoint", str(folder), "--out", str(out)]
    assert tool.main([*arguments, "--size", "64"]) == 1
    assert "broken.png" in capsys.readouterr().err
    assert (out / "picture_attention.png").is_file()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (["--checkpoint", "absent.pth"], "no checkpoint at absent.pth"),
        (["--block", "3"], "--block 3: this model has 3, give -3 to 2"),
        (["--size", "8"], "--size 8 is out of range: give 16"),
        (["--opacity", "1.5"], "--opacity 1.5 is not between 0 and 1"),
        (["--device", "cuda"], "no CUDA device here"),
        (["--checkpoint", "WEIGHTS", "--model", "jumbo_smal"], "unknown preset 'jumbo_smal'"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(tool, picture, folder, tmp_path, capsys, change, message):
    if "cuda" in change and torch.cuda.is_available():
        pytest.skip("there is a CUDA device here")
    save_checkpoint(tiny_model(), tmp_path / "weights.safetensors")
    change = [str(tmp_path / "weights.safetensors") if word == "WEIGHTS" else word for word in change]
    arguments = [str(picture), "--checkpoint", str(folder), "--out", str(tmp_path / "out"), *change]
    assert tool.main(arguments) == 2
    error = capsys.readouterr().err.strip()
    assert message in error and "\n" not in error


def test_no_images(tool, folder, tmp_path, capsys):
    assert tool.main([str(tmp_path / "none"), "--checkpoint", str(folder), "--out", str(tmp_path / "out")]) == 2
    assert "no images at" in capsys.readouterr().err
