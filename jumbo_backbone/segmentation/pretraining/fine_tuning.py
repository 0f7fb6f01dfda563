"""Fine-tuning the encoder of a file, by the recipe of the config finetune_pico."""

import os
from collections.abc import Sequence

from mmengine.config import Config

from ...models.vit import JumboViT
from ..configs.schedule import scale_schedule

RECIPE = "finetune_pico"
_ENDS = ("num_classes", "global_pool")  # the classifier has its own


def fine_tune_from(
    cfg: Config,
    model: JumboViT,
    checkpoint: str | os.PathLike | None,
    data: Sequence[dict],
    classes: Sequence[str],
    iterations: int,
    img_size: int | None = None,
) -> None:
    """Make a config of ``ImageClassifier`` fine-tune a model, validated once, at the end; the rates' schedule is
    stretched to the iterations.

    Args:
        cfg: The config, which is changed.
        model: It has the sizes and the normalisation of images that are wanted; its weights are not read.
        checkpoint: The weights to start from; None to train from random ones.
        data: Arguments of the data sets to train on and to validate on: ``data_root`` and ``part``.
        classes: Names of the classes.
        iterations: Steps of training.
        img_size: Side of the images in pixels; None for the model's own.
    """
    sizes = {name: value for name, value in model.constructor_arguments().items() if name not in _ENDS}
    size = img_size or sizes["img_size"]
    encoder = dict(sizes, img_size=size, drop_path_rate=cfg.model.encoder.get("drop_path_rate", 0.0))
    cfg.model.pop("encoder")
    start = dict(type="FromScratch") if checkpoint is None else dict(type="Pretrained", checkpoint=str(checkpoint))
    cfg.model.update(encoder=encoder, num_classes=len(classes), init_cfg=start)
    about = model.pretrained_cfg
    cfg.model.data_preprocessor.update({key: [255 * share for share in about[key]] for key in ("mean", "std")})
    side = size if isinstance(size, int) else max(size)
    for loader, dataset in zip((cfg.train_dataloader, cfg.val_dataloader), data, strict=True):
        # twice the side: a crop of a quarter of the area is as sharp as from the file
        loader.dataset.update(dataset, classes=list(classes), img_size=size, keep_side=2 * side)
    scale_schedule(cfg, iterations)
    cfg.train_cfg.val_interval = iterations
    cfg.default_hooks.checkpoint.update(interval=max(iterations // 40, 1), save_best=None)
