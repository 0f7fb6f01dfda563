"""Images of other bands and bits than three of eight go through every tool, and every tool reads them alike."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

pytest.importorskip("mmseg")
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmseg.registry import MODELS

from jumbo_backbone.segmentation import ExportedSegmentor
from jumbo_backbone.segmentation.band_pictures import as_picture
from jumbo_backbone.segmentation.image_input import ImageReader
from tests.bands import write_band_config, write_band_pairs
from tests.conftest import imported_tool


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> tuple[Path, Path, Path]:
    """Folder, config and checkpoint of a model of four bands of 16 bits."""
    folder = tmp_path_factory.mktemp("bands")
    write_band_pairs(folder, 4, 4)
    config = write_band_config(folder, 4)
    run("train", config, "--work-dir", folder / "work", "--cfg-options", "train_cfg.max_iters=8")
    return folder, config, folder / "work" / "iter_8.pth"


def run(tool: str, *arguments: object):
    with imported_tool(tool) as module:
        return module.main([str(argument) for argument in arguments])


def model_of(config: Path, checkpoint: Path):
    init_default_scope("mmseg")
    model = MODELS.build(Config.fromfile(config).model).eval()
    model.load_state_dict(torch.load(checkpoint, weights_only=False)["state_dict"])
    return model


def images_of(folder: Path) -> list[Path]:
    return sorted((folder / "images" / "validation").iterdir())


def expected(model, config: Path, path: Path) -> np.ndarray:
    """Labels that mmsegmentation predicts."""
    reader = ImageReader.of(Config.fromfile(config))
    data = reader.prepare(reader.load(path))
    with torch.no_grad():
        (result,) = model.test_step({key: [value] for key, value in data.items()})
    return result.pred_sem_seg.data[0].numpy()


def test_check(trained, capsys):
    with imported_tool("prepare_ade20k") as tool:
        assert tool.main(["--check", str(trained[1])]) == 0
    assert "no problems found" in capsys.readouterr().out


def test_test_and_pictures(trained, tmp_path):
    folder, config, checkpoint = trained
    metrics = run("test", config, checkpoint, "--out", tmp_path, "--show-dir", tmp_path / "pictures")
    mirrored = run("test", config, checkpoint, "--tta", "--show-dir", tmp_path / "tta")
    assert 0 < metrics["mIoU"] <= 100 and 0 < mirrored["mIoU"] <= 100
    model, (path, *_) = model_of(config, checkpoint), images_of(folder)
    with Image.open(tmp_path / "labels" / path.name) as written:
        assert np.array_equal(np.asarray(written) - 1, expected(model, config, path))  # reduce_zero_label
    for pictures in ("pictures", "tta"):
        with Image.open(tmp_path / pictures / path.name) as picture:
            assert np.asarray(picture).std() > 20


def test_infer(trained, tmp_path, monkeypatch):
    folder, config, checkpoint = trained
    model = model_of(config, checkpoint)
    assert run("infer", config, checkpoint, folder / "images" / "validation", "--out", tmp_path, "--labels") == 0
    for path in images_of(folder):
        with Image.open(tmp_path / f"{path.stem}_labels.png") as written:
            assert np.array_equal(np.asarray(written) - 1, expected(model, config, path))
    shown = []
    with imported_tool("infer") as tool:
        original = tool.labelled_picture
        monkeypatch.setattr(tool, "labelled_picture", lambda image, *a: shown.append(image) or original(image, *a))
        tool.main([*map(str, (config, checkpoint, path, "--out", tmp_path)), "--bands", "3", "3", "0"])
    loaded = ImageReader.of(Config.fromfile(config)).load(path)["img"]
    assert np.array_equal(shown[0], as_picture(loaded, None, (3, 3, 0)))
    assert shown[0].min() == 0 and shown[0].max() == 255


@pytest.mark.parametrize(("bands", "dtype"), [(4, np.uint16), (1, np.uint8), (3, np.uint16), (6, np.float32)])
def test_onnx_takes_what_its_metadata_says(tmp_path, bands, dtype):
    onnxruntime = pytest.importorskip("onnxruntime")
    write_band_pairs(tmp_path, 1, bands, dtype)
    config = write_band_config(tmp_path, bands, dtype)
    init_default_scope("mmseg")
    torch.manual_seed(0)
    model = MODELS.build(Config.fromfile(config).model).eval()
    torch.nn.init.normal_(model.decode_head.conv_seg.weight, std=2.0)
    meta = dict(dataset_meta=dict(classes=("ground", "box", "disc"), reduce_zero_label=True))
    torch.save(dict(state_dict=model.state_dict(), meta=meta), tmp_path / "model.pth")
    run("export", config, tmp_path / "model.pth", "--size", 48, 64, "--out", tmp_path / "model.onnx")

    session = onnxruntime.InferenceSession(str(tmp_path / "model.onnx"))
    told = session.get_modelmeta().custom_metadata_map
    assert int(told["bands"]) == bands and json.loads(told["classes"]) == list(meta["dataset_meta"]["classes"])
    assert told["channel_order"].startswith({3: "RGB", 4: "BGR, then the others"}.get(bands, "as LoadImage"))
    deep = "as in the file: 0 to 255, or of 16 bits 0 to 65535"
    assert told["values"] == (deep if bands in (1, 3, 4) else told["values"])
    (path,) = images_of(tmp_path)
    reader = ImageReader.of(Config.fromfile(config))
    image = reader.load(path)["img"].astype(np.float32).reshape(48, 64, bands)
    if told["channel_order"] == "RGB":
        image = image[..., ::-1]
    (logits,) = session.run(None, {"images": np.ascontiguousarray(image.transpose(2, 0, 1)[None])})
    data = reader.prepare(reader.load(path))
    with torch.no_grad():
        (eager,) = model.test_step({key: [value] for key, value in data.items()})
    np.testing.assert_allclose(logits[0], eager.seg_logits.data.numpy(), atol=1e-3, rtol=1e-3)
    assert isinstance(ExportedSegmentor(model), torch.nn.Module) and logits.std() > 0.1
