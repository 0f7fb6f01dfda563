"""A cascade of segmentors answers as its members do, image by image."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from mmengine.config import Config
from mmseg.models import EncoderDecoder, SegTTAModel
from mmseg.registry import MODELS
from mmseg.structures import SegDataSample

from jumbo_backbone import Calibration, ComputeBudget
from jumbo_backbone.committees.committee import confidence_of
from jumbo_backbone.segmentation import CascadeSegmentor
from jumbo_backbone.segmentation.models.cascade import valid_pixels
from tests.conftest import images, write_config, write_trained

CHEAP = dict(keep_rate=0.5, resolution=0.5)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cascade")
    config = write_config(folder)
    (folder / "elastic.py").write_text(
        f"_base_ = {str(config)!r}\nmodel = dict(type='ElasticSegmentor', elastic=dict(keep_rates=[0.5], "
        "resolutions=[0.5]))\n"
    )
    for name in ("tiny", "elastic"):
        write_trained(folder / f"{name}.py", folder / f"{name}.pth")
    write_trained(config, folder / "other.pth", seed=1)
    return folder


def member(folder, config="tiny", checkpoint=None, **rest):
    return dict(config=str(folder / f"{config}.py"), checkpoint=str(folder / f"{checkpoint or config}.pth"), **rest)


def make(folder, *members, **kwargs) -> CascadeSegmentor:
    return MODELS.build(dict(type="CascadeSegmentor", members=list(members), **kwargs)).eval()


def metas(x: torch.Tensor) -> list[dict]:
    return [dict(img_shape=x.shape[2:], ori_shape=x.shape[2:]) for _ in x]


def alone(folder, x, checkpoint="tiny", budget=None):
    config = Config.fromfile(folder / f"{'elastic' if checkpoint == 'elastic' else 'tiny'}.py")
    model = MODELS.build(config.model).eval()
    model.load_state_dict(torch.load(folder / f"{checkpoint}.pth")["state_dict"])
    model.backbone.default_budget = ComputeBudget(**budget or {})
    with torch.inference_mode():
        return model.inference(x, metas(x))


@pytest.mark.parametrize("config", ["tiny", "elastic"])
def test_budgets_of_one_checkpoint(folder, config):
    x = images(6, 3, 32, 48)
    cheap, full = alone(folder, x, config, CHEAP), alone(folder, x, config)
    lower, upper = confidence_of(cheap).sort().values[2:4].tolist()
    cascade = make(
        folder, member(folder, config, budget=CHEAP), member(folder, config), thresholds=[(lower + upper) / 2]
    )
    with torch.inference_mode():
        found = cascade.inference(x, metas(x))
    leaves = confidence_of(cheap) >= (lower + upper) / 2
    torch.testing.assert_close(found, torch.where(leaves[:, None, None, None], cheap, full), atol=1e-5, rtol=1e-5)
    assert cascade.answered == [3, 3] and cascade.cascade.names == ["keep 0.5 at 0.5", "full"]
    cascade.forget()
    assert cascade.answered == [0, 0]
    assert len(cascade.cascade.models) == 1  # the weights are there once
    assert cascade.cascade.models[0].segmentor.backbone.default_budget == ComputeBudget()


def test_members_of_two_checkpoints(folder):
    x = images(6, 3, 32, 48)
    first, second = alone(folder, x), alone(folder, x, "other")
    threshold = float(confidence_of(first).sort().values[2:4].mean())
    members = member(folder, name="first"), member(folder, checkpoint="other", name="second")
    cascade = make(folder, *members, thresholds=[threshold])
    with torch.inference_mode():
        found = cascade.inference(x, metas(x))
    leaves = confidence_of(first) >= threshold
    assert cascade.answered == [3, 3] and cascade.cascade.names == ["first", "second"]
    torch.testing.assert_close(found, torch.where(leaves[:, None, None, None], first, second), atol=1e-5, rtol=1e-5)


def test_members_of_one_checkpoint_with_other_windows(folder):
    x, slide = images(2, 3, 48, 64), dict(mode="slide", crop_size=(32, 32), stride=(32, 32))
    coarse = member(folder, budget=CHEAP, test_cfg=slide)
    cascade = make(folder, coarse, member(folder), thresholds=[0.0])
    assert cascade.cascade.names[0].endswith("stride (32, 32)")
    first, second = cascade.cascade.models
    assert first.segmentor is second.segmentor
    with torch.inference_mode():
        found = cascade.inference(x, metas(x))
        cascade.cascade.thresholds = [float("inf")]
        torch.testing.assert_close(cascade.inference(x, metas(x)), alone(folder, x))
    windows = [alone(folder, x[:, :, y : y + 32, z : z + 32], budget=CHEAP) for y in (0, 16) for z in (0, 32)]
    expected = torch.cat([torch.cat(windows[:2], dim=3), torch.cat(windows[2:], dim=3)[:, :, 16:]], dim=2)
    torch.testing.assert_close(found[:, :, :16], expected[:, :, :16])
    torch.testing.assert_close(found[:, :, 32:], expected[:, :, 32:])


def test_a_segmentor_of_mmsegmentation_is_a_member_too(folder):
    stock = folder / "stock.py"
    stock.write_text(f"_base_ = {str(folder / 'tiny.py')!r}\nmodel = dict(type='EncoderDecoder')\n")
    cascade = make(folder, member(folder, "stock", "tiny"), member(folder))
    x = images(2, 3, 32, 32)
    with torch.inference_mode():
        torch.testing.assert_close(cascade.inference(x, metas(x)), alone(folder, x))


def at_once(*calls):
    """What calls give that run in threads of their own."""

    def run(call):
        with torch.inference_mode():
            return call()

    with ThreadPoolExecutor(len(calls)) as pool:
        return list(pool.map(run, calls))


SLIDE = dict(mode="slide", crop_size=(32, 32), stride=(16, 32))


@pytest.mark.parametrize("others", [dict(budget=CHEAP), dict(test_cfg=SLIDE), dict(budget=CHEAP, test_cfg=SLIDE)])
@pytest.mark.parametrize("first", [0, 1])
def test_threads_get_their_own_answers(folder, others, first):
    """Members of one checkpoint share its network: nothing that one is told may reach the other."""
    cascade = make(folder, member(folder, **others), member(folder), thresholds=[1.0])
    network, x = cascade.cascade.models[0].segmentor, images(2, 3, 48, 64)
    with torch.inference_mode():
        alone = [cascade.cascade.ask(i, x) for i in (0, 1)]
    inside = threading.Barrier(2, timeout=30)
    met = threading.local()

    def meet(*_) -> None:  # both threads are within the network at once, one time
        if not hasattr(met, "once"):
            met.once = inside.wait()

    with_hook = network.backbone.register_forward_pre_hook(meet)
    found = at_once(*(lambda i=i: cascade.cascade.ask(i, x) for i in (first, 1 - first)))
    with_hook.remove()
    for i, scores in zip((first, 1 - first), found, strict=True):
        torch.testing.assert_close(scores, alone[i])
    assert network.backbone.default_budget == ComputeBudget() and network.test_cfg.mode == "whole"


def test_threads_get_the_statistics_of_their_own_budget(folder):
    cascade = make(folder, member(folder, "elastic", budget=CHEAP), member(folder, "elastic"), thresholds=[1.0])
    network, x = cascade.cascade.models[0].segmentor, images(2, 3, 48, 64)
    network.norms.known.fill_(True)
    network.norms.statistics.uniform_(0.5, 2.0, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        alone = [cascade.cascade.ask(i, x) for i in (0, 1)]
    assert not torch.allclose(*alone, atol=1e-2)
    started, asked = threading.Event(), threading.Event()

    def wait(*_) -> None:  # the first thread lets the second one go ahead, if that can
        if not started.is_set():
            started.set()
            asked.wait(0.3)

    def second() -> torch.Tensor:
        assert started.wait(30)
        scores = cascade.cascade.ask(1, x)
        asked.set()
        return scores

    handle = network.backbone.register_forward_hook(wait)  # the statistics are in place, the norms are yet to come
    found = at_once(lambda: cascade.cascade.ask(0, x), second)
    handle.remove()
    assert started.is_set()
    for scores, expected in zip(found, alone, strict=True):
        torch.testing.assert_close(scores, expected)


def test_threads_are_all_counted(folder):
    cascade = make(folder, member(folder, budget=CHEAP), member(folder), thresholds=[0.0])
    x = images(2, 3, 16, 16)
    at_once(*[lambda: cascade.inference(x, metas(x))] * 20)
    assert cascade.answered == [40, 0]


@pytest.mark.parametrize("told", [dict(budget=CHEAP), dict(test_cfg=SLIDE)])
def test_a_segmentor_that_takes_no_budget_is_refused(folder, told):
    @MODELS.register_module(name="OwnSegmentor", force=True)
    class OwnSegmentor(EncoderDecoder): ...

    own, x = folder / "own.py", images(2, 3, 32, 32)
    own.write_text(f"_base_ = {str(folder / 'tiny.py')!r}\nmodel = dict(type='OwnSegmentor')\n")
    with torch.inference_mode():
        plain = make(folder, member(folder, "own", "tiny")).inference(x, metas(x))
    torch.testing.assert_close(plain, alone(folder, x))
    with pytest.raises(TypeError, match=r"own.py has a OwnSegmentor, .*: derive it from JumboSegmentor"):
        make(folder, member(folder, "own", "tiny", **told))


def test_a_segmentor_of_mmsegmentation_takes_a_budget(folder):
    stock, x = folder / "stock.py", images(2, 3, 48, 64)
    stock.write_text(f"_base_ = {str(folder / 'tiny.py')!r}\nmodel = dict(type='EncoderDecoder')\n")
    cascade = make(folder, member(folder, "stock", "tiny", budget=CHEAP), member(folder), thresholds=[0.0])
    with torch.inference_mode():
        torch.testing.assert_close(cascade.inference(x, metas(x)), alone(folder, x, budget=CHEAP))


def test_prediction_and_augmentation_run(folder):
    cascade = make(folder, member(folder, budget=CHEAP), member(folder))
    data = dict(inputs=[torch.randint(255, (3, 20, 30), dtype=torch.uint8)], data_samples=[sample(20, 30)])
    with torch.inference_mode():
        (found,) = cascade.test_step(data)
        assert found.pred_sem_seg.data.shape == (1, 20, 30)
        repeated = {key: [[value[0].clone()] for _ in range(2)] for key, value in data.items()}
        (augmented,) = SegTTAModel(module=cascade).test_step(repeated)
    assert torch.equal(augmented.pred_sem_seg.data, found.pred_sem_seg.data)


def sample(height: int, width: int) -> SegDataSample:
    return SegDataSample(metainfo=dict(img_shape=(height, width), ori_shape=(height, width), img_path="a.png"))


def test_padding_does_not_count():
    x = torch.zeros(2, 3, 4, 6)
    valid = valid_pixels(x, [dict(img_padding_size=(0, 2, 0, 1)), {}])
    assert valid[0].sum() == 3 * 4 and valid[0, :3, :4].all() and valid[1].all()
    assert valid_pixels(x, [{}, {}]) is None


def test_a_calibration_is_loaded(folder, tmp_path):
    cascade = make(folder, member(folder, budget=CHEAP), member(folder))
    facts = dict(costs=[1, 2], unit="FLOPs", target=0.5, metric="mIoU", value=0.5, member_values=[0.4, 0.5])
    found = Calibration(
        names=cascade.cascade.names,
        thresholds=[0.25],
        temperatures=[2.0, 1.0],
        confidence="margin",
        ensemble=True,
        shares=[0.5, 0.5],
        expected_cost=2,
        worst_cost=3,
        **facts,
    )
    found.save(tmp_path / "calibration.json")
    meta = cascade.load_calibration(tmp_path / "calibration.json")
    inner = cascade.cascade
    assert (inner.thresholds, inner.temperatures, inner.confidence, inner.ensemble) == (
        (0.25,),
        (2.0, 1.0),
        "margin",
        True,
    )
    assert list(meta["dataset_meta"]["classes"]) == ["ground", "box", "disc"]
    with pytest.raises(ValueError, match="calibrate it anew"):
        make(folder, member(folder), member(folder)).load_calibration(tmp_path / "calibration.json")


def test_it_is_not_trained(folder):
    cascade = make(folder, member(folder))
    with pytest.raises(TypeError, match="train its members"):
        cascade.loss(images(1, 3, 32, 32), [])
    with pytest.raises(TypeError, match="ask its members"):
        cascade.extract_feat(images(1, 3, 32, 32))
    before = {name: t.clone() for name, t in cascade.state_dict().items()}
    cascade.init_weights()
    assert all(torch.equal(t, before[name]) for name, t in cascade.state_dict().items())


BAD = {
    "no config": (lambda f: make(f, member(f, "none")), FileNotFoundError, "no config at .*none.py"),
    "no checkpoint": (lambda f: make(f, member(f, checkpoint="none")), FileNotFoundError, "no checkpoint at"),
    "no members": (lambda f: make(f), ValueError, "members is empty"),
    "thresholds": (lambda f: make(f, member(f), thresholds=[0.5]), ValueError, "1 thresholds for 1 members"),
    "budget": (lambda f: make(f, member(f, budget=dict(keep_rate=2))), ValueError, "keep_rate 2"),
    "classes": (lambda f: make(f, member(f), member(f, "four")), ValueError, "3 maps of scores, .* 4"),
    "names": (lambda f: make(f, member(f), member(f, "named")), ValueError, "name other classes"),
    "mean": (lambda f: make(f, member(f), member(f, "dark", "tiny")), ValueError, "with mean=.*prepared once"),
    "dial": (lambda f: make(f, member(f, "timm", budget=CHEAP)), TypeError, "needs a JumboViTBackbone"),
}
VARIANTS = {
    "four": "decode_head=dict(num_classes=4)",
    "named": "",
    "dark": "data_preprocessor=dict(mean=[0.0] * 3)",
    "timm": "backbone=dict(_delete_=True, type='TimmViTBackbone', model_name='vit_tiny_patch16_224', img_size=32, "
    "out_indices=(0, 1), patch_size=8, embed_dim=24, depth=2, num_heads=2)",
}


@pytest.mark.parametrize("what", BAD)
def test_bad_input(folder, what):
    for name, change in VARIANTS.items():
        path = folder / f"{name}.py"
        if not path.exists():
            path.write_text(f"_base_ = {str(folder / 'tiny.py')!r}\nmodel = dict({change})\n")
            if name != "dark":
                write_trained(path, folder / f"{name}.pth")
            if name == "named":
                saved = torch.load(folder / "named.pth")
                saved["meta"]["dataset_meta"]["classes"] = ("a", "b", "c")
                torch.save(saved, folder / "named.pth")
    do, kind, told = BAD[what]
    with pytest.raises(kind, match=told):
        do(folder)
