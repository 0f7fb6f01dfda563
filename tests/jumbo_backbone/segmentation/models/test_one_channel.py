"""Two classes by one channel are learned, predicted, augmented and distilled as what they are, or refused."""

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.runner import Runner
from mmengine.structures import PixelData
from mmseg.registry import MODELS
from mmseg.structures import SegDataSample

from jumbo_backbone import distillation_loss
from jumbo_backbone.segmentation.data.required import require_datasets
from tests.conftest import images, imported_tool, write_config, write_pairs

SIGMOID = dict(type="CrossEntropyLoss", use_sigmoid=True)
HEAD = dict(num_classes=2, out_channels=1, threshold=0.4, loss_decode=SIGMOID)


def two_classes(folder, model="JumboSegmentor", **head) -> Config:
    """Config of box against the rest; the classes of the files are reduced to two."""
    cfg = Config.fromfile(write_config(folder))
    cfg.model.update(type=model)
    cfg.model.decode_head.update({**HEAD, **head})
    cfg.model.decode_head.dropout_ratio = cfg.model.backbone.drop_path_rate = 0.0
    for loader in (cfg.train_dataloader, cfg.val_dataloader, cfg.test_dataloader):
        loader.dataset.update(metainfo=dict(classes=("rest", "box"), palette=[[0, 0, 0], [255, 0, 0]]))
        loader.dataset.reduce_zero_label = False
    cfg.work_dir = str(folder / "run")
    return cfg


def write_two_classes(folder, count=3) -> None:
    import cv2

    write_pairs(folder, count)
    for path in (folder / "annotations").rglob("*.png"):
        mask = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
        cv2.imwrite(str(path), np.where(mask == 0, 255, mask == 2).astype(np.uint8))


def sample(labels: torch.Tensor, **meta) -> SegDataSample:
    return SegDataSample(gt_sem_seg=PixelData(data=labels), metainfo=meta)


def built(cfg: Config, seed: int = 0):
    torch.manual_seed(seed)
    model = MODELS.build(cfg.model).eval()
    torch.nn.init.normal_(model.decode_head.conv_seg.weight, std=2.0)
    return model


def test_augmentation_takes_one_sigmoid(tmp_path):
    """The probability of several views is the mean of theirs; without views, that of the plain test."""
    model = built(two_classes(tmp_path))
    x = images(1, 3, 32, 32)[0] * 60 + 127
    meta = dict(img_shape=(32, 32), ori_shape=(32, 32), img_path="a.png")
    views = [(x, {}), (x.flip(2), dict(flip=True, flip_direction="horizontal"))]
    tta = MODELS.build(dict(type="SegTTAModel", module=model))
    with torch.no_grad():
        probabilities = []
        for pixels, flip in views:
            data = dict(inputs=[pixels], data_samples=[SegDataSample(metainfo=dict(meta, **flip))])
            (plain,) = model.test_step(data)
            probabilities.append(plain.seg_logits.data.sigmoid())
            assert torch.equal(plain.pred_sem_seg.data, (probabilities[-1] > 0.4).float())
        data = dict(
            inputs=[[pixels] for pixels, _ in views],
            data_samples=[[SegDataSample(metainfo=dict(meta, **flip))] for _, flip in views],
        )
        (merged,) = tta.test_step(data)
    expected = torch.stack(probabilities).mean(dim=0) > 0.4
    assert torch.equal(merged.pred_sem_seg.data.bool(), expected) and 0 < expected.float().mean() < 1


def test_the_tool_with_and_without_views(tmp_path):
    write_two_classes(tmp_path)
    cfg = two_classes(tmp_path)
    steps = [dict(type="Resize", scale_factor=1.0), dict(type="LoadAnnotations"), dict(type="PackSegInputs")]
    cfg.tta_pipeline = [cfg.tta_pipeline[0], dict(type="TestTimeAug", transforms=[[step] for step in steps])]
    config = tmp_path / "two.py"
    cfg.dump(config)
    torch.save(dict(state_dict=built(cfg).state_dict()), tmp_path / "two.pth")
    with imported_tool("test") as tool:
        plain, augmented = (tool.main([str(config), str(tmp_path / "two.pth"), *more]) for more in ([], ["--tta"]))
        assert plain == augmented and 0 < plain["mIoU"] < 100
        stock = ["--tta", "--cfg-options", "model.type=EncoderDecoder"]
        with pytest.raises(SystemExit):
            tool.main([str(config), str(tmp_path / "two.pth"), *stock])


def test_it_trains_and_says_how_well(tmp_path):
    write_two_classes(tmp_path)
    runner = Runner.from_cfg(two_classes(tmp_path))
    runner.train()
    assert 0 < runner.val_loop.run()["mIoU"] <= 100


@pytest.mark.parametrize("stride", [1, 4])
def test_accuracy_is_of_both_classes(tmp_path, stride):
    model = built(two_classes(tmp_path, loss_stride=stride))
    labels = (torch.rand(2, 1, 32, 32, generator=torch.Generator().manual_seed(0)) < 0.3).long()
    labels[:, :, :4] = 255
    logits = torch.where(labels == 1, 3.0, -3.0)
    logits[:, :, 16:] *= -1
    losses = model.decode_head.loss_by_feat(logits, [sample(label) for label in labels])
    assert losses["acc_seg"].item() == pytest.approx(100 * 12 / 28, abs=10 if stride == 4 else 1e-3)


@pytest.mark.parametrize("stride", [1, 4])
def test_a_batch_of_ignored_pixels_teaches_nothing_and_stops_nothing(tmp_path, stride):
    model = built(two_classes(tmp_path, loss_stride=stride)).train()
    losses = model.loss(images(2, 3, 32, 32), [sample(torch.full((1, 32, 32), 255)) for _ in range(2)])
    assert losses["decode.loss_ce"] == 0 and losses["decode.acc_seg"] == 0
    losses["decode.loss_ce"].backward()
    assert not model.decode_head.conv_seg.weight.grad.any()


def test_elastic_twins_teach_one_channel(tmp_path):
    cfg = two_classes(tmp_path, model="ElasticSegmentor", loss_stride=1)
    cfg.model.elastic = dict(keep_rates=[0.5], resolutions=[0.5], warmup=None)
    model = built(cfg).train()
    labels = torch.randint(2, (2, 1, 32, 32), generator=torch.Generator().manual_seed(0))
    losses = model.loss(images(2, 3, 32, 32), [sample(label) for label in labels])
    assert losses["full.loss_distill"] > 1e-7 and losses["small.loss_distill"] > 1e-7  # of a softmax exactly 0


@pytest.mark.parametrize("shape", [(5, 1), (2, 1, 4, 3)])
def test_divergence_of_one_channel_is_that_of_two(shape):
    a, b = images(*shape, seed=1), images(*shape, seed=2)
    p, q = a.sigmoid(), b.sigmoid()
    expected = (q * (q / p).log() + (1 - q) * ((1 - q) / (1 - p)).log()).mean()
    torch.testing.assert_close(distillation_loss(a, b), expected)
    assert distillation_loss(a, a).abs() < 1e-7


@pytest.mark.parametrize(
    ("loss", "told"),
    [
        (dict(type="CrossEntropyLoss"), "from which CrossEntropyLoss cannot be computed"),
        (dict(type="TverskyLoss"), "from which TverskyLoss learns nothing, a softmax over one channel being always 1"),
        (dict(type="DiceLoss"), "from which DiceLoss learns background for foreground"),
        ([SIGMOID, dict(type="TverskyLoss")], "from which TverskyLoss learns nothing"),
    ],
)
def test_losses_that_do_not_learn_from_one_channel(tmp_path, loss, told):
    write_two_classes(tmp_path, 1)
    cfg = two_classes(tmp_path, loss_decode=loss)
    for attempt in (lambda: MODELS.build(cfg.model), lambda: require_datasets(cfg)):
        with pytest.raises(ValueError, match=f"decode_head has one channel, {told}.*use_sigmoid=True"):
            attempt()
    cfg.model.type = "EncoderDecoder"  # which does not ask
    with pytest.raises(ValueError, match="one channel"):
        require_datasets(cfg)


@pytest.mark.parametrize("loss", [SIGMOID, [SIGMOID], dict(type="LovaszLoss", loss_type="binary", reduction="none")])
def test_losses_that_do(tmp_path, loss):
    MODELS.build(two_classes(tmp_path, loss_decode=loss).model)


@pytest.mark.parametrize("loss", [SIGMOID, dict(type="CrossEntropyLoss")])
def test_one_class_is_refused(tmp_path, loss):
    write_two_classes(tmp_path, 1)
    cfg = two_classes(tmp_path, num_classes=1, out_channels=None, loss_decode=loss)
    for loader in (cfg.train_dataloader, cfg.val_dataloader):
        loader.dataset.metainfo = dict(classes=("box",), palette=[[255, 0, 0]])
    with pytest.raises(ValueError, match="num_classes is 1, and one class is told from nothing: name the background"):
        require_datasets(cfg)
