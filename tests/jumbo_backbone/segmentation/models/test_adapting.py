"""Segmentors that adapt: whole and by windows, with padding, image by image; and those that cannot."""

import pytest
import torch
from mmengine.config import Config
from mmseg.registry import MODELS

from jumbo_backbone.adaptation import METHODS
from jumbo_backbone.segmentation.models.adapting import AdaptingInference, adapting, told_of
from tests.conftest import images, write_cascade, write_config

LOUD = dict(lr=5.0, loss_stride=1)
SLIDE = dict(mode="slide", crop_size=(32, 32), stride=(16, 24), max_batch=2)
BOTH = pytest.mark.parametrize("method", list(METHODS))


@pytest.fixture(scope="module")
def config(tmp_path_factory):
    folder = tmp_path_factory.mktemp("adapting")
    write_config(folder)
    return folder / "tiny.py"


@pytest.fixture()
def segmentor(config):
    return built(config)


def built(config, **changes):
    cfg = Config.fromfile(config)
    cfg.model.merge(changes)
    torch.manual_seed(0)
    model = MODELS.build(cfg.model).eval()
    torch.nn.init.normal_(model.decode_head.conv_seg.weight, std=9.0)  # so that it is sure of something
    return model


def metas(*paddings):
    return [dict(img_shape=(48, 64), pad_shape=(48, 64), img_padding_size=p) for p in paddings]


PLAIN = metas((0, 0, 0, 0), (0, 0, 0, 0))


def weights(model):
    return {name: value.clone() for name, value in model.state_dict().items()}


def same(one, other):
    return all(torch.equal(one[name], other[name]) for name in one)


@BOTH
@pytest.mark.parametrize("test_cfg", [dict(mode="whole"), SLIDE], ids=["whole", "slide"])
def test_it_answers_adapts_and_goes_back(segmentor, method, test_cfg):
    segmentor.test_cfg = Config(dict(test_cfg=test_cfg)).test_cfg
    x, before = images(2, 3, 48, 64), weights(segmentor)
    with torch.inference_mode():
        expected = segmentor.inference(x, PLAIN)
    with adapting(segmentor, method, **LOUD) as adapter, torch.inference_mode():
        first, second = (segmentor.inference(images(2, 3, 48, 64), PLAIN).clone() for _ in range(2))
        assert not same(weights(segmentor), before)
    if test_cfg["mode"] == "whole":  # windows change the weights for those that follow
        torch.testing.assert_close(first, expected, rtol=1e-4, atol=1e-4)
    assert first.shape == expected.shape and not torch.allclose(second, first)
    assert same(weights(segmentor), before)
    with torch.inference_mode():
        assert torch.equal(segmentor.inference(x, PLAIN), expected)
    assert told_of(adapter)["left_out"] == 0


@BOTH
@pytest.mark.parametrize("test_cfg", [dict(mode="whole"), SLIDE], ids=["whole", "slide"])
def test_episodes_do_not_depend_on_other_images(segmentor, method, test_cfg):
    segmentor.test_cfg = Config(dict(test_cfg=test_cfg)).test_cfg
    x = images(2, 3, 48, 64)
    plain = segmentor.inference(x, PLAIN).detach()
    with adapting(segmentor, method, episodic=True, **LOUD):
        together = segmentor.inference(x, PLAIN)
        alone = [segmentor.inference(x[i : i + 1], PLAIN[:1]) for i in (1, 0)]
    assert torch.equal(together, torch.cat(alone[::-1])) and not torch.allclose(together, plain)


@BOTH
@pytest.mark.parametrize("test_cfg", [dict(mode="whole"), SLIDE], ids=["whole", "slide"])
def test_padding_does_not_count(segmentor, method, test_cfg, monkeypatch):
    """The entropies are those of the pixels before the padding."""
    segmentor.test_cfg = Config(dict(test_cfg=test_cfg)).test_cfg
    own, seen = AdaptingInference(segmentor, method, **LOUD), []
    kept = own.adapter.entropies
    monkeypatch.setattr(own.adapter, "entropies", lambda logits, valid: seen.append(valid) or kept(logits, valid))
    own.inference(images(1, 3, 48, 64), metas((0, 24, 0, 8)))
    if test_cfg["mode"] == "whole":
        assert seen[0].sum() == 40 * 40 and seen[0][0, :40, :40].all()
    else:
        expected = {min(32, 40 - y) * min(32, 40 - x) for y in (0, 16) for x in (0, 24, 32)}
        assert {int(v.sum()) for valid in seen for v in valid} == expected


def test_mmsegmentations_own_segmentor_and_vit(config):
    """What takes no budget, and says nothing of its parameters' depth, adapts too."""
    vit = dict(_delete_=True, type="VisionTransformer", img_size=(32, 32), patch_size=8, embed_dims=24, num_layers=4)
    cfg = Config.fromfile(config)
    cfg.merge_from_dict(dict(model=dict(type="EncoderDecoder", backbone=vit | dict(num_heads=2, out_indices=(2, 3)))))
    torch.manual_seed(0)
    model = MODELS.build(cfg.model).eval()
    own = AdaptingInference(model, "tent", **LOUD)
    blocks = {name.split(".layers.")[1].split(".")[0] for name in own.adapter.adapted}
    assert blocks == {"0", "1", "2"}
    first, second = (own.inference(images(1, 3, 32, 32), metas((0, 0, 0, 0))) for _ in range(2))
    assert not torch.allclose(first, second)


def test_a_mit_of_mmsegmentation(config):
    mit = dict(_delete_=True, type="MixVisionTransformer", embed_dims=8, num_stages=2, num_layers=[2, 2])
    mit |= dict(num_heads=[1, 2], patch_sizes=[7, 3], strides=[4, 2], sr_ratios=[2, 1], out_indices=(0, 1))
    cfg = Config.fromfile(config)
    cfg.merge_from_dict(dict(model=dict(type="EncoderDecoder", backbone=mit)))
    cfg.model.decode_head.in_channels = [8, 16]
    own = AdaptingInference(MODELS.build(cfg.model).eval(), "sar", **LOUD)
    blocks = {".".join(name.split(".")[3:6]) for name in own.adapter.adapted}
    assert blocks == {"0.1.0", "0.1.1", "1.1.0"}  # stage, list of blocks, block: three of four


def test_a_cascade_is_refused(config):
    cascade = MODELS.build(Config.fromfile(write_cascade(config.parent, "cascade")).model)
    with pytest.raises(TypeError, match="a CascadeSegmentor cannot adapt: it has no decode head"):
        AdaptingInference(cascade, "sar")


def test_one_channel_is_refused(config):
    one = built(config)
    one.out_channels = 1
    with pytest.raises(ValueError, match="a segmentor of one channel cannot adapt: .*num_classes=2, out_channels=2"):
        AdaptingInference(one, "sar")


def test_frozen_blocks_stay_frozen(config):
    frozen = built(config, backbone=dict(frozen_stages=1))
    with pytest.raises(ValueError, match="LayerNorms of the first 1 of 2 blocks are frozen"):
        AdaptingInference(frozen, "tent")
