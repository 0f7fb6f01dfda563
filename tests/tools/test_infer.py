"""tools/infer.py: pictures show mmsegmentation's own predictions, label files read back as them, and no file is lost,
whatever the images are called."""

import contextlib
import os
import runpy
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

pytest.importorskip("mmseg")
from mmcv.transforms import BaseTransform, Compose
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmseg.datasets.transforms import LoadAnnotations
from mmseg.registry import MODELS, TRANSFORMS

from jumbo_backbone.segmentation import prediction
from jumbo_backbone.segmentation.cli import infer
from jumbo_backbone.segmentation.pictures.meaning import meaning_of
from jumbo_cli.commands.infer import COMMAND
from tests.conftest import CLASSES, imported_tool, write_config

SCRIPT = Path(__file__).parents[2] / "tools" / "infer.py"
PALETTE = [[90, 90, 90], [230, 60, 60], [60, 60, 230]]
META = dict(classes=CLASSES, palette=PALETTE, reduce_zero_label=True)
STEPS = [
    dict(type="LoadImageFromFile"),
    dict(type="Resize", scale=(60, 40), keep_ratio=True),
    dict(type="LoadAnnotations"),
    dict(type="PackSegInputs"),
]


@pytest.fixture(scope="module")
def tool():
    with imported_tool("infer") as module:
        yield module


def write_model(folder, *, name="model", meta=META, pipeline=STEPS, **changes):
    """A config and a checkpoint of random weights whose predictions vary; there is no data set."""
    config = folder / f"{name}.py"
    lines = f"_base_ = ['tiny.py']\ntest_dataloader = dict(dataset=dict(pipeline={pipeline!r}))\n"
    config.write_text(lines + "\n".join(f"{key} = {value!r}" for key, value in changes.items()) + "\n")
    model = build(config)
    checkpoint = folder / f"{name}.pth"
    torch.save(dict(state_dict=model.state_dict(), meta=dict(dataset_meta=meta) if meta else {}), checkpoint)
    return config, checkpoint


def build(config, checkpoint=None):
    init_default_scope("mmseg")
    torch.manual_seed(0)
    model = MODELS.build(Config.fromfile(config).model).eval()
    torch.nn.init.normal_(model.decode_head.conv_seg.weight, std=2.0)
    if checkpoint:
        model.load_state_dict(torch.load(checkpoint)["state_dict"])
    return model


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    folder = tmp_path_factory.mktemp("model")
    write_config(folder)
    return write_model(folder)


def write_image(path, size=(50, 70), seed=0, **options):
    """Blobs of colour, of height and width ``size``."""
    path.parent.mkdir(parents=True, exist_ok=True)
    coarse = np.random.default_rng(seed).integers(0, 256, (5, 6, 3), dtype=np.uint8)
    Image.fromarray(coarse).resize(size[::-1], Image.Resampling.BICUBIC).save(path, **options)
    return path


def expected(model, path):
    """What mmsegmentation predicts, labels (H, W)."""
    config, _ = model
    steps = Config.fromfile(config).test_dataloader.dataset.pipeline
    data = Compose([step for step in steps if step["type"] != "LoadAnnotations"])(dict(img_path=str(path)))
    with torch.no_grad():
        (result,) = build(*model).test_step({key: [value] for key, value in data.items()})
    return result.pred_sem_seg.data[0].numpy()


def read_back(path, reduce_zero_label=True, label_map=None):
    results = dict(seg_map_path=str(path), reduce_zero_label=reduce_zero_label, seg_fields=[], label_map=label_map)
    return LoadAnnotations()(results)["gt_seg_map"]


def run(tool, model, *arguments, code=0):
    assert tool.main([*map(str, model), *map(str, arguments), "--device", "cpu"]) == code


def fails(tool, *arguments, capsys):
    """What is printed by a run that cannot begin."""
    with pytest.raises(SystemExit) as stopped:
        tool.main([str(argument) for argument in arguments])
    assert stopped.value.code == 2
    return capsys.readouterr().err


# ---- predictions


def test_the_jumbo_token_s_ffn_in_8_bits(tool, model, tmp_path, monkeypatch, capsys):
    path, models = write_image(tmp_path / "a.png"), []
    original = infer.predict
    monkeypatch.setattr(infer, "predict", lambda m, batch: models.append(m) or original(m, batch))
    run(tool, model, path, "--labels", "--out", tmp_path, "--int8-jumbo")
    ffn = models[0].backbone.vit.jumbo_mlp
    assert ffn.fc1.weight.dtype == torch.int8
    trained = build(*model).backbone.vit.jumbo_mlp.fc1.weight.detach()
    torch.testing.assert_close(ffn.fc1.float_weight(), trained, atol=float(trained.abs().max()) / 250, rtol=0)
    assert (read_back(tmp_path / "a_labels.png") != expected(model, path)).mean() < 0.02
    arch = "model.backbone.arch.jumbo_ffn=none"
    told = fails(tool, *model, path, "--int8-jumbo", "--cfg-options", arch, capsys=capsys)
    assert "has no FFN of a Jumbo token" in told


@pytest.mark.parametrize("size", [(50, 70), (7, 9), (90, 31)])
def test_label_files_read_back_as_mmsegmentation_s_predictions(tool, model, tmp_path, size):
    path = write_image(tmp_path / "a.png", size)
    run(tool, model, path, "--labels", "--out", tmp_path)
    labels = expected(model, path)
    assert labels.shape == size and len(np.unique(labels)) > 1
    assert np.array_equal(read_back(tmp_path / "a_labels.png"), labels)
    with Image.open(tmp_path / "a_labels.png") as picture:
        assert picture.mode == "P" and np.array_equal(picture, labels + 1)  # 0 is none
        assert np.array_equal(picture.convert("RGB"), np.array(PALETTE)[labels])


def test_the_picture_is_the_image_in_full_size_with_the_predicted_colours(tool, model, tmp_path, monkeypatch):
    path = write_image(tmp_path / "a.png")
    drawn = []
    original = infer.labelled_picture
    monkeypatch.setattr(infer, "labelled_picture", lambda *a: drawn.append(a) or original(*a))
    run(tool, model, path, "--opacity", 0.25, "--out", tmp_path / "out")
    image, labels, classes, palette, opacity, title = drawn[0]
    with Image.open(path) as written:
        assert np.array_equal(image, written)  # RGB
    assert np.array_equal(labels, expected(model, path))
    assert (tuple(classes), palette.tolist(), opacity, title) == (CLASSES, PALETTE, 0.25, "a")
    assert [p.name for p in (tmp_path / "out").iterdir()] == ["a_overlay.png"]


def test_batches_give_what_single_images_give(tool, model, tmp_path, monkeypatch):
    """Of two sizes, one of them resized to the other's."""
    sizes = [(50, 70), (100, 140), (70, 50), (50, 70), (50, 70)]
    paths = [write_image(tmp_path / "in" / f"{i}.png", size, seed=i) for i, size in enumerate(sizes)]
    batches = []
    original = infer.predict
    monkeypatch.setattr(infer, "predict", lambda m, batch: batches.append(len(batch)) or original(m, batch))
    run(tool, model, tmp_path / "in", "--labels", "--batch-size", 3, "--out", tmp_path)
    assert batches == [2, 2, 1]  # three are waiting: the two of equal size go first
    for path in paths:
        differ = read_back(tmp_path / f"{path.stem}_labels.png") != expected(model, path)
        assert differ.mean() < 0.001  # rounding


def test_never_more_than_a_batch_is_held():
    def photo(shape):
        return prediction.Photo(Path(), np.zeros((1, 1, 3)), dict(inputs=torch.zeros(3, *shape)))

    taken = given = 0

    def photos():
        nonlocal taken
        for i in range(23):
            taken += 1
            assert taken - given <= 4
            yield photo((1 + i % 3, 5))

    for batch in prediction.in_batches(photos(), 4):
        assert len({photo.prepared["inputs"].shape for photo in batch}) == 1
        given += len(batch)
    assert given == 23


@pytest.mark.parametrize("align_corners", [False, True])
def test_enlarging_class_by_class(tool, align_corners):
    class Model:
        pass

    Model.align_corners = align_corners
    logits = torch.randn(11, 6, 7, generator=torch.Generator().manual_seed(0))
    together = prediction.resize(logits[None], (30, 41), None, "bilinear", align_corners)[0].argmax(0)
    assert torch.equal(prediction.labels_at(Model, logits, (30, 41)), together.byte())
    assert not prediction.labels_at(Model, torch.zeros(11, 6, 7), (30, 41)).any()  # of equal ones the first


def test_one_output_for_two_classes(tool, tmp_path):
    write_config(tmp_path)
    head = dict(num_classes=2, out_channels=1, threshold=0.4)
    loss = dict(type="CrossEntropyLoss", use_sigmoid=True)
    meta = dict(classes=("none", "one"), palette=PALETTE[:2], reduce_zero_label=False)
    model = write_model(tmp_path, meta=meta, model=dict(decode_head=dict(**head, loss_decode=loss)))
    path = write_image(tmp_path / "a.png")
    run(tool, model, path, "--labels", "--out", tmp_path)
    labels = read_back(tmp_path / "a_labels.png", reduce_zero_label=False)
    assert np.array_equal(labels, expected(model, path)) and 0 < labels.mean() < 1


def test_windows(tool, model, tmp_path):
    def windows(*arguments):
        return infer.prepare(COMMAND.parse([*map(str, model), "a.png", *arguments])).model.test_cfg

    training = dict(mode="slide", crop_size=(32, 32), stride=(21, 21))
    assert windows() == dict(mode="whole")
    assert windows("--slide") == training
    assert windows("--max-batch", "2") == dict(training, max_batch=2)
    own = dict(mode="slide", crop_size=(40, 40), stride=(20, 20), max_batch=3)
    options = ["--cfg-options", *(f"model.test_cfg.{key}={value}".replace(" ", "") for key, value in own.items())]
    assert windows("--slide", *options) == own == windows(*options)
    assert windows("--max-batch", "5", *options) == dict(own, max_batch=5)

    path = write_image(tmp_path / "a.png", (80, 120))
    run(tool, model, path, "--slide", "--labels", "--out", tmp_path)
    run(tool, model, path, "--max-batch", 2, "--labels", "--out", tmp_path / "bounded")
    labels = read_back(tmp_path / "a_labels.png")
    assert np.mean(read_back(tmp_path / "bounded" / "a_labels.png") != labels) < 0.001
    assert np.mean(expected(model, path) != labels) > 0.001  # whole images give another result


# ---- what the labels mean


def test_classes_of_the_checkpoint_go_before_the_config_s(tool, model):
    cfg = Config.fromfile(model[0])
    own = dict(META, classes=("a", "b", "c"), reduce_zero_label=False)
    meaning = meaning_of(dict(dataset_meta=own), cfg, 3)
    assert meaning.classes == ("a", "b", "c") and meaning.values.tolist() == [0, 1, 2]
    for told in (dict(), dict(dataset_meta=dict(classes=CLASSES))):
        meaning = meaning_of(told, cfg, 3)
        assert meaning.classes == CLASSES and meaning.palette.tolist() == PALETTE
        assert meaning.values.tolist() == [1, 2, 3]


def test_classes_of_the_data_set_s_own(tool):
    cfg = Config.fromfile(SCRIPT.parents[1] / "seg_configs" / "jumbo_upernet_ade20k.py")
    init_default_scope("mmseg")
    meaning = meaning_of({}, cfg, 150)
    assert meaning.classes[:2] == ("wall", "building") and meaning.values[[0, 149]].tolist() == [1, 150]


@pytest.mark.parametrize("reduce_zero_label", [False, True])
def test_a_choice_of_classes_is_written_in_the_numbers_of_all(tool, model, tmp_path, reduce_zero_label):
    label_map = {0: 255, 1: 2, 2: 0, 3: 255, 4: 1}
    told = dict(META, label_map=label_map, reduce_zero_label=reduce_zero_label)
    meaning = meaning_of(dict(dataset_meta=told), Config.fromfile(model[0]), 3)
    labels = np.arange(3, dtype=np.uint8).reshape(1, 3).repeat(2, axis=0)
    meaning.label_picture(labels).save(tmp_path / "labels.png")
    assert np.array_equal(read_back(tmp_path / "labels.png", reduce_zero_label, label_map), labels)
    with Image.open(tmp_path / "labels.png") as picture:
        assert np.array_equal(np.asarray(picture)[0], np.array([2, 4, 1]) + reduce_zero_label)
        assert np.array_equal(picture.convert("RGB"), np.array(PALETTE)[labels])


def test_the_legend_says_what_the_values_mean(tool, model, tmp_path, monkeypatch):
    named = []
    original = infer.legend
    monkeypatch.setattr(infer, "legend", lambda names, *a, **k: named.append(names) or original(names, *a, **k))
    for name in ("a", "b"):
        write_image(tmp_path / "in" / f"{name}.png")
    run(tool, model, tmp_path / "in", "--labels", "--out", tmp_path / "out")
    assert named == [["1  ground", "2  box", "3  disc"]]
    assert (tmp_path / "out" / "classes_legend.png").is_file()


def test_errors_are_drawn_beside_the_masks(tool, model, tmp_path, monkeypatch, capsys):
    drawn = {}
    original = infer.contact_sheet
    monkeypatch.setattr(infer, "contact_sheet", lambda *a, **k: drawn.update({a[5]: a}) or original(*a, **k))
    (tmp_path / "masks").mkdir()
    for name in ("a", "b", "small", "without"):
        labels = expected(model, write_image(tmp_path / "in" / f"{name}.png", seed=ord(name[0]))).astype(np.uint8)
        if name == "b":
            labels[:5, :10] = (labels[:5, :10] + 1) % 3  # which is then wrong
        if name != "without":
            Image.fromarray(labels[: 20 if name == "small" else None] + 1).save(tmp_path / "masks" / f"{name}.png")
    arguments = [tmp_path / "in", "--errors", tmp_path / "masks", "--out", tmp_path / "out"]
    run(tool, model, *arguments, code=1)
    told = capsys.readouterr().err
    assert "small.png has 70x20 pixels, the image 70x50; its errors are not drawn" in told
    assert "no mask at" in told and "without.png; its errors are not drawn" in told
    found = {path.name for path in (tmp_path / "out").iterdir()}
    overlays = {f"{name}_overlay.png" for name in ("a", "b", "small", "without")}
    assert found == {*overlays, "a_errors.png", "b_errors.png"}
    assert drawn["a"][6] == ["No pixel is wrong."] and drawn["b"][6][0].startswith("1.4% of the pixels are wrong: ")
    (image,), (truth,), (prediction,), classes, *_ = drawn["b"]
    assert image.shape == (50, 70, 3) and tuple(classes) == CLASSES and (truth != prediction).sum() == 50
    told = fails(tool, *model, tmp_path / "in", "--errors", tmp_path / "none", capsys=capsys)
    assert "no folder of masks at" in told
    told = fails(tool, *model, tmp_path / "out", capsys=capsys)
    assert "no images at" in told  # pictures of errors are none to paint


@pytest.mark.parametrize(
    ("told", "outputs", "message"),
    [
        (META, 4, "has 4 classes, but 3 names and 3 colours are in"),
        (dict(META, palette=PALETTE[:2]), 3, "3 names and 2 colours"),
        (dict(META, label_map={254: 1}), 3, "class 1 has the value 255 in label files, which end at 254"),
    ],
)
def test_classes_that_do_not_fit(tool, model, told, outputs, message):
    with pytest.raises(ValueError, match=message):
        meaning_of(dict(dataset_meta=told), Config.fromfile(model[0]), outputs)


# ---- images


def test_a_photograph_is_turned_upright(tool, model, tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was turned: rows are columns
    path = write_image(tmp_path / "turned.jpg", (50, 70), exif=exif)
    run(tool, model, path, "--labels", "--out", tmp_path)
    assert read_back(tmp_path / "turned_labels.png").shape == (70, 50)


@pytest.mark.parametrize("mode", ["L", "RGBA", "P", "I;16", "1"])
def test_images_of_all_kinds(tool, model, tmp_path, mode):
    image = Image.open(write_image(tmp_path / "a.png"))
    if mode == "I;16":
        Image.fromarray(np.asarray(image.convert("L")).astype(np.uint16) * 257).save(tmp_path / "b.png")
    else:
        image.convert(mode).save(tmp_path / "b.png")
    run(tool, model, tmp_path / "b.png", "--labels", "--out", tmp_path)
    assert read_back(tmp_path / "b_labels.png").shape == (50, 70)


def test_a_model_of_rendered_scenes_takes_files(tool, tmp_path):
    write_config(tmp_path)
    model = write_model(tmp_path, pipeline=[dict(type="RenderScene"), dict(type="PackSegInputs")])
    run(tool, model, write_image(tmp_path / "a.png", (48, 64)), "--labels", "--out", tmp_path)
    assert read_back(tmp_path / "a_labels.png").shape == (48, 64)


def test_unreadable_images_are_reported_and_passed_over(tool, model, tmp_path, capsys):
    good = write_image(tmp_path / "good.png")
    broken, text = tmp_path / "broken.png", tmp_path / "text.jpg"
    broken.write_bytes(good.read_bytes()[:50])
    text.write_text("no image")
    (tmp_path / "empty.png").touch()
    run(tool, model, tmp_path, tmp_path / "absent.png", "--out", tmp_path / "out", code=1)
    out, err = capsys.readouterr()
    for name in ("broken.png", "text.jpg", "empty.png", "absent.png"):
        assert f"infer.py: {tmp_path / name}: " in err
    assert err.count("; skipped") == 4
    assert out.split() == [str(tmp_path / "out" / "good_overlay.png")]
    run(tool, model, broken, "--labels", "--out", tmp_path / "none", code=2)
    assert not list((tmp_path / "none").iterdir())


def test_a_name_that_is_no_text(tool, model, tmp_path, capsysbinary):
    image = write_image(tmp_path / "a.png")
    try:
        image = image.rename(tmp_path / os.fsdecode(b"\xff.png"))
    except OSError:
        pytest.skip("this file system does not take such names")
    run(tool, model, image, "--out", tmp_path / "out")
    assert b"?_overlay.png" in capsysbinary.readouterr().out
    assert len(list((tmp_path / "out").iterdir())) == 1


def test_folders_are_taken_without_those_below_and_without_own_outputs(tool, model, tmp_path):
    for name in ("a.png", "B.JPG", "below/c.png", ".hidden.png", "note.txt.png"):
        write_image(tmp_path / name)
    (tmp_path / "readme.txt").touch()
    run(tool, model, tmp_path, "--labels", "--out", tmp_path)
    assert (tmp_path / "note.txt_overlay.png").is_file() and (tmp_path / "classes_legend.png").is_file()
    written = len(list(tmp_path.iterdir()))
    run(tool, model, tmp_path, "--labels", "--out", tmp_path)
    assert len(list(tmp_path.iterdir())) == written
    assert not list(tmp_path.glob("c_overlay.png"))


# ---- as a program


def test_bad_input_is_told(tool, model, tmp_path, capsys):
    config, checkpoint = model
    image = write_image(tmp_path / "a.png")
    bare = tmp_path / "bare.py"
    bare.write_text("model = dict(type='JumboSegmentor')\n")
    sizeless = tmp_path / "sizeless.py"
    sizeless.write_text(f"_base_ = [{str(config)!r}]\nmodel = dict(data_preprocessor=dict(size=None))\n")
    (tmp_path / "file").touch()
    cases = [
        (["absent.py", checkpoint, image], "no config at"),
        ([config, "absent.pth", image], "no checkpoint at"),
        ([config, image, image], "cannot be read as a checkpoint"),
        ([bare, checkpoint, image], "bare.py has no model, or no test_dataloader, whose pipeline prepares images"),
        ([sizeless, checkpoint, image, "--slide"], "model.data_preprocessor.size does not say it: set it"),
        ([config, checkpoint, tmp_path / "none"], f"no images at {tmp_path / 'none'}: name image files, or a folder"),
        ([config, checkpoint, image, "--opacity", 1.5], "--opacity 1.5 is not between 0"),
        ([config, checkpoint, image, "--opacity", "nan"], "--opacity nan is not between 0"),
        ([config, checkpoint, image, "--batch-size", 0], "--batch-size 0 is below 1"),
        ([config, checkpoint, image, "--max-batch", 0], "--max-batch 0 is below 1"),
        ([config, checkpoint, image, "--out", tmp_path / "file"], "File exists"),
    ]
    if not torch.cuda.is_available():
        cases.append(
            (
                [config, checkpoint, image, "--device", "cuda"],
                "is not there: torch finds no CUDA device here",
            )
        )
    for arguments, message in cases:
        told = fails(tool, *arguments, capsys=capsys).rpartition("infer.py: ")[-1]
        assert message in told, told


def test_the_disk_is_full(tool, model, tmp_path, monkeypatch, capsys):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(infer, "save", full)
    with pytest.raises(SystemExit) as stopped, contextlib.redirect_stdout(None):
        run(tool, model, write_image(tmp_path / "a.png"), "--out", tmp_path)
    assert stopped.value.code == 1 and "the disk is full" in capsys.readouterr().err


def test_as_a_program(model, tmp_path, monkeypatch, capsys):
    write_image(tmp_path / "photos" / "a.png")
    write_image(tmp_path / "photos" / "b.png").write_bytes(b"")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["infer.py", *map(str, model), "photos", "--device", "cpu"])
    with pytest.raises(SystemExit) as stopped:
        runpy.run_path(str(SCRIPT), run_name="__main__")
    assert stopped.value.code == 1
    assert capsys.readouterr().out == f"{Path('predictions', 'a_overlay.png')}\n"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["photos", "predictions"]


def test_less_computed(tool, model, tmp_path, capsys):
    write_image(tmp_path / "a.png")
    labels = []
    for number, options in enumerate(([], ["--keep-rate", 0.3], ["--resolution", "32x48"])):
        run(tool, model, tmp_path / "a.png", "--labels", "--out", tmp_path / str(number), *options)
        (found,) = (tmp_path / str(number)).rglob("*_labels.png")
        labels.append(np.asarray(Image.open(found)))
    assert labels[0].shape == labels[1].shape == labels[2].shape == (50, 70)
    message = fails(tool, *model, tmp_path / "a.png", "--keep-rate", 1.5, capsys=capsys)
    assert "keep_rate 1.5: give a share above 0 and at most 1" in message
    message = fails(tool, *model, tmp_path / "a.png", "--resolution", "large", capsys=capsys)
    assert "'large' is not a size: give a scale (0.7), pixels (384), or both sides (384x512)" in message


# ---- what a file holds and the config's loader does not read


@pytest.mark.parametrize(
    ("mode", "told"),
    [
        ("RGBA", "3 of its 4 bands are read, the last of them how opaque a pixel is by the config's LoadImageFromFile"),
        ("I;16", "8 of its 16 bits are read by the config's LoadImageFromFile, as in training"),
        ("RGB", ""),
        ("P", ""),
    ],
)
def test_what_is_not_read_is_told_once(tool, model, tmp_path, capsys, mode, told):
    for name in ("a", "b"):
        image = Image.open(write_image(tmp_path / "in" / f"{name}.png"))
        if mode == "I;16":
            image = Image.fromarray(np.asarray(image.convert("L")).astype(np.uint16) * 257)
        else:
            image = image.convert(mode)
        image.save(tmp_path / "in" / f"{name}.png")
    run(tool, model, tmp_path / "in", "--out", tmp_path / "out")
    err = capsys.readouterr().err
    assert err.count(" of its ") == bool(told) and told in err


def own_loader(folder, pipeline, **dataset):
    """Another pipeline for the model of ``write_model``."""
    write_config(folder)
    return write_model(folder, pipeline=pipeline, test_dataloader=dict(dataset=dict(pipeline=pipeline, **dataset)))


def test_an_image_of_other_bands_is_passed_over(tool, tmp_path, capsys):
    model = own_loader(tmp_path, [dict(STEPS[0], color_type="unchanged"), *STEPS[1:]])
    write_image(tmp_path / "in" / "good.png")
    Image.fromarray(np.full((40, 50, 4), 90, np.uint8)).save(tmp_path / "in" / "four.png")
    run(tool, model, tmp_path / "in", "--out", tmp_path / "out", code=1)
    assert "four.png: it is read with 4 bands, but the model takes 3; skipped" in capsys.readouterr().err
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["good_overlay.png"]


def test_a_loader_that_fails_in_its_own_way_is_reported(tool, tmp_path, capsys):
    @TRANSFORMS.register_module(force=True)
    class Breaks(BaseTransform):
        def transform(self, results):
            raise ZeroDivisionError

    model = own_loader(tmp_path, [dict(type="Breaks"), *STEPS[1:]])
    run(tool, model, write_image(tmp_path / "a.png"), "--out", tmp_path / "out", code=2)
    assert "a.png: ZeroDivisionError; skipped" in capsys.readouterr().err


def test_folders_hold_what_the_data_set_reads(tool, tmp_path):
    model = own_loader(tmp_path, [dict(type="LoadImageFromNpyFile"), *STEPS[1:]], img_suffix=".npy")
    np.save(tmp_path / "a.npy", np.random.default_rng(0).integers(0, 256, (40, 60, 3), dtype=np.uint8))
    run(tool, model, tmp_path, "--labels", "--out", tmp_path)
    assert read_back(tmp_path / "a_labels.png").shape == (40, 60)


def test_a_loader_that_is_not_registered(tool, tmp_path, capsys):
    write_config(tmp_path)
    model = write_model(tmp_path, pipeline=[dict(type="RenderedElsewhere"), dict(type="PackSegInputs")])
    told = fails(tool, *model, write_image(tmp_path / "a.png"), capsys=capsys)
    assert "transform 'RenderedElsewhere' of the pipeline is not registered" in told
