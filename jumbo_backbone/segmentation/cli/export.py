"""What `jumbo export` does."""

import argparse
from pathlib import Path

import torch
from mmengine.model import revert_sync_batchnorm
from mmengine.registry import init_default_scope
from mmseg.registry import MODELS

from ...files import make_room
from ..data.consistency import require_as_trained
from ..data.image_input import ImageReader
from ..models.exported import ExportedSegmentor
from ..training.loading import load_strictly
from .config import read_config, require_one_model, use_budget
from .failing import in_users_terms


def run(args: argparse.Namespace) -> Path:
    """Export as the arguments say; returns the file."""
    with in_users_terms(args.prog):
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
        assert program is not None  # of dynamo=True
        program.model.metadata_props.update(model.describe(reader, meta.get("dataset_meta")))
        program.save(str(temporary), external_data=False)
        temporary.replace(args.out)
    print(args.out)
    return args.out
