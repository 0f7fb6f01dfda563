"""tools/robustness.py as a user runs it: classifiers and segmentation models, resuming, streams, wrong input."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

pytest.importorskip("imagecorruptions")
pytest.importorskip("mmseg")

from jumbo_backbone import save_checkpoint
from jumbo_backbone.segmentation.cli.robustness import chosen
from jumbo_backbone.segmentation.robustness.classifier import ClassifierTest
from jumbo_backbone.segmentation.robustness.record import summary_of, table_of
from jumbo_backbone.segmentation.robustness.streams import Pictures, PictureStream
from tests.conftest import tiny_model, write_cascade, write_config, write_pairs, write_trained

QUICK = ["--corruptions", "fog", "contrast", "--severities", "1", "5", "--workers", "0", "--batch-size", "8"]


def classifier(classes: int = 2) -> torch.nn.Module:
    """It is sure of what it says."""
    model = tiny_model(img_size=32, patch_size=8, num_classes=classes)
    with torch.no_grad():
        model.head.weight.mul_(-8)
    return model


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data")
    rng = np.random.default_rng(0)
    for i in range(24):
        place = folder / "pictures" / ("blue", "red")[i % 2]
        place.mkdir(parents=True, exist_ok=True)
        pixels = rng.integers(0, 120, (40, 50, 3)).astype(np.uint8)
        pixels[..., 2 - 2 * (i % 2)] += 120
        Image.fromarray(pixels).save(place / f"{i:02d}.png")
    save_checkpoint(classifier(), folder / "model.safetensors")
    save_checkpoint(classifier(3), folder / "three.safetensors")
    save_checkpoint(tiny_model(num_classes=0, global_pool=""), folder / "encoder.safetensors")
    write_pairs(folder, 3)
    write_config(folder)
    write_trained(folder / "tiny.py", folder / "x.pth")
    write_cascade(folder, "cascade")
    return folder


def told(path: Path) -> dict:
    return json.loads((path / "robustness.json").read_text())


def test_a_classifier(run, data, tmp_path):
    arguments = [data / "model.safetensors", data / "pictures", *QUICK, "--adapt", "sar", "tent", "--out", "out"]
    output = run("robustness.py", *arguments, cwd=tmp_path)
    assert re.search(r"top1 +1 +1 sar +1 tent +5 +5 sar +5 tent\nclean +[\d.]+ .*\nfog .*\ncontrast .*\nmean ", output)
    assert re.search(r"retention % +[\d.]+", output) and "out/robustness.json" in output
    found = told(tmp_path / "out")
    results = found["results"]
    assert {"cpu", "torch", "git"} <= set(found["machine"]) and found["command"].startswith(
        "python tools/robustness.py"
    )
    assert set(results["cells"]) == {"clean", "fog/1", "fog/5", "contrast/1", "contrast/5"}
    assert (
        results["seed"] == 0 and results["images"] == 24 and results["preprocessing"]["mean"] == [0.485, 0.456, 0.406]
    )
    cells = [results["cells"][name] for name in results["cells"] if name != "clean"]
    assert all(list(cell) == ["none", "sar", "tent"] for cell in cells)
    assert {"left_out", "learned", "recoveries"} < set(cells[0]["sar"]) and cells[0]["tent"]["left_out"] == 0
    mean = sum(cell["none"]["top1"] for cell in cells) / 4
    assert results["summary"]["none"]["mean"] == pytest.approx(mean)
    clean = results["cells"]["clean"]["none"]["top1"]
    assert results["summary"]["sar"]["retention"] == pytest.approx(100 * results["summary"]["sar"]["mean"] / clean)
    for name in ("corruptions.png", "robustness.png"):
        with Image.open(tmp_path / "out" / name) as picture:
            assert min(picture.size) > 100


def test_it_goes_on_where_it_was_stopped(run, data, tmp_path, monkeypatch):
    """Cells that are there are not measured again, and the figures are those of a run in one piece."""
    arguments = [data / "model.safetensors", data / "pictures", *QUICK, "--adapt", "sar"]
    run("robustness.py", *arguments, "--out", "whole", cwd=tmp_path)
    measure, counted = ClassifierTest.measure, []

    def stopping(self, corruptions, severity):
        counted.append((*corruptions, severity))
        if len(counted) == 3:
            raise KeyboardInterrupt
        return measure(self, corruptions, severity)

    monkeypatch.setattr(ClassifierTest, "measure", stopping)
    run("robustness.py", *arguments, "--out", "parts", cwd=tmp_path, code=130)
    assert len(told(tmp_path / "parts")["results"]["cells"]) == 2
    run("robustness.py", *arguments, "--out", "parts", cwd=tmp_path)
    assert counted == [(0,), ("fog", 1), ("fog", 5), ("fog", 5), ("contrast", 1), ("contrast", 5)]
    assert told(tmp_path / "parts")["results"] == told(tmp_path / "whole")["results"]
    run("robustness.py", *arguments[:2], "--adapt", "tent", *QUICK, "--out", "parts", cwd=tmp_path)  # one more method
    assert list(told(tmp_path / "parts")["results"]["cells"]["fog/1"]) == ["none", "sar", "tent"]
    output = run("robustness.py", *arguments, "--seed", "1", "--out", "parts", cwd=tmp_path, code=2)
    assert "robustness.json is of another pictures, seed: its figures cannot stand beside new ones" in output


def test_pictures_do_not_depend_on_processes_nor_on_the_other_pictures(data):
    model = classifier()
    whole = Pictures(str(data / "pictures"), 2)
    few = Pictures(str(data / "pictures"), 2, most=10)
    of_name = {}
    for item, (x, _) in zip(
        whole.stream("shuffled", ["snow"], 3), PictureStream(whole.stream("shuffled", ["snow"], 3), model), strict=True
    ):
        of_name[item.file.path] = x
    stream = PictureStream(few.stream("sorted", ["snow"], 3), model)
    assert all(torch.equal(of_name[item.file.path], x) for item, (x, _) in zip(stream.items, stream, strict=True))
    tests = [ClassifierTest(model, few, adapt=["tent"], workers=workers, batch_size=4) for workers in (0, 2)]
    assert tests[0].measure(["snow"], 3) == tests[1].measure(["snow"], 3)


def test_streams(data):
    pictures = Pictures(str(data / "pictures"), 2, most=12, seed=1)
    shuffled, by_class, mixed = (pictures.stream(kind, ["fog", "snow"], 2) for kind in ("shuffled", "sorted", "mixed"))
    labels = [item.label for item in by_class]
    assert labels == sorted(labels) and {i.file for i in by_class} == {i.file for i in shuffled} and len(mixed) == 12
    assert [item.label for item in shuffled] != labels
    assert [item.corruption for item in mixed[:4]] == ["fog", "snow", "fog", "snow"]
    assert pictures.names == ["blue", "red"] and all(item.corruption is None for item in pictures.clean)
    found = ClassifierTest(classifier(), pictures, stream="mixed").measure(["fog", "snow"], 2)["none"]
    assert found["top1"] == pytest.approx((found["fog"] + found["snow"]) / 2)


def test_the_stream_reaches_the_adapter_in_its_order(run, data, tmp_path):
    figures = {}
    for stream in ("shuffled", "sorted", "mixed"):
        arguments = ["--adapt", "tent", "--stream", stream, "--adapt-options", "lr=20.0", "--out", stream]
        run("robustness.py", data / "model.safetensors", data / "pictures", *QUICK, *arguments, cwd=tmp_path)
        figures[stream] = told(tmp_path / stream)["results"]
    assert set(figures["mixed"]["cells"]) == {"clean", "mixed/1", "mixed/5"}
    shuffled, by_class = (figures[s]["cells"]["fog/1"] for s in ("shuffled", "sorted"))
    assert shuffled["none"] == by_class["none"] and shuffled["tent"] != by_class["tent"]


def test_corrupted_pictures_that_are_ready(run, data, tmp_path):
    """As ImageNet-C: CORRUPTION/SEVERITY/CLASS."""
    for i, path in enumerate(sorted((data / "pictures").rglob("*.png"))):
        for severity in (1, 5):
            for name in ("fog", "contrast"):
                place = tmp_path / "made" / name / str(severity) / path.parent.name
                place.mkdir(parents=True, exist_ok=True)
                Image.new("RGB", (32, 32), (i, 0, 0)).save(place / path.name)
    arguments = [data / "model.safetensors", data / "pictures", *QUICK, "--corrupted", "made", "--out", "out"]
    run("robustness.py", *arguments, cwd=tmp_path)
    cells = told(tmp_path / "out")["results"]["cells"]
    assert cells["fog/1"] == cells["fog/5"] == cells["contrast/1"]
    (tmp_path / "made" / "fog" / "1" / "red").rename(tmp_path / "made" / "fog" / "1" / "green")
    output = run("robustness.py", *arguments[:-1], "other", cwd=tmp_path, code=2)
    assert "are of classes that the clean pictures lack: green" in output


def test_a_segmentation_model(run, data, tmp_path):
    arguments = [data / "tiny.py", data / "x.pth", "--corruptions", "contrast", "--severities", "5", "--workers", "0"]
    arguments += ["--adapt", "tent", "--episodic", "--adapt-options", "lr=50.0", "--out", "out"]
    output = run("robustness.py", *arguments, cwd=tmp_path)
    assert re.search(r"mIoU +5 +5 tent\nclean ", output) and "per class results" not in output
    results = told(tmp_path / "out")["results"]
    clean, cell = results["cells"]["clean"], results["cells"]["contrast/5"]
    assert {"mIoU", "aAcc", "mAcc"} <= set(clean["none"]) and cell["none"]["mIoU"] != clean["none"]["mIoU"]
    assert cell["tent"]["mIoU"] != cell["none"]["mIoU"] and results["episodic"] and results["options"] == {"lr": 50.0}
    run("test.py", data / "tiny.py", data / "x.pth", "--out", "plain", cwd=tmp_path)
    plain = json.loads((tmp_path / "plain" / "metrics.json").read_text())
    assert clean["none"]["mIoU"] == plain["mIoU"]


def test_groups_of_corruptions():
    assert len(chosen(["all"])) == 15 and len(chosen(["extra"])) == 4
    assert chosen(["fog", "all"])[0] == "fog" and len(chosen(["all", "extra", "snow"])) == 19


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["model.safetensors", "pictures", "--corruptions", "rain"], "unknown corruption 'rain'"),
        (["model.safetensors", "nowhere"], "no pictures at .*nowhere"),
        (["three.safetensors", "pictures"], "pictures has 2 folders with pictures, but the model tells 3 classes"),
        (["encoder.safetensors", "pictures"], "encoder.safetensors tells 0 classes: give a classifier"),
        (["vit_nano", "pictures"], "no model at .*vit_nano"),
        (["nothing.py", "x.pth"], "no config at .*nothing.py"),
        (
            ["model.safetensors", "pictures", "--adapt", "tent", "--adapt-options", "rho=1"],
            "tent cannot be made with .*rho",
        ),
        (
            ["model.safetensors", "pictures", "--adapt", "sar", "--adapt-options", "margin=2"],
            "margin=2, .*above 0 and up",
        ),
        (["model.safetensors", "pictures", "--data-root", "x"], "change a config, and model.safetensors is none"),
        (["tiny.py", "nothing.pth"], "no checkpoint at .*nothing"),
        (
            ["tiny.py", "x.pth", "--stream", "sorted"],
            "--stream: of a segmentation config the images come in their order",
        ),
        (["cascade.py", "x.json", "--adapt", "sar"], "a cascade cannot be adapted, as its thresholds"),
    ],
)
def test_wrong_input(run, data, arguments, message):
    output = run("robustness.py", *arguments, "--workers", "0", cwd=data, code=2)
    assert re.search(message, output) and "Traceback" not in output


def test_nothing_right_has_nothing_to_retain():
    cells = {"clean": {"none": {"top1": 0.0}}, "fog/1": {"none": {"top1": 2.0}}}
    assert summary_of(cells, "top1", ["fog"], [1]) == {"none": dict(mean=2.0, retention=None)}
    assert table_of(cells, "top1", ["fog"], [1], ["none"])[-1] == ["retention %", "-"]


def test_a_file_of_something_else_is_not_overwritten(run, data, tmp_path):
    (tmp_path / "robustness").mkdir()
    (tmp_path / "robustness" / "robustness.json").write_text("[]")
    output = run("robustness.py", data / "model.safetensors", data / "pictures", cwd=tmp_path, code=2)
    assert "is no record of this command: give another --out, or remove it" in output
    assert (tmp_path / "robustness" / "robustness.json").read_text() == "[]"
