"""A whole segmentor as ONNX: fixed image size, free batch, the logits of eager mode."""

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.model import revert_sync_batchnorm
from mmseg.registry import MODELS
from mmseg.structures import SegDataSample

from jumbo_backbone.segmentation import ExportedSegmentor
from tests.conftest import images
from tests.jumbo_backbone.segmentation.test_configs import CONFIGS

WIDTH = 48


@pytest.mark.parametrize("name", [pytest.param("jumbo_upernet_ade20k", marks=pytest.mark.slow), "jumbo_linear_ade20k"])
def test_onnx(name, tmp_path):
    onnxruntime = pytest.importorskip("onnxruntime")
    cfg = Config.fromfile(CONFIGS / f"{name}.py").model
    cfg.backbone.pop("init_cfg")
    cfg.backbone.arch.update(embed_dim=WIDTH, num_heads=3, jumbo_multiplier=2)
    if cfg.get("neck"):
        cfg.neck.embed_dim = WIDTH
    cfg.decode_head.in_channels = [WIDTH] * 4
    cfg.decode_head.channels = 4 * WIDTH if name.startswith("jumbo_linear") else 32
    cfg.auxiliary_head = None
    torch.manual_seed(0)
    segmentor = revert_sync_batchnorm(MODELS.build(cfg))
    torch.nn.init.normal_(segmentor.decode_head.conv_seg.weight, std=0.5)
    model = ExportedSegmentor(segmentor)
    path = str(tmp_path / "segmentor.onnx")
    dynamic_shapes = {"images": {0: "batch"}}
    torch.onnx.export(model, (images(2, 3, 96, 160),), path, dynamo=True, dynamic_shapes=dynamic_shapes, verbose=False)
    session = onnxruntime.InferenceSession(path)
    for batch in (1, 3):
        x = 127 + 60 * images(batch, 3, 96, 160, seed=batch)
        with torch.no_grad():
            expected = model(x)
            samples = [SegDataSample(metainfo=dict(img_shape=(96, 160), ori_shape=(96, 160)))] * batch
            data = dict(inputs=list(x.flip(1)), data_samples=samples)  # mmsegmentation reads images as BGR
            for predicted, logits in zip(segmentor.test_step(data), expected, strict=True):
                torch.testing.assert_close(predicted.seg_logits.data, logits, atol=1e-4, rtol=1e-4)
        assert expected.shape == (batch, 150, 96, 160) and expected.std() > 0.1
        (found,) = session.run(None, {session.get_inputs()[0].name: x.numpy()})
        np.testing.assert_allclose(found, expected.numpy(), atol=1e-3)
