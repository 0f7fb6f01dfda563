"""The shipped configs of whole pictures: they fit together, and steps of each learn everything."""

import copy
from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from mmengine.optim import build_optim_wrapper
from mmengine.registry import init_default_scope
from mmseg.registry import MODELS

from jumbo_backbone.segmentation.configs.keys import require_known

CONFIGS = Path(__file__).resolve().parents[4] / "seg_configs"
NAMES = sorted(path.stem for kind in ("pretrain", "finetune") for path in CONFIGS.glob(f"{kind}_*.py"))


@pytest.fixture(params=NAMES)
def cfg(request):
    init_default_scope("mmseg")
    return Config.fromfile(CONFIGS / f"{request.param}.py")


def test_a_step(cfg):
    size = cfg.model.encoder.img_size
    cfg.model.encoder.arch.depth = 1
    model = MODELS.build(copy.deepcopy(cfg.model))
    model.init_weights()
    wrapper = build_optim_wrapper(model, cfg.optim_wrapper)
    before = {name: parameter.detach().clone() for name, parameter in model.named_parameters()}
    pixels = torch.randint(0, 256, (2, 3, size, size), dtype=torch.uint8)
    sample = dict(inputs=pixels, index=torch.arange(2))
    if cfg.model.type == "ImageClassifier":
        sample["label"] = torch.arange(2)
    for _ in range(2):  # a head of zeros gives nothing to the rest in the first
        assert torch.isfinite(model.train_step(dict(sample), wrapper)["loss"])
    assert not [name for name, parameter in model.named_parameters() if torch.equal(parameter, before[name])]
    decayed = {id(p) for group in wrapper.param_groups if group["weight_decay"] for p in group["params"]}
    without = {name for name, p in model.named_parameters() if p.ndim > 1 and id(p) not in decayed}
    assert without - {"mask_token"} == {"backbone.jumbo_token", "backbone.pos_embed"}


def test_sizes_and_lengths_fit(cfg):
    require_known(cfg)
    loaders = [cfg.train_dataloader, cfg.val_dataloader]
    assert {loader.dataset.img_size for loader in loaders} == {cfg.model.encoder.img_size}
    assert len({(loader.dataset.hold_out_every, loader.dataset.data_root) for loader in loaders}) == 1
    assert [loader.dataset.part for loader in loaders] == ["train", "held_out"]
    warmup, cosine = cfg.param_scheduler
    assert cosine.begin == warmup.end == cosine.end / 10 and cosine.end == cfg.train_cfg.max_iters
    assert cfg.train_cfg.val_interval % cfg.default_hooks.checkpoint.interval == 0


def test_pictures_of_ones_own_give_the_encoder_that_own_masks_start_from():
    encoder = Config.fromfile(CONFIGS / "pretrain_mae_pictures.py").model.encoder
    for name in ("masks_small", "jumbo_upernet_camvid"):
        backbone = Config.fromfile(CONFIGS / f"{name}.py").model.backbone
        assert {key: backbone[key] for key in ("arch", "img_size", "patch_size")} == encoder
