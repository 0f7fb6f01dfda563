"""The loss on a lattice of pixels: exactly the stock loss at those pixels, and on average the stock loss."""

import pytest
import torch
from mmengine.structures import PixelData
from mmseg.models.decode_heads import FCNHead, UPerHead
from mmseg.registry import MODELS
from mmseg.structures import SegDataSample

from tests.conftest import images


def head(loss_stride, **options):
    torch.manual_seed(0)
    fcn = dict(type="LatticeFCNHead", in_channels=8, channels=8, num_convs=0, concat_input=False, num_classes=4)
    return MODELS.build(dict(fcn, norm_cfg=dict(type="BN"), dropout_ratio=0.0, loss_stride=loss_stride, **options))


def samples(ignored=0.2):
    generator = torch.Generator().manual_seed(0)
    labels = torch.randint(4, (2, 1, 32, 24), generator=generator)
    labels[torch.rand(labels.shape, generator=generator) < ignored] = 255
    return [SegDataSample(gt_sem_seg=PixelData(data=label)) for label in labels]


def test_stride_1_is_the_stock_loss():
    logits = images(2, 4, 8, 6)
    ours, stock = head(1), head(1)
    expected = FCNHead.loss_by_feat(stock, logits, samples())
    for name, value in ours.loss_by_feat(logits, samples()).items():
        torch.testing.assert_close(value, expected[name])


def test_the_offsets_average_to_the_stock_loss(monkeypatch):
    """All 16 offsets of stride 4 together see every pixel once, in value and in gradient."""
    stock_logits = images(2, 4, 8, 6).requires_grad_()
    FCNHead.loss_by_feat(head(1), stock_logits, samples())["loss_ce"].backward()
    logits, truth, total = images(2, 4, 8, 6).requires_grad_(), samples(), 0.0
    for place in range(16):
        offset = torch.tensor(divmod(place, 4))
        monkeypatch.setattr(torch, "randint", lambda *_, offset=offset: offset)
        total = total + head(4).loss_by_feat(logits, truth)["loss_ce"] / 16
    total.backward()
    torch.testing.assert_close(total, FCNHead.loss_by_feat(head(1), logits, truth)["loss_ce"])
    torch.testing.assert_close(logits.grad, stock_logits.grad)


def test_offsets_are_drawn_anew():
    logits, module = images(2, 4, 8, 6), head(4)
    losses = {round(module.loss_by_feat(logits, samples())["loss_ce"].item(), 6) for _ in range(30)}
    assert len(losses) > 8


def test_samplers_and_several_losses_work_on_the_lattice():
    ohem = dict(type="OHEMPixelSampler", thresh=0.7, min_kept=10)
    losses = [dict(type="CrossEntropyLoss", loss_name="loss_a"), dict(type="DiceLoss", loss_name="loss_b")]
    module = head(4, sampler=ohem, loss_decode=losses)
    logits = images(2, 4, 8, 6).requires_grad_()
    # class_weight and the like are the losses' own business
    found = head(4, loss_decode=losses).loss_by_feat(logits, samples(ignored=0))
    assert set(found) == {"loss_a", "loss_b", "acc_seg"}
    module.loss_decode = module.loss_decode[:1]
    module.loss_by_feat(logits, samples())["loss_a"].backward()
    assert logits.grad.abs().sum() > 0


def kept_share(module, logits, truth) -> float:
    """Of the pixels that the loss looks at, those that its sampler keeps."""
    seen = []
    sample = module.sampler.sample
    module.sampler.sample = lambda *args: seen.append(sample(*args)) or seen[-1]
    module.loss_by_feat(logits, truth)
    return seen[0].mean().item()


@pytest.mark.parametrize("thresh", [0.3, None])
@pytest.mark.parametrize("size", [(32, 24), (31, 25)])
def test_a_sampler_keeps_the_same_share_of_a_lattice(thresh, size):
    """Half the pixels of an image are to be kept at least: half of the lattice's, not all of them."""
    generator = torch.Generator().manual_seed(0)
    labels = torch.randint(4, (8, 1, *size), generator=generator)
    truth = [SegDataSample(gt_sem_seg=PixelData(data=label)) for label in labels]
    ohem = dict(type="OHEMPixelSampler", thresh=thresh, min_kept=size[0] * size[1] // 2)
    logits = images(8, 4, 8, 6) * 3
    everywhere, lattice = (kept_share(head(stride, sampler=ohem), logits, truth) for stride in (1, 4))
    assert 0.4 < everywhere < 0.8
    assert lattice == pytest.approx(everywhere, abs=0.06)


def test_a_loss_keeps_the_same_share_of_a_lattice():
    """A loss may choose hard pixels by itself, and finds its own number as it was afterwards."""
    seen = []

    class Mining(torch.nn.Module):
        loss_name, min_kept = "loss_mined", 320

        def forward(self, logits, labels, **_):
            seen.append(self.min_kept)
            return logits.mean()

    module = head(4)
    module.loss_decode = Mining()
    module.loss_by_feat(images(2, 4, 8, 6), samples())
    assert seen == [320 // 16] and module.loss_decode.min_kept == 320


def test_memory_of_the_loss_does_not_hold_the_full_resolution():
    """What autograd keeps: never a tensor of all classes at all pixels."""
    sizes = []
    logits = images(1, 4, 8, 6).requires_grad_()
    with torch.autograd.graph.saved_tensors_hooks(lambda t: (sizes.append(t.numel()), t)[1], lambda t: t):
        head(4).loss_by_feat(logits, samples()[:1])
    assert max(sizes) < 4 * 32 * 24


@pytest.mark.parametrize("loss_stride", [0, -4])
def test_bad_stride(loss_stride):
    with pytest.raises(ValueError, match=f"loss_stride must be at least 1.*got {loss_stride}"):
        head(loss_stride)


# ---- UPerNet with its last convolution before the resizes


def uper(kind, **options):
    torch.manual_seed(0)
    sizes = dict(in_channels=[8, 6, 8, 8], in_index=[0, 1, 2, 3], pool_scales=(1, 2, 3), channels=10, num_classes=4)
    module = kind(**sizes, norm_cfg=dict(type="BN"), dropout_ratio=0.0, **options)
    for parameter in module.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    return module


def levels(size=(24, 40)):
    h, w = size
    widths = [8, 6, 8, 8]
    return [images(2, c, h // 2**i, w // 2**i, seed=i).requires_grad_() for i, c in enumerate(widths)]


@pytest.mark.parametrize("align_corners", [False, True])
@pytest.mark.parametrize("training", [True, False])
def test_the_same_function_as_the_stock_head(training, align_corners, device):
    ours, stock = (uper(kind, align_corners=align_corners) for kind in (MODELS.get("LatticeUPerHead"), UPerHead))
    ours.load_state_dict(stock.state_dict())
    results = []
    for module in (ours.train(training), stock.train(training)):
        inputs = [x.detach().to(device).requires_grad_() for x in levels()]
        module.to(device)
        out = module(inputs)
        out.square().mean().backward()
        gradients = [x.grad for x in inputs] + [p.grad for p in module.parameters()]
        results.append((out.detach(), gradients, dict(module.named_buffers())))
    (out, gradients, buffers), (expected, expected_gradients, expected_buffers) = results
    torch.testing.assert_close(out, expected, atol=1e-4, rtol=1e-4)
    for found, wanted in zip(gradients, expected_gradients, strict=True):
        torch.testing.assert_close(found, wanted, atol=1e-4 * wanted.abs().max().item(), rtol=1e-3)
    torch.testing.assert_close(buffers, expected_buffers, atol=1e-4, rtol=1e-4)


def test_other_convolutions_are_refused():
    with pytest.raises(ValueError, match="plain convolutions.*Conv2dAdaptivePadding.*use UPerHead"):
        uper(MODELS.get("LatticeUPerHead"), conv_cfg=dict(type="Conv2dAdaptivePadding"))
