"""The dial of a segmentor: elastic training, and budgets that change while it is trained."""

from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from mmengine.config import Config
from mmengine.logging import MessageHub
from mmengine.model import revert_sync_batchnorm
from mmengine.registry import HOOKS
from mmengine.runner import Runner
from mmengine.structures import PixelData
from mmseg.registry import MODELS
from mmseg.structures import SegDataSample

from jumbo_backbone import ComputeBudget, distillation_loss
from jumbo_backbone.segmentation import ElasticSegmentor, ExportedSegmentor
from jumbo_backbone.segmentation.models.budget_norms import BudgetNorms
from tests.conftest import images, write_config, write_pairs

CONFIGS = Path(__file__).resolve().parents[4] / "seg_configs"
ELASTIC = dict(keep_rates=[0.5], resolutions=[0.5])


@pytest.fixture()
def config(tmp_path):
    write_pairs(tmp_path, 4)
    cfg = Config.fromfile(write_config(tmp_path))
    cfg.work_dir = str(tmp_path / "run")
    return cfg


def make_elastic(cfg: Config, **changes) -> ElasticSegmentor:
    cfg.model.backbone.drop_path_rate = cfg.model.decode_head.dropout_ratio = 0.0  # one forward is like the other
    return MODELS.build(dict(cfg.model, type="ElasticSegmentor", **{"elastic": ELASTIC, **changes}))


def batch() -> tuple[torch.Tensor, list[SegDataSample]]:
    labels = torch.randint(3, (2, 1, 32, 32), generator=torch.Generator().manual_seed(0))
    return images(2, 3, 32, 32), [SegDataSample(gt_sem_seg=PixelData(data=label)) for label in labels]


@pytest.mark.parametrize(("small", "share"), [(1.0, 1.0), (0.25, 0.4), (0.25, 0.0)])
def test_labels_teach_the_full_budgets_and_these_or_labels_the_others(config, small, share):
    config.model.decode_head.loss_stride = 1
    elastic = dict(ELASTIC, small_weight=small, distill_share=share)
    model, (x, samples) = make_elastic(config, elastic=elastic).train(), batch()
    losses = model.loss(x, samples)
    parts = ["decode.loss_ce", "decode.acc_seg"]
    parts += ["loss_distill"] * (share > 0) + ["reduced.loss_ce", "reduced.acc_seg"] * (share < 1)
    assert set(losses) == {f"{size}.{part}" for size in ("full", "small") for part in parts}
    for size, resolution, weight in (("full", None, 1.0), ("small", 0.5, small)):
        weight = weight / (2 + 2 * small)
        logits = model.decode_head(model.extract_feat(x, ComputeBudget(resolution=resolution)))
        student = model.decode_head(model.extract_feat(x, ComputeBudget(0.5, resolution=resolution)))
        full, reduced = (model.decode_head.loss_by_feat(scores, samples)["loss_ce"] for scores in (logits, student))
        torch.testing.assert_close(losses[f"{size}.decode.loss_ce"], full * weight)
        if share > 0:
            divergence = distillation_loss(student, logits)
            torch.testing.assert_close(losses[f"{size}.loss_distill"], divergence * weight * share)
        if share < 1:
            torch.testing.assert_close(losses[f"{size}.reduced.loss_ce"], reduced * weight * (1 - share))
    assert model.backbone.default_budget == ComputeBudget()


def test_budgets_follow_the_iteration(config):
    elastic = dict(keep_rates=[0.3, 0.6], resolutions=[1.0], warmup=[0.2, 0.4])
    model, (x, samples) = make_elastic(config, elastic=elastic).train(), batch()
    hub = MessageHub.get_current_instance()
    hub.update_info("max_iters", 10)
    asked, losses = [], []
    forward = model.backbone.forward
    model.backbone.forward = lambda x, budget=None: asked.append(budget) or forward(x, budget)
    for step in range(10):
        hub.update_info("iter", step)
        losses.append(set(model.loss(x, samples)))
    pairs = [pair for step in range(10) for pair in model.elastic.draw(step, step / 10)]
    assert asked == [budget for pair in pairs for budget in (pair.full, pair.reduced) if budget is not None]
    assert {0.3, 0.6, 1.0} < {b.keep_rate for b in asked}
    distilled = ["full.loss_distill" in found for found in losses]
    assert distilled == [False] * 3 + [True] * 7
    hub.runtime_info.clear()


def test_elastic_trains_validates_and_tests_at_any_budget(config):
    config.model = dict(config.model, type="ElasticSegmentor", elastic=ELASTIC)
    runner = Runner.from_cfg(config)
    runner.train()
    for budget in (ComputeBudget(), ComputeBudget(0.3), ComputeBudget(0.5, resolution=0.5)):
        runner.model.backbone.default_budget = budget
        assert 0 <= runner.test()["mIoU"] <= 100


@pytest.mark.parametrize("name", ["ade20k", "camvid", "scenes"])
def test_configs_differ_from_the_plain_ones_in_this_alone(name):
    elastic, plain = (Config.fromfile(CONFIGS / f"jumbo_upernet_{name}{end}.py") for end in ("_elastic", ""))
    assert elastic.model.pop("elastic") and elastic.model.pop("type") == "ElasticSegmentor"
    assert plain.model.pop("type") == "JumboSegmentor"
    assert elastic.to_dict() == plain.to_dict()


@pytest.mark.parametrize(
    ("hook", "rates"),
    [
        (dict(type="TokenDroppingHook", first=0.8, last=0.0), [0.2, 0.4, 0.6, 0.8]),
        (dict(type="KeepRateWarmupHook", start=0.25, end=0.75), [1.0, 1.0, 0.75, 0.5]),
    ],
)
def test_hooks_schedule_the_budget_of_each_training_step(config, hook, rates):
    config.model.backbone.budget = dict(keep_rate=0.5, reduce_at=[1])
    config.train_cfg.update(max_iters=4, val_interval=2)
    config.custom_hooks.append(hook)
    runner, seen = Runner.from_cfg(config), []
    backbone = runner.model.backbone
    forward = backbone.forward

    def watched(x, budget=None):
        assert backbone.default_budget == own  # the budget comes with the call
        seen.append((backbone.training, budget))
        return forward(x, budget)

    own = ComputeBudget(0.5, reduce_at=(1,))
    backbone.forward = watched
    runner.train()
    assert [budget.keep_rate for training, budget in seen if training] == pytest.approx(rates)
    assert {budget for training, budget in seen if not training} == {None}
    seen.clear()
    backbone.train()(images(1, 3, 32, 32))
    assert seen == [(True, None)]  # the hook went with the training


def test_a_budget_that_a_call_names_goes_before_the_schedule_s(config):
    backbone = MODELS.build(config.model).backbone.train()
    hook, full, half = HOOKS.build(dict(type="TokenDroppingHook")), ComputeBudget(), ComputeBudget(0.5)
    hook._now = half
    for kwargs in ({}, dict(budget=None)):
        assert hook._name_budget(backbone, ("x",), kwargs) == (("x",), dict(budget=half))
    for args, kwargs in ((("x", full), {}), (("x",), dict(budget=full))):
        assert hook._name_budget(backbone, args, kwargs) == (args, kwargs)


def test_a_step_that_was_cut_short_leaves_no_budget_to_predictions(config):
    model, x = MODELS.build(config.model), images(1, 3, 32, 32)
    expected = model.backbone.eval()(x)
    hook, runner = HOOKS.build(dict(type="TokenDroppingHook")), SimpleNamespace(model=model, iter=0, max_iters=8)
    hook.before_train(runner)
    hook.before_train_iter(runner, 0)
    assert not torch.allclose(model.backbone.train()(x)[0], expected[0])
    for found, before in zip(model.backbone.eval()(x), expected, strict=True):
        torch.testing.assert_close(found, before)


# ---- batch norms


FULL, HALF, SMALL = ComputeBudget(), ComputeBudget(0.5), ComputeBudget(resolution=0.5)


def feed(norms: BudgetNorms, model: torch.nn.Module, budget: ComputeBudget, mean: float) -> None:
    with norms.learning(model, budget):
        for _ in range(60):
            model(images(64, 3, 2, 2) + mean)


def test_each_budget_has_statistics_of_its_own():
    model = torch.nn.Sequential(torch.nn.BatchNorm2d(3), torch.nn.ReLU(), torch.nn.BatchNorm2d(3)).train()
    norms = BudgetNorms(model, [FULL, HALF, SMALL])
    feed(norms, model, FULL, 1.0)
    feed(norms, model, HALF, 5.0)
    for budget, mean in ((FULL, 1.0), (HALF, 5.0), (ComputeBudget(0.6), 5.0), (ComputeBudget(0.9), 1.0)):
        norms.use(model, budget)
        torch.testing.assert_close(model[0].running_mean, torch.full((3,), mean), atol=0.2, rtol=0)
    norms.use(model, HALF)
    assert norms.use(model, SMALL) == 2 and model[0].running_mean.mean() > 4  # never trained: what is there stays
    feed(norms, model, SMALL, -3.0)
    for budget in (SMALL, ComputeBudget(resolution=0.6), ComputeBudget(0.3, resolution=0.5)):
        norms.use(model, FULL)
        norms.use(model, budget)
        assert model[0].running_mean.mean() < -2


def test_statistics_are_saved_and_survive_another_kind_of_norm(config):
    model = make_elastic(config).train()
    model.loss(*batch())
    again = revert_sync_batchnorm(make_elastic(config))
    again.load_state_dict(model.state_dict())
    model, x = revert_sync_batchnorm(model).eval(), batch()[0]
    again.eval()
    seen = []
    for budget in (FULL, HALF, SMALL):
        model.backbone.default_budget = again.backbone.default_budget = budget
        with torch.no_grad():
            seen.append(model.encode_decode(x, [dict(img_shape=(32, 32))]))
            assert torch.equal(seen[-1], again.encode_decode(x, [dict(img_shape=(32, 32))]))
    fresh = model.norms.statistics
    assert fresh.unique(dim=0).shape[0] == len(model.elastic.grid())


@pytest.mark.parametrize("budget", [FULL, HALF, SMALL])
def test_exports_at_any_budget(config, budget):
    model = revert_sync_batchnorm(make_elastic(config)).train()
    model.loss(*batch())
    model.backbone.default_budget = budget
    exported, x = ExportedSegmentor(model), 255 * torch.rand(3, 3, 32, 32)
    with torch.no_grad():
        program = torch.export.export(exported, (x,), dynamic_shapes=({0: torch.export.Dim("batch", min=2, max=8)},))
        for size in (3, 5):
            y = 255 * torch.rand(size, 3, 32, 32)
            torch.testing.assert_close(program.module()(y), exported(y), atol=1e-4, rtol=1e-4)


def test_bad_input(config):
    for elastic, told in (
        (dict(keep_rates=[]), "keep_rates is empty"),
        (dict(reduce_at=[5]), "does not fit a model of 2 blocks"),
    ):
        with pytest.raises(ValueError, match=told):
            make_elastic(config, elastic=elastic)
    for hook in (dict(type="TokenDroppingHook", first=1.5), dict(type="KeepRateWarmupHook", start=2)):
        with pytest.raises(ValueError, match="share"):
            HOOKS.build(hook)


def test_a_backbone_without_a_dial_is_refused(config):
    config.model.backbone = dict(
        type="TimmViTBackbone", model_name="vit_tiny_patch16_224", img_size=32, out_indices=(0, 1)
    )
    config.model.decode_head.in_channels = [192, 192]
    config.custom_hooks.append(dict(type="TokenDroppingHook"))
    with pytest.raises(TypeError, match="TokenDroppingHook needs a JumboViTBackbone, not TimmViTBackbone"):
        Runner.from_cfg(config).train()
    with pytest.raises(TypeError, match="ElasticSegmentor needs a JumboViTBackbone, not TimmViTBackbone"):
        make_elastic(config)
