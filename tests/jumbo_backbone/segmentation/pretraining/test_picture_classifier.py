"""Fine-tuning: what the model of the runner computes, where it begins, and wrong inputs."""

import numpy as np
import pytest
import torch

from jumbo_backbone import save_checkpoint
from jumbo_backbone.segmentation.pretraining.classifier import ImageClassifier, TopAccuracy

ARCH = dict(embed_dim=24, depth=1, num_heads=2, jumbo_multiplier=2)


def classifier(**changes) -> ImageClassifier:
    arguments = dict(encoder=dict(arch=ARCH, img_size=32, patch_size=8), num_classes=3, **changes)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        found = ImageClassifier(**arguments)
        torch.nn.init.normal_(found.backbone.head.weight)
    return found


def batch(n: int = 4) -> dict:
    return dict(inputs=torch.randn(n, 3, 32, 32, generator=torch.Generator().manual_seed(0)), label=torch.arange(n) % 3)


def test_the_loss_without_mixing():
    found = classifier(label_smoothing=0.3)
    log = found.backbone(batch()["inputs"]).log_softmax(1)
    shares = torch.full((4, 3), 0.1)
    shares[torch.arange(4), batch()["label"]] += 0.7
    expected = -(shares * log).sum(1).mean()
    torch.testing.assert_close(found(**batch(), mode="loss")["loss"], expected)


@pytest.mark.parametrize("mixing", [dict(mixup=0.8), dict(cutmix=1.0), dict(mixup=0.8, cutmix=1.0)])
def test_mixing_is_decided_by_the_seed_of_the_iteration(mixing):
    found, losses = classifier(**mixing), []
    for seed, of_numpy in ((0, 0), (0, 1), (1, 0)):
        torch.manual_seed(seed)
        np.random.seed(of_numpy)  # noqa: NPY002
        losses.append(found(**batch(), mode="loss")["loss"].item())
    plain = classifier()(**batch(), mode="loss")["loss"].item()
    assert losses[0] == losses[1] != losses[2] and plain not in losses


def test_ranks_and_accuracy():
    found = classifier()
    logits = found(**batch())
    ranks = [sample["rank"] for sample in found(**batch(), mode="predict")]
    order = logits.argsort(dim=1, descending=True)
    assert ranks == [order[i].tolist().index(label) for i, label in enumerate(batch()["label"].tolist())]
    metric = TopAccuracy()
    metric.process({}, [dict(rank=rank) for rank in (0, 0, 4, 5, 1)])
    assert metric.evaluate(5) == dict(top1=40.0, top5=80.0)


def test_it_begins_with_an_encoder(tmp_path):
    source, path = classifier(), tmp_path / "encoder.safetensors"
    source.backbone.reset_classifier(0, "")
    save_checkpoint(source.backbone, path)
    found = classifier(init_cfg=dict(type="Pretrained", checkpoint=str(path)))
    torch.nn.init.zeros_(found.backbone.pos_embed)
    found.init_weights()
    assert torch.equal(found.backbone.pos_embed, source.backbone.pos_embed)


@pytest.mark.parametrize(
    "changes, message",
    [
        (dict(label_smoothing=1.0), "label_smoothing=1.0"),
        (dict(mixup=-1.0), "mixup=-1.0"),
        (
            dict(init_cfg=dict(type="Pretrained", checkpoint="x", prefix="y")),
            "takes a checkpoint of the backbone alone",
        ),
    ],
)
def test_wrong_arguments(changes, message):
    with pytest.raises(ValueError, match=message):
        classifier(**changes)


def test_an_odd_batch_cannot_be_mixed():
    with pytest.raises(ValueError, match="a batch of 3 pictures cannot be mixed in pairs"):
        classifier(mixup=0.2)(**batch(3), mode="loss")
