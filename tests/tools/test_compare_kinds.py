"""What runs measure, on small things of which the answer is known."""

import importlib
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import load_file

from tests.conftest import imported_tool, write_config, write_pairs

REGISTERS = dict(jumbo_ffn="patch", jumbo_multiplier=5)
SMALL = dict(embed_dim=8, num_heads=2, depth=1, max_epochs=1)


@pytest.fixture(scope="module")
def kinds():
    pytest.importorskip("sktime")
    with imported_tool("compare_kinds") as module:
        yield module


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """A sum of two waves, which a linear map of the past continues exactly."""
    folder = tmp_path_factory.mktemp("data") / "somewhere" / "below"
    folder.mkdir(parents=True)
    t = np.arange(600)
    values = dict(a=np.sin(t / 5) + np.cos(t / 3), b=np.sin(t / 7))
    pd.DataFrame(dict(date=pd.date_range("2020-01-01", periods=600, freq="h"), **values)).to_csv(
        folder / "waves.csv", index=False
    )
    return folder.parents[1]


def test_least_squares_continue_waves_and_the_last_value_does_not(kinds, data):
    settings = dict(data="waves.csv", horizon=12, params=dict(context_length=24))
    learned = kinds.measure("forecasting", settings | dict(peer="nlinear"), 0, data, 1)
    assert learned["mse"] < 1e-6
    still = kinds.measure("forecasting", settings | dict(peer="persistence"), 0, data, 1)
    assert still["mse"] > 0.1
    values = pd.read_csv(next(data.rglob("waves.csv")))[["a", "b"]].to_numpy()
    values = (values - values[:420].mean(axis=0)) / values[:420].std(axis=0)
    cuts = np.arange(480, 600 - 12 + 1)  # 7:1:2
    errors = values[cuts[:, None] + np.arange(12)] - values[cuts - 1][:, None]
    assert still["mse"] == pytest.approx((errors**2).mean(), rel=1e-6)
    assert still["mae"] == pytest.approx(np.abs(errors).mean(), rel=1e-6)


@pytest.mark.parametrize("encoder", [{}, REGISTERS, dict(jumbo_ffn="none")], ids=["jumbo", "registers", "no ffn"])
def test_a_forecaster_of_another_encoder_is_fitted(kinds, data, encoder):
    settings = dict(data="waves.csv", horizon=12, params=dict(SMALL, context_length=24), encoder=encoder)
    found = kinds.measure("forecasting", settings, 0, data, 1)
    assert 0 <= found["mse"] < 1 and found["fit_seconds"] > 0


def test_the_encoder_of_an_experiment_reaches_the_estimators(kinds, data, monkeypatch):
    """With the estimators as they are: what is built has the arguments, and nothing else differs."""
    built = []
    for kind in (kinds.JumboClassifier, kinds.JumboForecaster):
        fit = kind._fit

        def noting(self, *args, fit=fit, **kwargs):
            built.append(fit(self, *args, **kwargs))
            return built[-1]

        monkeypatch.setattr(kind, "_fit", noting)
    for encoder in (REGISTERS, None):
        told = {} if encoder is None else dict(encoder=encoder)
        kinds.measure("classification", dict(problem="UnitTest", params=dict(SMALL, num_kernels=0), **told), 0, None, 1)
        params = dict(SMALL, context_length=24)
        kinds.measure("forecasting", dict(data="waves.csv", horizon=12, params=params, **told), 0, data, 1)
    registers, ours = built[:2], built[2:]
    for estimator in registers:
        (network,) = estimator.networks_
        assert network.encoder.encoder.jumbo_multiplier == 5 and network.encoder.encoder.jumbo_mlp is None
        assert network.head.in_features == 2 * 8  # the class token and the mean of the patches
    for estimator in ours:
        (network,) = estimator.networks_
        assert network.encoder.encoder.jumbo_multiplier == 4 and network.head.in_features == 5 * 8


def test_a_classifier_tells_its_validation_loss(kinds):
    settings = dict(problem="UnitTest", params=dict(SMALL, num_kernels=0, max_epochs=3, learning_rate=0.01))
    found = kinds.measure("classification", settings, 1, None, 1)
    assert (found["train"], found["test"]) == (20, 22)
    assert (found["validation_loss"] is None) == (found["epochs"] == 0)


def test_inceptiontime_takes_what_its_experiment_gives(kinds):
    experiment = importlib.import_module("compare_experiments").Experiment
    told = experiment.load(kinds.ROOT / "tools" / "research" / "experiments" / "peers_series.toml")
    (run,) = told.runs(only=[("model", "InceptionTime"), ("problem", "UnitTest"), ("seed", "0")])
    assert run.settings["params"]["num_epochs"] > 1
    run.settings["params"]["num_epochs"] = 1
    figures = kinds.measure("classification", run.settings, 0, None, 1)
    assert 0 <= figures["accuracy"] <= 1 and figures["fit_seconds"] > 0


def test_what_is_lacking_is_said(kinds, data):
    assert kinds.lacks(dict(problem="UnitTest"), None) is None
    assert kinds.lacks(dict(data="waves.csv"), data) is None
    assert kinds.lacks(dict(data=""), None) is None
    assert kinds.lacks(dict(data="ETTh1.csv"), data) == f"no ETTh1.csv within {data}"
    assert kinds.lacks(dict(problem="Libras"), None) == "needs Libras: give --data FOLDER"


@pytest.mark.parametrize("there", [True, False])
def test_what_is_timed_runs_where_it_says_and_else_where_it_is_fastest(kinds, monkeypatch, there):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: there)
    for kind in kinds.TIMED:
        assert kinds.device_of(kind, {}) == "cpu"
        assert kinds.device_of(kind, dict(device="cuda")) == "cuda"
    assert kinds.device_of("forecasting", {}) == ("cuda" if there else "cpu")
    assert kinds.lacks(dict(device="cuda"), None) == (None if there else "needs a GPU")


def test_seconds_of_growth_are_measured(kinds):
    for series in (1, 3):
        settings = dict(series=series, steps=60, horizon=4, params=dict(SMALL, context_length=16))
        found = kinds.measure("growth", settings, 0, None, 1)
        assert found["fit_seconds"] > 0 < found["predict_seconds"]


def test_another_program_is_run_and_its_failure_told(kinds, capsys):
    settings = dict(name="benchmark", models=["jumbo_pico_patch16_224"])
    words = ["--img-size", 32, "--batch-size", 1, "--repeats", 1, "--min-time", 0, "--no-memory", "--warmup", 1]
    (found,) = kinds.measure("program", settings | dict(arguments=words), 0, None, 1)["results"]
    assert found["images_per_s"]["median"] > 0
    with pytest.raises(RuntimeError, match="benchmark .*--img-size 0.* ended with exit code 2"):
        kinds.measure("program", settings | dict(arguments=["--img-size", 0]), 0, None, 1)


def test_a_segmentor_is_trained_tested_and_its_tokens_measured(kinds, tmp_path, monkeypatch):
    pytest.importorskip("mmseg")
    write_pairs(tmp_path / "pairs", 3)
    config = write_config(tmp_path)
    options = {"model.backbone.jumbo_readout": "ignore"}
    settings = dict(config=str(config), iterations=2, data="pairs", options=options)
    found = kinds.measure("segmentation", settings, 0, tmp_path, 1)
    assert 0 <= found["mIoU"] <= 100
    q = found["norm_quantiles"]
    assert q == sorted(q) and len(q) == 10 and q[0] > 0
    first = np.array(found["norm_maps"][0])
    assert q[0] - 0.05 <= first.min() <= first.max() <= q[-1] + 0.05
    assert sum(found["norm_histogram"]) == 3 * first.size


def test_an_encoder_is_pretrained_and_its_features_are_measured(kinds, tmp_path, monkeypatch):
    pytest.importorskip("mmseg")
    import pretraining_runs

    monkeypatch.setattr(pretraining_runs, "WORK_DIRS", tmp_path / "work")
    options = {"train_dataloader.batch_size": 4, "model.encoder.arch.depth": 1}
    settings = dict(config="seg_configs/pretrain_mae_pico.py", iterations=10, data="", options=options)
    found = kinds.measure("pretraining", settings, 0, None, 1)
    assert 0 < found["held_out_loss"] < 3 and found["train_cpu_seconds"] > 0
    assert found["best_linear"] == max(found[f"{name}_linear"] for name in ("jumbo", "mean", "jumbo+mean", "token"))
    pretraining_runs.painted(tmp_path)  # the same as a folder with a test part
    (tmp_path / "pictures").mkdir()
    for name in ("even", "odd"):
        (tmp_path / name).rename(tmp_path / "pictures" / name)
    settings |= dict(iterations=0, data="pictures", test="")
    at_random = kinds.measure("pretraining", settings, 0, tmp_path, 1)
    assert "held_out_loss" not in at_random and 0 <= at_random["mean_neighbours"] <= 100
    again = kinds.measure("pretraining", settings, 0, tmp_path, 1)
    assert again == at_random


def test_an_encoder_is_pretrained_once_and_fine_tuned(kinds, tmp_path, monkeypatch):
    pytest.importorskip("mmseg")
    import pretraining_runs

    monkeypatch.setattr(pretraining_runs, "WORK_DIRS", tmp_path / "work")
    pretraining_runs.painted(tmp_path)
    (tmp_path / "pictures").mkdir()
    for name in ("even", "odd"):
        (tmp_path / name).rename(tmp_path / "pictures" / name)
    options = {"train_dataloader.batch_size": 4, "model.encoder.arch.depth": 1}
    recipe = {"train_dataloader.batch_size": 4}
    settings = dict(config="seg_configs/pretrain_mae_pico.py", iterations=3, data="pictures", options=options)
    settings |= dict(recipe=recipe, fine_tune=2)
    found = kinds.measure("finetuning", settings, 0, tmp_path, 1)
    assert 0 <= found["top1"] <= 100 and found["train_cpu_seconds"] > 0 and "test_top1" not in found
    weights = sorted((tmp_path / "work").rglob("encoder.safetensors"))
    assert len(weights) == 1 and load_file(weights[0])["blocks.0.attn.qkv.weight"].shape == (288, 96)
    assert kinds.measure("finetuning", settings, 0, tmp_path, 1) == {"top1": found["top1"]}  # nothing is trained again
    kinds.measure("finetuning", settings | dict(fine_tune=3), 0, tmp_path, 1)
    assert sorted((tmp_path / "work").rglob("encoder.safetensors")) == weights


def test_a_segmentor_begins_from_a_pretrained_encoder_on_few_images(kinds, tmp_path, monkeypatch):
    pytest.importorskip("mmseg")
    import pretraining_runs
    from mmengine.runner import Runner

    monkeypatch.setattr(pretraining_runs, "WORK_DIRS", tmp_path / "work")
    settings = dict(config="seg_configs/jumbo_upernet_scenes.py", iterations=1, labelled=8)
    settings |= dict(options={"model.backbone.arch.depth": 4, "train_dataloader.batch_size": 2})
    options = {
        "train_dataloader.batch_size": 4,
        "model.encoder.arch.depth": 4,
        "model.encoder.arch.jumbo_multiplier": 4,
    }
    before = dict(config="seg_configs/pretrain_mae_pico.py", iterations=2, data="", options=options)
    configs = []
    build = Runner.from_cfg
    monkeypatch.setattr(Runner, "from_cfg", lambda cfg: configs.append(cfg) or build(cfg))
    found = kinds.measure("segmentation", settings | dict(pretrain=before), 0, None, 1)
    assert 0 <= found["mIoU"] <= 100
    pretraining, segmentation = configs
    start = segmentation.model.backbone.init_cfg
    assert start.type == "Pretrained" and start.checkpoint == str(Path(pretraining.work_dir, "encoder.safetensors"))
    indices = segmentation.train_dataloader.dataset.indices
    assert len(indices) == 8 and indices[0] == 0 and len(set(np.diff(indices))) <= 2


@pytest.mark.parametrize("name", ["architecture_segmentation", "peers_segmentation", "mae_camvid"])
def test_every_segmentor_of_the_experiments_can_be_built_with_its_optimizer(kinds, name):
    pytest.importorskip("mmseg")
    from compare_experiments import Experiment
    from mmengine.optim import build_optim_wrapper
    from mmengine.registry import init_default_scope
    from mmseg.registry import MODELS

    init_default_scope("mmseg")
    experiment = Experiment.load(kinds.ROOT / "tools" / "research" / "experiments" / f"{name}.toml")
    for run in experiment.runs(only=[("seed", "0"), ("width", "pico"), ("width", "nano")]):
        settings = run.settings | dict(config="seg_configs/jumbo_upernet_scenes.py")  # needs no data
        cfg = kinds.config_of(settings, None, 0)
        model = MODELS.build(cfg.model)
        optimizer = build_optim_wrapper(model, cfg.optim_wrapper).optimizer
        assert sum(len(g["params"]) for g in optimizer.param_groups) == sum(1 for _ in model.parameters())


def test_a_classifier_adapts_to_a_stream(kinds, tmp_path, monkeypatch):
    pytest.importorskip("mmseg")
    pytest.importorskip("imagecorruptions")
    import pretraining_runs

    from jumbo_backbone import save_checkpoint
    from jumbo_backbone.segmentation.data import corruptions
    from tests.conftest import tiny_model

    settings = dict(data="", pictures="", checkpoints="", images=16, batch_size=4, stream="shuffled", corruption="fog")
    settings |= dict(severity=5, method="none")
    assert set(kinds.measure("adaptation", settings, 0, None, 1)) == {"top1"}
    sar = kinds.measure("adaptation", settings | dict(method="sar", options=dict(lr=1.0, margin=1.0)), 0, None, 1)
    assert sar["learned"] > 0 and 0 <= sar["top1"] <= 100
    (tmp_path / "pictures").mkdir()
    pretraining_runs.painted(tmp_path / "pictures")
    settings |= dict(data="pictures", checkpoints="of_{}.safetensors", encoder="jumbo", images=0)
    assert kinds.lacks(settings, tmp_path) == f"no of_jumbo.safetensors within {tmp_path}"
    save_checkpoint(tiny_model(img_size=32, patch_size=8, num_classes=2), tmp_path / "of_jumbo.safetensors")
    assert kinds.lacks(settings, tmp_path) is None
    monkeypatch.setattr(corruptions, "COMMON", ("fog", "contrast"))
    mixed = kinds.measure("adaptation", settings | dict(corruption="mixed", stream="mixed"), 0, tmp_path, 1)
    assert set(mixed) == {"top1", "fog", "contrast"}
