"""Batched sliding windows give what mmsegmentation's one-by-one windows give."""

import pytest
import torch
from mmengine.config import ConfigDict
from mmseg.models import EncoderDecoder
from mmseg.registry import MODELS

from jumbo_backbone import ComputeBudget
from jumbo_backbone.segmentation.models.slide import slide_inference, window_starts
from tests.conftest import images


def segmentor(budget=None, **test_cfg):
    torch.manual_seed(0)
    sizes = dict(embed_dim=24, depth=2, num_heads=2, jumbo_multiplier=2)
    head = dict(type="LatticeFCNHead", in_channels=24, channels=24, num_convs=0, concat_input=False, num_classes=5)
    model = MODELS.build(
        dict(
            type="JumboSegmentor",
            backbone=dict(
                type="JumboViTBackbone", arch=sizes, img_size=32, patch_size=8, out_indices=(1,), budget=budget
            ),
            decode_head=dict(head, norm_cfg=dict(type="BN"), in_index=0),
            test_cfg=ConfigDict(mode="slide", **test_cfg),
        )
    ).eval()
    torch.nn.init.normal_(model.decode_head.conv_seg.weight)
    return model


@pytest.mark.parametrize("max_batch", [1, 3, 100])
@pytest.mark.parametrize(
    ("size", "crop_size", "stride"),
    [
        ((64, 96), (32, 32), (16, 24)),
        ((64, 96), (32, 32), (32, 32)),
        ((72, 40), (32, 32), (21, 21)),  # the last windows are moved back
        ((32, 80), (64, 32), (40, 20)),  # lower than a window
        ((16, 24), (32, 32), (16, 16)),  # smaller than a window
    ],
)
def test_equal_to_the_stock_slide(size, crop_size, stride, max_batch):
    model = segmentor(crop_size=crop_size, stride=stride, max_batch=max_batch)
    x = images(3, 3, *size)
    metas = [dict(ori_shape=size, img_shape=size, pad_shape=size) for _ in x]
    with torch.no_grad():
        ours = model.inference(x, metas)
        stock = EncoderDecoder.slide_inference(model, x, [dict(meta) for meta in metas])
    torch.testing.assert_close(ours, stock, atol=1e-4, rtol=1e-4)
    assert metas[0]["img_shape"] == size  # the caller's metas are left as they are; mmsegmentation writes into them


def test_no_more_windows_at_once_than_allowed():
    seen = []

    def predict(windows):
        seen.append(len(windows))
        return windows[:, :1]

    x = images(2, 3, 64, 64)
    out = slide_inference(predict, x, 1, (32, 32), (16, 16), max_batch=4)
    torch.testing.assert_close(out, x[:, :1])
    assert max(seen) == 4 and sum(seen) == 2 * 9


@pytest.mark.parametrize(("length", "crop", "stride"), [(100, 32, 20), (32, 32, 5), (10, 32, 5), (33, 32, 32)])
def test_windows_cover_every_pixel(length, crop, stride):
    starts = window_starts(length, crop, stride)
    covered = {p for s in starts for p in range(s, min(s + crop, length))}
    assert covered == set(range(length)) and all(s + crop <= length or s == 0 for s in starts)


@pytest.mark.parametrize(
    ("crop_size", "stride", "max_batch"),
    [((32, 32), (40, 16), 4), ((32, 32), (0, 16), 4), ((0, 32), (16, 16), 4), ((32, 32), (16, 16), 0)],
)
def test_bad_windows(crop_size, stride, max_batch):
    with pytest.raises(ValueError, match="no stride larger than its crop"):
        slide_inference(lambda x: x, images(1, 3, 64, 64), 3, crop_size, stride, max_batch)


@pytest.mark.parametrize("mode", ["whole", "slide"])
@pytest.mark.parametrize("budget", [dict(keep_rate=0.5), dict(resolution=0.75), dict(keep_rate=0.7, resolution=24)])
def test_logits_have_the_size_of_the_image_at_any_budget(mode, budget):
    model = segmentor(budget, crop_size=(32, 32), stride=(16, 24))
    model.test_cfg.mode = mode
    x = images(2, 3, 64, 96)
    metas = [dict(ori_shape=(64, 96), img_shape=(64, 96), pad_shape=(64, 96)) for _ in x]
    with torch.no_grad():
        logits = model.inference(x, metas)
        model.backbone.vit.default_budget = ComputeBudget()
        full = model.inference(x, metas)
    assert logits.shape == full.shape == (2, 5, 64, 96) and not torch.allclose(logits, full)


@pytest.mark.parametrize("mode", ["whole", "slide"])
def test_budget_and_windows_come_with_a_call(mode):
    """A call says how much to compute and which windows to take; the segmentor stays as it is."""
    model, other = segmentor(crop_size=(32, 32), stride=(16, 24)), segmentor(dict(keep_rate=0.5))
    other.load_state_dict(model.state_dict())
    told = dict(mode=mode, crop_size=(48, 32), stride=(24, 32), max_batch=3)
    x = images(2, 3, 64, 96)
    metas = [dict(ori_shape=(64, 96), img_shape=(64, 96), pad_shape=(64, 96)) for _ in x]
    other.test_cfg.update(told)
    with torch.no_grad():
        found = model.inference(x, metas, budget=ComputeBudget(0.5), test_cfg=told)
        assert torch.equal(found, other.inference(x, metas))
        assert not torch.allclose(found, model.inference(x, metas))
        with pytest.raises(ValueError, match="unknown test_cfg.mode 'all': choose one of whole, slide"):
            model.inference(x, metas, test_cfg=dict(mode="all"))
    assert model.backbone.default_budget == ComputeBudget()
