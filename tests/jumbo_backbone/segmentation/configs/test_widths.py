"""Widths of neck and heads, and released weights, follow the backbone's preset; what somebody chose is not changed."""

import argparse
from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from mmengine.model import revert_sync_batchnorm
from mmengine.registry import init_default_scope
from mmseg.registry import MODELS

from jumbo_backbone.models.preset_sizes import PRESETS
from jumbo_backbone.segmentation.cli import add_config_arguments, read_config

PRESET = "model.backbone.arch.preset"


def read(config: Path | str, *options: str) -> Config:
    parser = argparse.ArgumentParser()
    add_config_arguments(parser)
    return read_config(parser.parse_args([str(config), *(["--cfg-options", *options] if options else [])]))


def build(cfg: Config) -> torch.nn.Module:
    init_default_scope("mmseg")
    cfg.model.backbone.pop("init_cfg", None)
    return revert_sync_batchnorm(MODELS.build(cfg.model))


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("config", ["masks_small", "jumbo_upernet_ade20k", "jumbo_linear_ade20k"])
def test_all_presets_build_and_the_small_ones_run(config, preset, capsys):
    cfg = read(config, f"{PRESET}={preset}", "model.backbone.init_cfg=None")
    width = PRESETS[preset]["embed_dim"]
    assert cfg.model.decode_head.in_channels == [width] * 4
    changed = Config.fromfile(Path(cfg.filename)).model.decode_head.in_channels != [width] * 4
    assert (f"{width} wide; " in capsys.readouterr().err) == changed
    small = preset in ("pico", "nano", "tiny")
    with torch.device("cpu" if small else "meta"):
        model = build(cfg).eval()
    assert model.backbone.embed_dims == width
    if small and config != "jumbo_upernet_ade20k":  # its head is slow on a CPU
        with torch.no_grad():
            assert model.encode_decode(torch.rand(1, 3, 128, 128), [dict(img_shape=(128, 128))]).shape[-2:] == (
                128,
                128,
            )


def test_released_weights_follow_the_preset():
    path = "hf-hub:antofuller/jumbo/jumbo_{}.pth"
    assert read("jumbo_upernet_ade20k").model.backbone.init_cfg.checkpoint == path.format("small")
    assert read("jumbo_upernet_ade20k", f"{PRESET}=pico").model.backbone.init_cfg.checkpoint == path.format("pico")
    own = read("jumbo_upernet_ade20k", f"{PRESET}=pico", "model.backbone.init_cfg.checkpoint=my.pth")
    assert own.model.backbone.init_cfg.checkpoint == "my.pth"
    with pytest.raises(ValueError, match="no released weights of large: set model.backbone.init_cfg=None"):
        read("jumbo_upernet_ade20k", f"{PRESET}=large")


def test_a_config_file_may_change_the_preset_alone(tmp_path, capsys):
    base = Path(read("masks_small").filename)
    own = tmp_path / "own.py"
    own.write_text(f"_base_ = {str(base)!r}\nmodel = dict(backbone=dict(arch=dict(preset='tiny')))\n")
    cfg = read(own)
    assert cfg.model.neck.embed_dim == 192 and cfg.model.decode_head.in_channels == [192] * 4
    assert "192 wide; model.neck.embed_dim, model.decode_head.in_channels follow it" in capsys.readouterr().err
    further = tmp_path / "further.py"  # what a base of a base says was left behind, too
    further.write_text("_base_ = 'own.py'\nmodel = dict(backbone=dict(arch=dict(preset='nano')))\n")
    assert read(further).model.neck.embed_dim == 128


def test_what_fits_is_left_alone_and_not_told(capsys):
    cfg = read("jumbo_base_upernet_ade20k")
    assert cfg.model.neck.embed_dim == 768 and capsys.readouterr().err == ""


def test_unused_blocks_are_told(capsys):
    read("jumbo_upernet_ade20k", f"{PRESET}=large", "model.backbone.init_cfg=None")
    assert "out_indices=(2, 5, 8, 11) uses 12 of 24 blocks" in capsys.readouterr().err


def test_an_auxiliary_head_and_several_follow(tmp_path):
    base = Path(read("jumbo_upernet_ade20k").filename)
    own = tmp_path / "own.py"
    own.write_text(f"_base_ = {str(base)!r}\nmodel = dict(auxiliary_head=[_base_.model.auxiliary_head] * 2)\n")
    cfg = read(own, f"{PRESET}=tiny")
    assert [head.in_channels for head in cfg.model.auxiliary_head] == [192, 192]
    assert read(base, f"{PRESET}=tiny").model.auxiliary_head.in_channels == 192


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ([f"{PRESET}=tiny", "model.neck.embed_dim=96"], "model.neck.embed_dim=96 does not fit .* which is 192 wide"),
        (["model.neck.embed_dim=200"], "model.neck.embed_dim=200 does not fit .* which is 96 wide"),
        (["model.decode_head.in_channels=[96,96,96,5]"], r"in_channels=\[96, 96, 96, 5\] does not fit .* 96 wide"),
        ([f"{PRESET}=huge"], "unknown preset 'huge'"),
        (
            [f"{PRESET}=tiny", "model.backbone.arch.embed_dim=96"],
            "preset=tiny has no effect on the width.*embed_dim=96",
        ),
    ],
)
def test_widths_that_were_chosen_and_do_not_fit(options, told):
    with pytest.raises(ValueError, match=told):
        read("masks_small", *options)
