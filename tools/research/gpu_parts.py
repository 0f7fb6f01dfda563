"""The parts of a GPU report (see gpu_report.py): each measures, in a process of its own, and returns records."""

import json
import os
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
BENCHMARK = [ROOT / "tools" / "benchmark.py"]
PRESETS = ("pico", "nano", "tiny", "small", "base", "large")
Records = list[dict[str, Any]]


@dataclass(frozen=True)
class At:
    """Where a part runs: "cuda" or "cpu", and whether only to show that it works, at tiny sizes."""

    device: str
    tiny: bool

    @property
    def threads(self) -> int:
        return torch.get_num_threads()


@dataclass(frozen=True)
class Part:
    """One measurement of the report.

    Attributes:
        title: Its heading on the page.
        measure: Measures; a failure is an exception.
        columns: Heading on the page to a record's key, or to that and the unit it is shown in.
        needs: Modules without which it is skipped.
    """

    title: str
    measure: Callable[[At], Records]
    columns: dict[str, Any]
    needs: tuple[str, ...] = field(default=())


def told_by(program: list[str | Path], arguments: list[Any], at: At) -> Records:
    """The records of another program, by the keys of its --json; Python runs it in a process of its own."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "results.json")
        where = ["--device", at.device, "--threads", at.threads, "--json", path]
        words = [str(word) for word in [*program, *arguments, *where]]
        environment = dict(os.environ, PYTHONPATH=os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]))
        if subprocess.run([sys.executable, *words], env=environment).returncode:
            raise RuntimeError(f"{words[0]} failed; it says why above")
        return json.loads(path.read_text())["results"]


# ---- the suite


def device_tests(at: At) -> Records:
    """The tests that are for a device, there: a record of the counts, and one for each that failed."""
    few = ["tests/jumbo_backbone/models/test_encoder.py", "tests/timeseries/networks/test_network.py"]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "report.xml")
        command = [sys.executable, "-m", "pytest", "-q", "-m", "device or cuda", f"--device={at.device}"]
        command += [f"--junit-xml={path}", "-p", "no:cacheprovider", *(few if at.tiny else [])]
        environment = dict(os.environ, PYTHONPATH=os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]))
        code = subprocess.run(command, cwd=ROOT, env=environment).returncode
        if not path.exists():
            raise RuntimeError(f"pytest ended with exit code {code}; it says why above")
        return test_records(path)


def test_records(report: Path) -> Records:
    """Of a JUnit file."""
    cases = list(xml.etree.ElementTree.parse(report).iter("testcase"))
    broken = [c for c in cases if c.find("failure") is not None or c.find("error") is not None]
    skipped = [c for c in cases if c.find("skipped") is not None]
    counts = dict(passed=len(cases) - len(broken) - len(skipped), failed=len(broken), skipped=len(skipped))
    failures = []
    for case in broken:
        told = case.find("failure") if case.find("failure") is not None else case.find("error")
        why = (told.get("message") or "").splitlines() or ["no message"]
        failures.append(dict(test=f"{case.get('classname')}::{case.get('name')}", why=why[0]))
    return [dict(test="all", **counts), *failures]


# ---- images


def pairs(presets: tuple[str, ...]) -> list[str]:
    """Each preset after its twin with registers."""
    return [name for p in presets for name in (f"registers_{p}", f"jumbo_{p}_patch16_224")]


def speed(at: At, preset: str, *, compiled: bool) -> Records:
    """Images/s of a preset and its twin; the ratio is to the twin."""
    sizes = ["--batch-size", 2, "--img-size", 32, "--repeats", 1, "--model-kwargs", "depth=1"]
    sizes = sizes if at.tiny else ["--batch-size", 256, 1, "--repeats", 10]
    arguments = [*pairs((preset,)), "--dtype", "bfloat16", *sizes, *["--compile"] * compiled, "--no-memory"]
    return told_by(BENCHMARK, arguments, at)


def speeds(*, compiled: bool) -> Callable[[At], Records]:
    def measure(at: At) -> Records:
        presets = PRESETS[:1] if at.tiny else PRESETS
        return [record for preset in presets for record in speed(at, preset, compiled=compiled)]

    return measure


def keep_rates(at: At) -> Records:
    sizes = ["--batch-size", 2, "--img-size", 64, "--repeats", 1]
    sizes = sizes if at.tiny else ["--batch-size", 256, "--repeats", 10]
    presets = ("pico",) if at.tiny else ("small", "base")
    records = []
    for preset in presets:  # ratios are to the first
        budgets = ["--keep-rate", 1, 0.7, 0.5, "--dtype", "bfloat16", "--no-memory"]
        records += told_by(BENCHMARK, [f"jumbo_{preset}_patch16_224", *budgets, *sizes], at)
    return records


def training_steps(at: At) -> Records:
    sizes = ["--batch-size", 2, "--img-size", 32, "--repeats", 1, "--no-memory"]
    sizes = sizes if at.tiny else ["--batch-size", 128, "--repeats", 10]
    records = []
    for preset in ("pico",) if at.tiny else PRESETS[:5]:
        records += told_by(BENCHMARK, [*pairs((preset,)), "--mode", "train", "--dtype", "bfloat16", *sizes], at)
    return records


# ---- segmentation


def segmentation_step(at: At) -> Records:
    """A training step of the ADE20K config as it is, and of its twin with registers."""
    cases = dict(registers="registers_small_upernet_ade20k.py", jumbo="jumbo_upernet_ade20k.py")
    words = [w for name, config in cases.items() for w in ("--case", name, ROOT / "seg_configs" / config)]
    sizes = ["--batch-size", 2, "--img-size", 64, "--repeats", 1, "--no-memory"]
    sizes = sizes if at.tiny else ["--batch-size", 16, "--img-size", 512, "--repeats", 7]
    return told_by([HERE / "benchmark_segmentation.py"], [*words, "--mode", "train", "--amp", *sizes], at)


def segmentation_run(at: At) -> Records:
    """Iterations of the ADE20K config by mmengine's runner, on random images and labels."""
    from mmengine.runner import Runner

    import jumbo_backbone.segmentation  # noqa: F401  registers

    iterations, batch, crop = (3, 2, 64) if at.tiny else (200, 16, 512)
    with tempfile.TemporaryDirectory() as folder:
        cfg = random_ade20k(Path(folder), crop, batch, iterations)
        if at.tiny:
            cfg.train_dataloader.update(num_workers=0, persistent_workers=False)
        if at.device == "cuda":
            torch.cuda.reset_peak_memory_stats()
        runner = Runner.from_cfg(cfg)
        begin = time.perf_counter()
        runner.train()
        seconds = time.perf_counter() - begin
        # the first tenth is the start of the loading processes and the choice of kernels
        rest = slice(iterations // 10, None)
        step, data, loss = (runner.message_hub.get_scalar(f"train/{n}").data[0] for n in ("time", "data_time", "loss"))
    record = dict(iterations=iterations, batch_size=batch, crop=crop, seconds=seconds)
    record |= dict(step_s=float(np.median(step[rest])), waiting_s=float(np.median(data[rest])))
    record |= dict(first_loss=float(np.mean(loss[: iterations // 10 + 1])), last_loss=float(np.mean(loss[rest][-20:])))
    if not np.isfinite(loss).all():
        raise RuntimeError(f"the loss is no number from iteration {int(np.argmin(np.isfinite(loss))) + 1} on")
    peak = torch.cuda.max_memory_allocated() if at.device == "cuda" else None
    return [record | dict(peak_memory_bytes=peak)]


def random_ade20k(folder: Path, crop: int, batch: int, iterations: int, count: int = 64) -> Any:
    """The ADE20K config, its data replaced by ``count`` pairs of random pixels of ADE20K's usual size in ``folder``."""
    from mmengine.config import Config
    from PIL import Image

    rng = np.random.default_rng(0)
    for kind, suffix in (("images", "jpg"), ("annotations", "png")):
        path = folder / kind / "training"
        path.mkdir(parents=True)
        for i in range(count):
            if kind == "images":
                pixels = rng.integers(256, size=(512, 683, 3), dtype=np.uint8)
            else:  # squares of one label, as labels have areas
                pixels = rng.integers(151, size=(8, 11), dtype=np.uint8).repeat(64, axis=0).repeat(64, axis=1)[:, :683]
            Image.fromarray(pixels).save(path / f"{i:03d}.{suffix}")
    cfg = Config.fromfile(ROOT / "seg_configs" / "jumbo_upernet_ade20k.py")
    cfg.model.backbone.pop("init_cfg")  # no network, and no weights that a figure here depends on
    cfg.model.backbone.img_size = crop
    cfg.model.data_preprocessor.size = (crop, crop)
    for step in cfg.train_dataloader.dataset.pipeline:
        if "crop_size" in step:
            step.crop_size = (crop, crop)
    cfg.train_dataloader.batch_size = batch
    cfg.train_dataloader.dataset.data_root = str(folder)
    for name in ("val", "test"):
        for key in (f"{name}_dataloader", f"{name}_evaluator", f"{name}_cfg"):
            cfg.pop(key, None)
    cfg.optim_wrapper.type = "AutocastOptimWrapper"
    cfg.train_cfg = dict(type="IterBasedTrainLoop", max_iters=iterations)
    cfg.param_scheduler = []
    cfg.default_hooks.checkpoint = dict(
        type="CheckpointHook", by_epoch=False, interval=10 * iterations, save_last=False
    )
    cfg.default_hooks.logger = dict(type="LoggerHook", interval=10, log_metric_by_epoch=False)
    cfg.custom_hooks = []
    cfg.work_dir = str(folder / "run")
    return cfg


# ---- series


def forecaster_fit(at: At) -> Records:
    """A panel of random walks, with default arguments."""
    import pandas as pd

    from timeseries import JumboForecaster

    count, steps, horizon = (2, 60, 4) if at.tiny else (100, 1000, 24)
    values = np.random.default_rng(0).normal(size=(count, steps)).cumsum(axis=1)
    index = pd.MultiIndex.from_product([range(count), range(steps)], names=["series", "step"])
    y = pd.DataFrame({"y": values.ravel()}, index=index)
    options = dict(max_epochs=1) if at.tiny else {}

    def timed(device: str) -> dict[str, float]:
        forecaster = JumboForecaster(random_state=0, device=device, **options)
        begin = time.perf_counter()
        forecaster.fit(y, fh=range(1, horizon + 1))
        fitted = time.perf_counter()
        forecaster.predict()
        return dict(fit_s=fitted - begin, predict_s=time.perf_counter() - fitted)

    return on_each(at, timed, f"{count} series of {steps} steps")


def classifier_fit(at: At) -> Records:
    """Noisy sines of two periods, with default arguments, but for a network that is trained."""
    from timeseries import JumboClassifier

    count, steps = (12, 30) if at.tiny else (400, 512)
    rng = np.random.default_rng(0)
    y = np.arange(count) % 2
    X = np.sin(np.arange(steps) / (4 + 4 * y[:, None, None])) + rng.normal(size=(count, 1, steps))
    options = dict(max_epochs=1, num_kernels=84) if at.tiny else {}

    def timed(device: str) -> dict[str, float]:
        classifier = JumboClassifier(pretrained=None, random_state=0, device=device, **options)
        begin = time.perf_counter()
        classifier.fit(X, y)
        fitted = time.perf_counter()
        classifier.predict(X)
        return dict(fit_s=fitted - begin, predict_s=time.perf_counter() - fitted)

    return on_each(at, timed, f"{count} series of {steps} steps")


def on_each(at: At, timed: Callable[[str], dict[str, float]], what: str) -> Records:
    """On the device, the second of two calls (the first one loads its kernels), and on CPU beside it."""
    records = []
    for device in dict.fromkeys([at.device, "cpu"]):
        if device != "cpu":
            timed(device)
        records.append(dict(data=what, device=device, **timed(device)))
    return records


RATES = {"": "model", "px": "img_size", "batch": "batch_size", "images/s": "images_per_s", "of the twin's": "ratio"}
FITS = {"": "data", "device": "device", "fit s": "fit_s", "predict s": "predict_s"}
MIB = {"key": "peak_memory_bytes", "unit": 2**20}
SHARE = {"of the matrix-product rate, %": {"key": "matmul_share", "unit": 0.01}}

PARTS: dict[str, Part] = dict(
    tests=Part(
        "Tests on the device",
        device_tests,
        {"": "test", "passed": "passed", "failed": "failed", "skipped": "skipped", "why": "why"},
        ("pytest",),
    ),
    speed=Part("Images/s, bfloat16", speeds(compiled=False), RATES | SHARE),
    keep_rates=Part(
        "Images/s at keep rates, bfloat16",
        keep_rates,
        {"": "model", "keep rate": "keep_rate", "images/s": "images_per_s", "of all patches'": "ratio"} | SHARE,
    ),
    training=Part("Training steps, bfloat16", training_steps, RATES | {"peak MiB": MIB} | SHARE),
    segmentation_step=Part(
        "A training step of UPerNet on ADE20K's config, autocast",
        segmentation_step,
        {"": "name", "s a step": "latency_s", "time of the registers'": "time_ratio", "peak MiB": MIB},
        ("mmseg",),
    ),
    segmentation_run=Part(
        "Iterations of ADE20K's config on random pixels, autocast",
        segmentation_run,
        {
            "iterations": "iterations",
            "batch": "batch_size",
            "crop": "crop",
            "s an iteration": "step_s",
            "of it waiting for data": "waiting_s",
            "loss at first": "first_loss",
            "at last": "last_loss",
            "peak MiB": MIB,
        },
        ("mmseg",),
    ),
    forecaster=Part("JumboForecaster, default arguments", forecaster_fit, FITS, ("sktime",)),
    classifier=Part("JumboClassifier, default arguments", classifier_fit, FITS, ("sktime",)),
    speed_compiled=Part("Images/s, bfloat16, compiled", speeds(compiled=True), RATES | SHARE),
)
