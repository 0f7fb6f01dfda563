"""Images of other bands and bits than three of eight go through every tool, and every tool reads them alike."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

pytest.importorskip("mmseg")
from mmengine.config import Config
from mmengine.model import revert_sync_batchnorm
from mmengine.registry import init_default_scope
from mmseg.registry import MODELS

from jumbo_backbone.segmentation.calibration import pieces
from jumbo_backbone.segmentation.cli import infer
from jumbo_backbone.segmentation.data.image_input import ImageReader, bands_of
from jumbo_backbone.segmentation.data.required import require_datasets
from jumbo_backbone.segmentation.pictures.bands import as_picture
from tests.bands import write_band_config, write_band_pairs
from tests.conftest import imported_tool

ROOT = Path(__file__).resolve().parents[2]


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
        original = infer.labelled_picture
        monkeypatch.setattr(infer, "labelled_picture", lambda image, *a: shown.append(image) or original(image, *a))
        tool.main([*map(str, (config, checkpoint, path, "--out", tmp_path)), "--bands", "3", "3", "0"])
    loaded = ImageReader.of(Config.fromfile(config)).load(path)["img"]
    assert np.array_equal(shown[0], as_picture(loaded, None, (3, 3, 0)))
    assert shown[0].min() == 0 and shown[0].max() == 255


@pytest.mark.parametrize(
    ("bands", "dtype"),
    [
        (4, np.uint16),
        (3, np.uint16),
        pytest.param(1, np.uint8, marks=pytest.mark.slow),
        pytest.param(6, np.float32, marks=pytest.mark.slow),
    ],
)
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
    of_pictures = "as in the file: 0 to 255, or of 16 bits 0 to 65535"
    assert told["values"] == (of_pictures if bands in (3, 4, 1) else "as LoadImageFromNpyFile gives them")
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
    assert logits.std() > 0.1


def test_the_page_on_other_bands(tmp_path, monkeypatch, capsys):
    """docs/other_bands.md: its config is that of four bands, passes the check, and builds a model for them."""
    (text,) = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "other_bands.md").read_text(), flags=re.S)
    (tmp_path / "seg_configs").symlink_to(ROOT / "seg_configs")
    (tmp_path / "my_config.py").write_text(text)
    write_band_pairs(tmp_path / "my_data", 2, 4)
    for path in (tmp_path / "my_data" / "annotations").rglob("*.png"):
        Image.fromarray(np.asarray(Image.open(path)) - np.uint8(1)).save(path)  # 0, 1, 2 and 255
    monkeypatch.chdir(tmp_path)
    with imported_tool("prepare_ade20k") as tool:
        assert tool.main(["--check", "my_config.py"]) == 0
    assert "no problems found" in capsys.readouterr().out
    cfg = Config.fromfile("my_config.py")
    for loader in (cfg.train_dataloader, cfg.val_dataloader, cfg.test_dataloader):
        first = next(step for step in loader.dataset.pipeline if step.type.startswith("LoadImage"))
        assert first.color_type == "unchanged"
    require_datasets(cfg, ("train", "val", "test"))
    cfg.model.backbone.arch = cfg.model.backbone.arch | dict(embed_dim=24, num_heads=2)
    cfg.model.update(neck=dict(cfg.model.neck, embed_dim=24), auxiliary_head=None)
    cfg.model.decode_head.update(in_channels=[24] * 4, channels=16)
    init_default_scope("mmseg")
    model = revert_sync_batchnorm(MODELS.build(cfg.model)).eval()
    reader = ImageReader.of(cfg)
    data = reader.prepare(reader.load(images_of(tmp_path / "my_data")[0]))
    with torch.no_grad():
        (found,) = model.test_step({key: [value] for key, value in data.items()})
    assert bands_of(model) == 4 and found.pred_sem_seg.shape == (48, 64)


def test_calibrate_takes_them_and_draws_them(trained, tmp_path):
    folder, config, checkpoint = trained
    members = [dict(config=str(config), checkpoint=str(checkpoint), budget=dict(keep_rate=k)) for k in (0.5, 1.0)]
    cascade = tmp_path / "cascade.py"
    cascade.write_text(
        f"_base_ = {str(config)!r}\n"
        f"model = dict(_delete_=True, type='CascadeSegmentor', members={members!r})\npicture_bands = [3, 2, 1]\n"
    )
    run("calibrate", cascade, "--work-dir", tmp_path / "work", "--target", "0.01")
    assert run("infer", cascade, tmp_path / "work" / "calibration.json", images_of(folder)[0], "--out", tmp_path) == 0
    cfg = Config.fromfile(cascade)
    (piece, *_) = pieces(cfg, MODELS.build(cfg.model).eval(), "cpu")
    loaded = ImageReader.of(cfg).load(images_of(folder)[0])["img"]
    assert np.array_equal(piece.images[0], as_picture(loaded, None, (3, 2, 1)))


def test_members_of_a_cascade_load_images_alike(trained, tmp_path):
    _, config, checkpoint = trained
    other = tmp_path / "other.py"
    pipeline = [dict(type="LoadImageFromFile"), dict(type="PackSegInputs")]
    other.write_text(f"_base_ = {str(config)!r}\ntest_dataloader = dict(dataset=dict(pipeline={pipeline!r}))\n")
    members = [dict(config=str(name), checkpoint=str(checkpoint)) for name in (other, config)]
    init_default_scope("mmseg")
    with pytest.raises(ValueError, match=r"other.py and .*bands4.py load images differently \(16 bits are kept: False"):
        MODELS.build(dict(type="CascadeSegmentor", members=members))
