"""Every config builds, and what it builds trains and predicts at a size that fits a test."""

from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.model import revert_sync_batchnorm
from mmengine.optim import build_optim_wrapper
from mmengine.structures import PixelData
from mmseg.registry import MODELS
from mmseg.structures import SegDataSample

from jumbo_backbone import JumboViT
from jumbo_backbone.models.presets import PRESETS

CONFIGS = Path(__file__).parents[3] / "seg_configs"
CASCADES = sorted(path.stem for path in CONFIGS.glob("*cascade*.py"))  # whose members are models of other configs
PICTURES = {path.stem for kind in ("pretrain", "finetune") for path in CONFIGS.glob(f"{kind}_*.py")}  # tested apart
NAMES = sorted({path.stem for path in CONFIGS.glob("*.py")} - {*CASCADES, *PICTURES})
WIDTH = 48


def read(name: str) -> Config:
    return Config.fromfile(CONFIGS / f"{name}.py")


def shrunk(name: str):
    """The config's model, every width cut down, the structure as it is."""
    cfg = read(name)
    model = cfg.model
    model.backbone.pop("init_cfg", None)
    size = 64
    if model.backbone.type == "TimmViTBackbone":
        model.backbone.update(img_size=size, embed_dim=WIDTH, num_heads=3, depth=12)
    else:
        model.backbone.arch.update(embed_dim=WIDTH, num_heads=3)
        model.backbone.img_size = size
    if model.get("neck"):
        model.neck.embed_dim = WIDTH
    heads = [model.decode_head] + ([model.auxiliary_head] if model.get("auxiliary_head") else [])
    for head in heads:
        several = isinstance(head.in_channels, (list, tuple))
        head.in_channels = [WIDTH] * len(head.in_channels) if several else WIDTH
        head.channels = WIDTH * 4 if head.get("num_convs") == 0 else 32
    model.data_preprocessor.size = (size, size)
    return cfg, revert_sync_batchnorm(MODELS.build(model))


def batch(cfg, n=2, size=64):
    rng = np.random.default_rng(0)
    samples = []
    for _ in range(n):
        labels = torch.from_numpy(rng.integers(0, cfg.model.decode_head.num_classes, (1, size, size)))
        meta = dict(img_shape=(size, size), ori_shape=(size, size), pad_shape=(size, size))
        samples.append(SegDataSample(gt_sem_seg=PixelData(data=labels), metainfo=meta))
    images = [torch.from_numpy(rng.integers(0, 256, (3, size, size), dtype=np.uint8)) for _ in range(n)]
    return dict(inputs=images, data_samples=samples)


@pytest.mark.parametrize("name", NAMES)
def test_a_training_step_and_a_prediction(name):
    cfg, model = shrunk(name)
    for readout in getattr(model.backbone, "readouts", ()):  # from zero, the first step does not reach what it reads
        if readout.from_jumbo is not None:
            torch.nn.init.normal_(readout.from_jumbo.weight, std=0.02)
    optim = build_optim_wrapper(model, cfg.optim_wrapper)
    before = {n: p.detach().clone() for n, p in model.named_parameters() if p.requires_grad}
    for _ in range(2):
        losses = model.train_step(batch(cfg), optim)
        assert all(torch.isfinite(value).all() for value in losses.values())
    unmoved = [n for n, p in model.named_parameters() if n in before and torch.equal(p, before[n])]
    assert not unmoved
    model.eval()
    results = model.test_step(batch(cfg, n=1))
    labels = results[0].pred_sem_seg.data
    assert labels.shape == (1, 64, 64) and int(labels.max()) < cfg.model.decode_head.num_classes


@pytest.mark.parametrize("name", [n for n in NAMES if n.endswith("ade20k")])
def test_ade20k_configs_are_what_their_names_say(name):
    cfg = read(name)
    preset = next((p for p in PRESETS if p in name), "small")
    assert cfg.model.decode_head.num_classes == 150
    assert cfg.train_cfg.max_iters == 160_000 and cfg.train_dataloader.batch_size == 16
    assert cfg.train_dataloader.dataset.pipeline[4].crop_size == (512, 512)
    if "timm" not in name:
        sizes = {**PRESETS[preset], **{k: v for k, v in cfg.model.backbone.arch.items() if k != "preset"}}
        assert cfg.model.backbone.arch.preset == preset
        with torch.device("meta"):
            assert JumboViT(img_size=512, **sizes).embed_dim == PRESETS[preset]["embed_dim"]
        released = f"hf-hub:antofuller/jumbo/jumbo_{preset}.pth"
        assert cfg.model.backbone.init_cfg == (
            None if name.startswith("registers") else dict(type="Pretrained", checkpoint=released)
        )


@pytest.mark.parametrize("preset", ["tiny", "small", "base"])
def test_a_baseline_differs_in_the_wide_token_alone(preset):
    ours = read("jumbo_upernet_ade20k" if preset == "small" else f"jumbo_{preset}_upernet_ade20k").to_dict()
    theirs = read(f"registers_{preset}_upernet_ade20k").to_dict()
    for cfg in (ours, theirs):
        for key in ("jumbo_readout", "init_cfg"):
            cfg["model"]["backbone"].pop(key, None)
    arch = theirs["model"]["backbone"].pop("arch")
    assert arch == {**ours["model"]["backbone"].pop("arch"), "jumbo_multiplier": 17, "jumbo_ffn": "patch"}
    assert ours == theirs


@pytest.mark.parametrize("name", CASCADES)
def test_members_of_a_cascade_have_configs(name):
    model = read(name).model
    assert model.type == "CascadeSegmentor" and len(model.members) >= 2
    for member in model.members:
        assert (CONFIGS.parent / member.config).is_file()
        assert Path(member.checkpoint).parts[:2] == ("work_dirs", Path(member.config).stem)
