"""What one run of a comparison measures, by the kind of its experiment (see compare.py)."""

import importlib
import importlib.util
import json
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path
from time import perf_counter, process_time
from typing import Any

import numpy as np
import pandas as pd
import sktime.datasets
import torch
from adaptation_runs import adapted
from archives import drawn, load, measure_minirocket
from archives import timed as timed_classifier
from pretraining_runs import encoder_of, fine_tuned, pretrained
from scaled_configs import scaled_config
from torch import nn

from timeseries import JumboClassifier, JumboForecaster
from timeseries.datasets import evaluate_long_horizon, load_long_horizon

ROOT = Path(__file__).resolve().parents[2]
Settings = dict[str, Any]
Figures = dict[str, Any]
_QUANTILES = (0.0, 0.01, 0.1, 0.25, 0.5, 0.75, 0.9, 0.99, 0.999, 1.0)
_MAPS = 4  # crops of which all norms are kept, for a picture


def lacks(settings: Settings, data: Path | None) -> str | None:
    """What a run needs that is not there, if anything: data, or a library."""
    needed = settings.get("data"), settings.get("problem"), settings.get("pretrain", {}).get("data")
    for name in (*needed, checkpoint_of(settings)):
        if name and not is_bundled(name) and not (data and any(data.rglob(name))):
            return f"no {name} within {data}" if data else f"needs {name}: give --data FOLDER"
    if settings.get("peer") == "minirocket" and not importlib.util.find_spec("numba"):
        return "needs numba: pip install '.[benchmark]'"
    if settings.get("device") == "cuda" and not torch.cuda.is_available():
        return "needs a GPU"
    if settings.get("corruption") and not importlib.util.find_spec("imagecorruptions"):
        return "needs imagecorruptions: pip install '.[robustness]'"
    return None


def device_of(kind: str, settings: Settings) -> str:
    """Where a run takes place: what is timed where its settings say, anything else where it is fastest."""
    if kind in TIMED:
        return settings.get("device", "cpu")
    return "cuda" if torch.cuda.is_available() else "cpu"


def is_bundled(problem: str) -> bool:
    """Whether sktime brings a problem of this name."""
    return Path(sktime.datasets.__file__).with_name("data").joinpath(problem).is_dir()


def found(data: Path | None, name: str) -> Path:
    return sorted(data.rglob(name))[0]


# ---- segmentation


def segmentation(settings: Settings, seed: int, data: Path | None) -> Figures:
    """A config of ``tools/train.py``, trained and tested, and the norms of its patch tokens.

    Settings: ``config``; ``data``, the name of its folder; ``iterations``, to which its schedule is scaled;
    ``options``, as in --cfg-options; ``without``, parts of the model to leave out; ``labelled``, how many images of
    the training part are used, spread evenly over it (all); ``pretrain``, of an encoder that is pretrained before:
    settings of ``pretraining_runs.encoder_of``, of 0 iterations for none, and ``data``, as in ``pretraining``.
    """
    from mmengine.registry import init_default_scope
    from mmengine.runner import Runner
    from mmseg.registry import DATASETS

    import jumbo_backbone.segmentation  # noqa: F401  (registers)

    root = found(data, settings["data"]) if settings.get("data") else None
    cfg = config_of(settings, root, seed)
    if count := settings.get("labelled"):
        init_default_scope(cfg.default_scope)
        images = len(DATASETS.build(cfg.train_dataloader.dataset))
        cfg.train_dataloader.dataset.indices = [i * images // count for i in range(count)]
    if (before := settings.get("pretrain", {})).get("iterations"):
        encoder = encoder_of(before, found(data, before["data"]) if before["data"] else None)
        cfg.model.backbone.init_cfg = dict(type="Pretrained", checkpoint=str(encoder))
    with tempfile.TemporaryDirectory() as folder:
        cfg.work_dir = folder
        runner = Runner.from_cfg(cfg)
        begin = process_time()
        runner.train()
        trained = process_time()
        metrics = runner.test()
        tested = process_time()
    return dict(
        **{name: float(metrics[name]) for name in ("mIoU", "aAcc", "mAcc")},
        train_cpu_seconds=trained - begin,
        test_cpu_seconds=tested - trained,
        params=sum(p.numel() for p in runner.model.parameters()),
        backbone_params=sum(p.numel() for p in runner.model.backbone.parameters()),
        **patch_norms(runner.model.eval(), runner.test_dataloader),
    )


def config_of(settings: Settings, data_root: Path | None, seed: int):
    """The config of a run."""
    cfg = scaled_config(ROOT / settings["config"], data_root, settings["iterations"], seed)
    cfg.merge_from_dict(settings.get("options", {}))
    for part in settings.get("without", ()):
        cfg.model.pop(part)
    return cfg


@torch.no_grad()
def patch_norms(model: nn.Module, loader) -> Figures:
    """Lengths of the patch tokens after the last block, before the final norm, on the middle of every validation image:
    quantiles, and all of them for a few images (artefacts are the tokens that are many times longer than the others;
    Darcet et al., "Vision Transformers Need Registers", 2024, section 2.1)."""
    vit = getattr(model.backbone, "vit", None)
    if vit is None:  # not one of those that are compared in this
        return {}
    tokens: list[torch.Tensor] = []
    handle = vit.blocks[-1].register_forward_hook(lambda _, __, output: tokens.append(output.cpu()))
    for batch in loader:
        x = model.data_preprocessor(batch)["inputs"]
        height, width = (min(pair) for pair in zip(vit.patch_embed.img_size, x.shape[2:], strict=True))
        top, left = (x.shape[2] - height) // 2, (x.shape[3] - width) // 2
        model.backbone(x[:, :, top : top + height, left : left + width])
    handle.remove()
    norms = torch.cat(tokens)[:, vit.num_prefix_tokens :].norm(dim=2)  # (images, N)
    maps = norms[:_MAPS].unflatten(
        1, [n // p for n, p in zip((height, width), vit.patch_embed.patch_size, strict=True)]
    )
    return dict(
        norm_quantiles=[round(float(q), 4) for q in np.quantile(norms.numpy(), _QUANTILES)],
        norm_histogram=np.histogram((norms / norms.median()).numpy(), bins=60, range=(0, 6))[0].tolist(),
        norm_maps=[[[round(v, 1) for v in row] for row in m] for m in maps.tolist()],
    )


# ---- pretraining


def pretraining(settings: Settings, seed: int, data: Path | None) -> Figures:
    """An encoder pretrained on pictures, see ``pretraining_runs.pretrained``. Settings: also ``data``, the name of a
    folder, or nothing for rendered scenes."""
    return pretrained(settings, seed, found(data, settings["data"]) if settings["data"] else None)


def finetuning(settings: Settings, seed: int, data: Path | None) -> Figures:
    """An encoder pretrained and fine-tuned on pictures, see ``pretraining_runs.fine_tuned``. Settings: also ``data``,
    as in ``pretraining``."""
    return fine_tuned(settings, seed, found(data, settings["data"]) if settings["data"] else None)


def adaptation(settings: Settings, seed: int, data: Path | None) -> Figures:
    """A classifier on a stream of corrupted pictures, see ``adaptation_runs.adapted``.

    Settings: also ``data``, the name of a folder, or nothing for rendered scenes; ``checkpoints``, the name of a
    classifier's file, in which {} stands for ``encoder``, or nothing for random weights.
    """
    checkpoint, root = (found(data, name) if name else None for name in (checkpoint_of(settings), settings["data"]))
    return adapted(settings, seed, checkpoint, root)


def checkpoint_of(settings: Settings) -> str:
    """The name of the file that a run begins with; empty for none."""
    return settings.get("checkpoints", "").format(settings.get("encoder"))


# ---- series


def classification(settings: Settings, seed: int, data: Path | None) -> Figures:
    """A classifier on a problem of the UCR and UEA archives.

    Settings: ``problem``; ``params`` of ``JumboClassifier``, which trains its network if they do not name pretrained
    weights, and its ``encoder``; or ``peer``, "minirocket" or "inceptiontime"; and ``per_class``, how many series of
    each class to learn from (all).
    """
    problem = settings["problem"]
    train, test = load(problem if is_bundled(problem) else str(found(data, problem)))
    train = drawn(train, settings.get("per_class"), seed)
    sizes = dict(train=len(train[1]), test=len(test[1]))
    if peer := settings.get("peer"):
        return sizes | _PEERS[peer](train, test, seed, settings.get("params", {}))
    params = dict(pretrained=None) | settings.get("params", {})
    classifier = JumboClassifier(**params, encoder=settings.get("encoder"), random_state=seed)
    told = timed_classifier(classifier, train, test)
    (history,) = classifier.history_
    kept = next((e.score for e in history.epochs if e.number == history.best), None)  # None: the start was no worse
    return sizes | told | dict(validation_loss=kept, epochs=history.best)


def _inceptiontime(train: tuple, test: tuple, seed: int, params: Settings) -> Figures:
    from sktime.classification.deep_learning import InceptionTimeClassifierTorch

    order = np.random.default_rng(seed).permutation(len(train[1]))  # its loader does not shuffle
    X = train[0].iloc[order].reset_index(drop=True)
    return timed_classifier(InceptionTimeClassifierTorch(random_state=seed, **params), (X, train[1][order]), test)


_PEERS: dict[str, Callable[..., Figures]] = dict(
    minirocket=lambda train, test, seed, params: measure_minirocket(train, test, seed),
    inceptiontime=_inceptiontime,
)


def forecasting(settings: Settings, seed: int, data: Path | None) -> Figures:
    """A forecaster by the protocol of the long-horizon benchmarks.

    Settings: ``data``, the name of a CSV file; ``horizon``; ``params`` of ``JumboForecaster`` and its ``encoder``; or
    ``peer``, "nlinear" or "persistence", which reads ``params.context_length`` steps.
    """
    path, horizon = found(data, settings["data"]), settings["horizon"]
    params = settings.get("params", {})
    if peer := settings.get("peer"):
        return linear_forecasts(path, params["context_length"], horizon, learn=peer == "nlinear")
    forecaster = JumboForecaster(**params, encoder=settings.get("encoder"), random_state=seed)
    return evaluate_long_horizon(forecaster, path, horizon)


def linear_forecasts(path: Path, context: int, horizon: int, learn: bool) -> Figures:
    """The last value, plus what a linear map of the distances from it adds (NLinear; Zeng et al., AAAI 2023, section
    4.2), by least squares over all windows of all channels in the training range."""
    data = load_long_horizon(path)
    begin = perf_counter()
    known = data.values[: data.train.stop]  # as ours, which has the validation range to stop by
    products, targets = np.zeros((context, context)), np.zeros((context, horizon))
    for channel in known.T if learn else ():
        x, y = windows(channel, context, horizon)
        products += x.T @ x
        targets += x.T @ y
    weights = np.linalg.lstsq(products, targets)[0] if learn else targets
    fitted = perf_counter()
    squared, absolute = [], []
    for channel in data.values[data.test.start - context : data.test.stop].T:
        x, y = windows(channel, context, horizon)
        errors = x @ weights - y
        squared.append(float((errors**2).mean()))
        absolute.append(float(np.abs(errors).mean()))
    seconds = dict(fit_seconds=fitted - begin, predict_seconds=perf_counter() - fitted)
    return dict(mse=float(np.mean(squared)), mae=float(np.mean(absolute)), **seconds)


def windows(values: np.ndarray, context: int, horizon: int) -> tuple[np.ndarray, np.ndarray]:
    """All contexts (n, L) of one channel (T,) and what follows each (n, H), as distances from its last value."""
    whole = np.lib.stride_tricks.sliding_window_view(values, context + horizon)
    last = whole[:, context - 1 : context]
    return whole[:, :context] - last, whole[:, context:] - last


def growth(settings: Settings, seed: int, data: Path | None) -> Figures:
    """Seconds of fitting a forecaster and of forecasting, on random walks.

    Settings: ``series``, how many; ``steps`` of each; ``params`` of ``JumboForecaster``; ``horizon``; ``device``,
    "cpu" or "cuda".
    """
    count, steps = settings["series"], settings["steps"]
    values = np.random.default_rng(seed).normal(size=(count, steps)).cumsum(axis=1)
    index = pd.MultiIndex.from_product([range(count), range(steps)], names=["series", "step"])
    y = pd.DataFrame({"y": values.ravel()}, index=index)
    device = device_of("growth", settings)
    forecaster = JumboForecaster(**settings.get("params", {}), device=device, random_state=seed)
    begin = perf_counter()
    forecaster.fit(y if count > 1 else y.droplevel(0)["y"], fh=range(1, settings["horizon"] + 1))
    fitted = perf_counter()
    forecaster.predict()
    return dict(fit_seconds=fitted - begin, predict_seconds=perf_counter() - fitted)


# ---- other programs


def program(settings: Settings, seed: int, data: Path | None) -> Figures:
    """What a subcommand of `jumbo` measures. Settings: its ``name``, ``models``, ``arguments``, and ``device``,
    "cpu" or "cuda"."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "results.json")
        command = importlib.import_module(f"jumbo_cli.commands.{settings['name']}").COMMAND
        where = ["--device", device_of("program", settings), "--threads", str(torch.get_num_threads())]
        words = [*settings["models"], *map(str, settings["arguments"]), *where]
        code = command.run([*words, "--json", str(path)])
        if code or not path.exists():
            raise RuntimeError(f"{settings['name']} {' '.join(words)} ended with exit code {code}")
        return dict(results=json.loads(path.read_text())["results"])


KINDS: dict[str, Callable[[Settings, int, Path | None], Figures]] = dict(
    segmentation=segmentation,
    pretraining=pretraining,
    finetuning=finetuning,
    adaptation=adaptation,
    classification=classification,
    forecasting=forecasting,
    growth=growth,
    program=program,
)
TIMED = ("growth", "program")  # what is timed has the machine to itself


def measure(kind: str, settings: Settings, seed: int, data: Path | None, threads: int) -> Figures:
    """One run, on so many threads."""
    torch.set_num_threads(threads)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return KINDS[kind](settings, seed, data)
