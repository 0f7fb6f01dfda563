"""One run of a comparison of pretraining: an encoder is pretrained, and what its features tell is measured."""

import hashlib
import json
import tempfile
from pathlib import Path
from time import process_time
from typing import Any

from PIL import Image
from scaled_configs import scaled_config
from torch.utils.data import DataLoader

from jumbo_backbone.pretraining import READ_OUTS, Features, features_of, linear_probe, nearest_neighbours

ROOT = Path(__file__).resolve().parents[2]
WORK_DIRS = ROOT / "work_dirs" / "compare"
Settings = dict[str, Any]


def pretrained(settings: Settings, seed: int, root: Path | None) -> dict[str, Any]:
    """Figures of an encoder, in per cent of pictures: ``{read-out}_linear`` and ``{read-out}_neighbours`` for each
    read-out and ``best_linear``, on every tenth training picture, which was held out; with ``test_`` before, on the
    test part. Also ``held_out_loss`` and ``train_cpu_seconds``.

    A run that was interrupted goes on in its work dir, which keeps the encoder.

    Args:
        settings: ``config`` of `jumbo pretrain`; ``iterations``, to which its schedule is scaled, 0 for random weights;
            ``options``, as in --cfg-options; ``pictures`` and ``test``, which files of the folder (wildcards).
        seed: Decides everything.
        root: A folder with a folder per class, or tar files of such; None for a few rendered scenes.
    """
    import jumbo_backbone.segmentation  # noqa: F401  (registers)
    from jumbo_backbone.segmentation.pretraining.classes import ClassPictures, train_and_test

    if root is None:
        with tempfile.TemporaryDirectory() as folder:
            return pretrained(settings, seed, painted(Path(folder)))
    pictures = str(root / settings.get("pictures", ""))
    model, figures = _trained(settings, seed, pictures)
    cfg = model.pretrained_cfg
    train, held_out, classes = train_and_test(pictures, None)
    parts = {"train": train, "": held_out}
    if settings.get("test"):
        _, parts["test_"], _ = train_and_test(pictures, str(root / settings["test"]))
    features = {
        name: features_of(
            model,
            DataLoader(ClassPictures(files, classes, model.patch_embed.img_size, cfg["mean"], cfg["std"]), 128),
        )
        for name, files in parts.items()
    }
    known = features.pop("train")
    for part, asked in features.items():
        figures |= {f"{part}{name}": value for name, value in _scores(known, asked, seed).items()}
    return figures


def painted(folder: Path) -> Path:
    """Forty rendered scenes in two folders, whose names mean nothing: to try that all of it works."""
    from jumbo_backbone.segmentation.data.scenes.scene import render

    for seed in range(40):
        place = folder / ("even", "odd")[seed % 2]
        place.mkdir(exist_ok=True)
        Image.fromarray(render(seed, (64, 64))[0]).save(place / f"{seed:02d}.png")
    return folder


def _trained(settings: Settings, seed: int, pictures: str) -> tuple[Any, dict[str, float]]:
    from mmengine.runner import Runner

    from jumbo_backbone.segmentation.training.starting import choose_start

    iterations = settings["iterations"]
    cfg = scaled_config(ROOT / settings["config"], None, iterations or 100, seed)
    cfg.merge_from_dict(settings.get("options", {}))
    for loader in (cfg.train_dataloader, cfg.val_dataloader):
        loader.dataset.data_root = pictures
    saved = dict(type="AtomicCheckpointHook", by_epoch=False, interval=max(iterations // 40, 1), max_keep_ckpts=1)
    cfg.default_hooks.update(checkpoint=saved, pretrained=dict(type="PretrainedFilesHook", pictures=0))
    told = json.dumps([settings, seed, pictures], sort_keys=True)
    cfg.work_dir = str(WORK_DIRS / hashlib.sha256(told.encode()).hexdigest()[:16])
    choose_start(cfg, "auto", None, lambda text: None)
    runner = Runner.from_cfg(cfg)
    if not iterations:
        runner.model.init_weights()
        return runner.model.backbone.eval(), {}
    begin = process_time()
    runner.train()
    seconds = process_time() - begin
    loss = runner.val_loop.run()["held_out_loss"]
    return runner.model.backbone.eval(), dict(held_out_loss=loss, train_cpu_seconds=seconds)


def _scores(train: Features, asked: Features, seed: int) -> dict[str, float]:
    found = {}
    for name in READ_OUTS:
        found[f"{name}_linear"] = linear_probe(train, asked, name, seed=seed).top1
        found[f"{name}_neighbours"] = nearest_neighbours(train, asked, name)
    return found | dict(best_linear=max(found[f"{name}_linear"] for name in READ_OUTS))
