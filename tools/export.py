#!/usr/bin/env python3
"""Export a trained segmentation model to ONNX: fixed image size, free batch."""

import argparse
from collections.abc import Sequence
from pathlib import Path

import torch
from mmengine.model import revert_sync_batchnorm
from mmengine.registry import init_default_scope
from mmseg.registry import MODELS

from jumbo_backbone.files import make_room
from jumbo_backbone.segmentation import ExportedSegmentor
from jumbo_backbone.segmentation.cli import (
    add_budget_arguments,
    add_config_arguments,
    in_users_terms,
    read_config,
    require_one_model,
    use_budget,
)
from jumbo_backbone.segmentation.data.consistency import require_as_trained
from jumbo_backbone.segmentation.data.image_input import ImageReader
from jumbo_backbone.segmentation.training.loading import load_strictly

EPILOG = """examples:
  export.py seg_configs/jumbo_upernet_ade20k.py best_mIoU_iter_160000.pth --size 512 512 --out jumbo.onnx
  export.py CONFIG CHECKPOINT --keep-rate 0.7 --out faster.onnx

Input "images": float32 (batch, bands, H, W) with the values of the image files, RGB of three bands, else the bands in
the order in which the config's loader gives them; output: logits (batch, classes, H, W). Resizing to H x W is left to
you. The file's metadata says what it takes: bands, channel_order, values, mean and std (which are applied within),
classes. Needs pip install '.[onnx]'.
"""


def main(argv: Sequence[str] | None = None) -> Path:
    """Export as the arguments say; returns the file."""
    parser = argparse.ArgumentParser(
        description=__doc__, epilog=EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_config_arguments(parser)
    parser.add_argument("checkpoint", type=Path, help="a .pth that tools/train.py left")
    parser.add_argument("--size", type=int, nargs=2, metavar=("H", "W"), help="pixels (default: the training size)")
    parser.add_argument("--out", type=Path, default=Path("segmentor.onnx"), help="default: %(default)s")
    add_budget_arguments(parser)
    args = parser.parse_args(argv)
    with in_users_terms("export.py"):
        cfg = read_config(args)
        require_one_model(cfg, "exported")
        make_room(args.out)
        use_budget(cfg, args.keep_rate, args.resolution)
        init_default_scope("mmseg")
        cfg.model.backbone.pop("init_cfg", None)
        segmentor = revert_sync_batchnorm(MODELS.build(cfg.model))
        meta = load_strictly(segmentor, args.checkpoint)
        require_as_trained(cfg, meta, classes=False)
        reader = ImageReader.of(cfg) if cfg.get("test_dataloader") else ImageReader()
        model = ExportedSegmentor(segmentor, reader.facts.order)
        images = torch.rand(2, model.takes.bands, *(args.size or cfg.model.data_preprocessor.size)) * 255
        temporary = args.out.with_name(f".{args.out.name}.tmp.onnx")
        with torch.no_grad():
            model(images)  # a size that does not fit fails here, in plain words
        program = torch.onnx.export(
            model,
            (images,),
            dynamo=True,
            dynamic_shapes={"images": {0: "batch"}},
            input_names=["images"],
            output_names=["logits"],
            verbose=False,
        )
        program.model.metadata_props.update(model.describe(reader, meta.get("dataset_meta")))
        program.save(str(temporary), external_data=False)
        temporary.replace(args.out)
    print(args.out)
    return args.out


if __name__ == "__main__":
    main()
