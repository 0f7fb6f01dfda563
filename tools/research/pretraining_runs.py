"""One run of a comparison of pretraining: an encoder is pretrained, and what its features tell, or what fine-tuning
makes of it, is measured."""

import hashlib
import json
import tempfile
from collections.abc import Iterator
from pathlib import Path
from time import process_time
from typing import Any, cast

import torch
from PIL import Image
from scaled_configs import scaled_config
from torch.utils.data import DataLoader

from jumbo_backbone import JumboViT, save_checkpoint
from jumbo_backbone.models.rebuild import model_of_file
from jumbo_backbone.pretraining import READ_OUTS, Features, features_of, linear_probe, nearest_neighbours

ROOT = Path(__file__).resolve().parents[2]
WORK_DIRS = ROOT / "work_dirs" / "compare"
Settings = dict[str, Any]
Figures = dict[str, Any]


def pretrained(settings: Settings, seed: int, root: Path | None) -> Figures:
    """Figures of an encoder, in per cent of pictures: ``{read-out}_linear`` and ``{read-out}_neighbours`` for each
    read-out and ``best_linear``, on every tenth training picture, which was held out; with ``test_`` before, on the
    test part. Also those of ``pretrain``.

    Args:
        settings: Those of ``pretrain``; ``pictures`` and ``test``, which files of the folder (wildcards).
        seed: Decides everything.
        root: A folder with a folder per class, or tar files of such; None for a few rendered scenes.
    """
    if root is None:
        with tempfile.TemporaryDirectory() as folder:
            return pretrained(settings, seed, painted(Path(folder)))
    path, figures = pretrain(settings, seed, str(root / settings.get("pictures", "")))
    features = {name: features_of(model_of_file(path), loader) for name, loader in _parts(settings, root, path)}
    known = features.pop("train")
    for part, asked in features.items():
        figures |= {f"{part}{name}": value for name, value in _scores(known, asked, seed).items()}
    return figures


def fine_tuned(settings: Settings, seed: int, root: Path | None) -> Figures:
    """Top-1 in per cent of an encoder that was pretrained and then fine-tuned: ``top1`` on every tenth training
    picture, which was held out, and ``test_top1`` on the test part. ``train_cpu_seconds`` are of fine-tuning alone,
    and lack if it was interrupted.

    Args:
        settings: As in ``pretrained``; ``fine_tune``, iterations of the recipe finetune_pico; ``recipe``, options of
            its config.
        seed: Decides everything.
        root: As in ``pretrained``.
    """
    from jumbo_backbone.segmentation.pretraining.classes import train_and_test
    from jumbo_backbone.segmentation.pretraining.fine_tuning import RECIPE, fine_tune_from

    if root is None:
        with tempfile.TemporaryDirectory() as folder:
            return fine_tuned(settings, seed, painted(Path(folder)))
    pictures = str(root / settings.get("pictures", ""))
    path, _ = pretrain(settings, seed, pictures)
    cfg = scaled_config(RECIPE, None, settings["fine_tune"], seed)
    cfg.merge_from_dict(settings.get("recipe", {}))
    _, _, classes = train_and_test(pictures, None)
    data = [dict(data_root=pictures, part=part) for part in ("train", "held_out")]
    checkpoint = path if settings["iterations"] else None
    fine_tune_from(cfg, model_of_file(path), checkpoint, data, classes, settings["fine_tune"])
    runner, seconds = _run(cfg, [settings, seed, pictures])
    figures = dict(train_cpu_seconds=seconds) if seconds else {}
    model = cast(JumboViT, runner.model.backbone).eval()
    for name, loader in _parts(settings, root, path):
        if name != "train":
            with torch.inference_mode():
                right = [(model(images).argmax(dim=1) == labels).float() for images, labels in loader]
            figures[f"{name}top1"] = 100 * torch.cat(right).mean().item()
    return figures


def encoder_of(settings: Settings, root: Path | None) -> Path:
    """The file of an encoder pretrained with seed 0. Settings: those of ``pretrain``, and ``pictures``; ``root`` as in
    ``pretrained``."""
    if root is None:
        with tempfile.TemporaryDirectory() as folder:
            return encoder_of(settings, painted(Path(folder)))
    return pretrain(settings, 0, str(root / settings.get("pictures", "")))[0]


def painted(folder: Path) -> Path:
    """Forty rendered scenes in two folders, whose names mean nothing: to try that all of it works."""
    from jumbo_backbone.segmentation.data.scenes.scene import render

    for seed in range(40):
        place = folder / ("even", "odd")[seed % 2]
        place.mkdir(exist_ok=True)
        Image.fromarray(render(seed, (64, 64))[0]).save(place / f"{seed:02d}.png")
    return folder


def pretrain(settings: Settings, seed: int, pictures: str) -> tuple[Path, Figures]:
    """The file of an encoder, and ``held_out_loss`` and ``train_cpu_seconds`` (both lack for random weights, the
    seconds also for a run that was interrupted). It is kept, so that other experiments find it.

    Args:
        settings: ``config`` of `jumbo pretrain`; ``iterations``, to which its schedule is scaled, 0 for random weights;
            ``options``, as in --cfg-options.
        seed: Decides everything.
        pictures: See ``find_pictures``.
    """
    iterations = settings["iterations"]
    cfg = scaled_config(ROOT / settings["config"], None, iterations or 100, seed)
    cfg.merge_from_dict(settings.get("options", {}))
    for loader in (cfg.train_dataloader, cfg.val_dataloader):
        loader.dataset.data_root = pictures
    cfg.default_hooks.update(pretrained=dict(type="PretrainedFilesHook", pictures=0))
    told = [{key: settings.get(key) for key in ("config", "iterations", "options")}, seed, pictures]
    runner, seconds = _run(cfg, told, iterations)
    path = Path(cfg.work_dir, "encoder.safetensors")
    if not iterations:
        runner.model.init_weights()
    save_checkpoint(runner.model.backbone, path)
    if not iterations:
        return path, {}
    loss = runner.val_loop.run()["held_out_loss"]
    return path, dict(held_out_loss=loss) | (dict(train_cpu_seconds=seconds) if seconds else {})


def _run(cfg: Any, told: Any, iterations: int = 1) -> tuple[Any, float | None]:
    """Train in a work dir of what is told, going on where an earlier call was interrupted (none is trained for 0
    iterations). Gives the runner and seconds of the processor; None if a part was trained before."""
    from mmengine.runner import Runner

    import jumbo_backbone.segmentation  # noqa: F401  (registers)
    from jumbo_backbone.segmentation.training.starting import choose_start

    every = max(cfg.train_cfg.max_iters // 40, 1)
    cfg.default_hooks.checkpoint = dict(type="AtomicCheckpointHook", by_epoch=False, interval=every, max_keep_ckpts=1)
    cfg.work_dir = str(WORK_DIRS / hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()[:16])
    choose_start(cfg, "auto", None, lambda text: None)
    runner = Runner.from_cfg(cfg)
    begin = process_time()
    if iterations:
        runner.train()
    return runner, None if cfg.resume else process_time() - begin


def _parts(settings: Settings, root: Path, encoder: Path) -> Iterator[tuple[str, DataLoader]]:
    """Pictures of each part with the number of their class, as an encoder takes them: "train", "" (held out) and, if
    there is one, "test_"."""
    from jumbo_backbone.segmentation.pretraining.classes import ClassPictures, train_and_test

    pictures = str(root / settings.get("pictures", ""))
    train, held_out, classes = train_and_test(pictures, None)
    parts = {"train": train, "": held_out}
    if settings.get("test"):
        _, parts["test_"], _ = train_and_test(pictures, str(root / settings["test"]))
    model = model_of_file(encoder)
    cfg, size = model.pretrained_cfg, model.patch_embed.img_size
    for name, files in parts.items():
        yield name, DataLoader(ClassPictures(files, classes, size, cfg["mean"], cfg["std"]), 128)


def _scores(train: Features, asked: Features, seed: int) -> dict[str, float]:
    found = {}
    for name in READ_OUTS:
        found[f"{name}_linear"] = linear_probe(train, asked, name, seed=seed).top1
        found[f"{name}_neighbours"] = nearest_neighbours(train, asked, name)
    return found | dict(best_linear=max(found[f"{name}_linear"] for name in READ_OUTS))
