"""A photo as a segmentor's encoder sees it; FLOPs that are counted without computing; features as colours."""

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

pytest.importorskip("mmseg")

from mmengine.config import Config

from jumbo_backbone import ComputeBudget
from jumbo_backbone.budgets.flops import count_flops
from jumbo_backbone.segmentation.costs import FlopCounter
from jumbo_backbone.segmentation.pictures.features import principal_colours
from jumbo_backbone.segmentation.prediction import Photo, Predictor, predict
from jumbo_backbone.segmentation.view import View
from tests.conftest import write_cascade, write_config, write_trained

HALF = ComputeBudget(keep_rate=0.5)


@pytest.fixture(scope="module")
def predictor(tmp_path_factory) -> Predictor:
    folder = tmp_path_factory.mktemp("view")
    config = write_config(folder)
    return Predictor.load(Config.fromfile(config), write_trained(config, folder / "a.pth"), "cpu")


@pytest.fixture(scope="module")
def photo(predictor, tmp_path_factory) -> Photo:
    path = tmp_path_factory.mktemp("photo") / "photo.png"  # 41x50: padded to 48x64
    cv2.imwrite(str(path), np.random.default_rng(0).integers(0, 255, (41, 50, 3)).astype(np.uint8))
    return predictor.read(path, Path("photo"))


def test_a_view_has_the_padding_that_the_network_sees(predictor, photo):
    view = View.of(predictor.model, photo)
    assert view.inputs.shape == (1, 3, 48, 64) and view.picture.shape == (48, 64, 3) and view.size == (41, 50)
    np.testing.assert_array_equal(view.without_padding(view.picture), photo.image)
    assert view.patches() == 6 * 8 and view.patches(ComputeBudget(resolution=0.5)) == 3 * 4
    assert view.attention(0).shape == view.kept(HALF).shape == (6, 8) and view.features(1).shape == (24, 6, 8)
    torch.testing.assert_close(torch.from_numpy(view.kept(HALF)), view.encoder.kept_map(view.inputs, HALF)[0])
    assert (view.kept(ComputeBudget()) == 2).all() and (view.kept(HALF) < 2).any()


def test_a_call_has_its_own_budget(predictor, photo):
    """It is not the model's, which other calls share."""
    full, half = (predict(predictor.model, [photo], budget)[0] for budget in (None, HALF))
    assert full.shape == half.shape == (41, 50) and (full != half).any()
    assert predictor.model.backbone.default_budget == ComputeBudget()
    np.testing.assert_array_equal(predict(predictor.model, [photo], ComputeBudget())[0], full)


@pytest.mark.parametrize("budget", [None, HALF, ComputeBudget(keep_rate=0.7, resolution=0.5)], ids=str)
def test_flops_are_those_of_a_real_call(predictor, photo, budget):
    inputs = View.of(predictor.model, photo).inputs
    metas = [dict(img_shape=inputs.shape[2:], ori_shape=inputs.shape[2:])]
    with torch.inference_mode():
        real = count_flops(predictor.model.inference, inputs, metas, budget=budget or ComputeBudget())
    assert FlopCounter(predictor.model)(tuple(inputs.shape), budget) == real > 0


def test_windows_and_cascades_have_no_view(predictor, photo, tmp_path):
    config = write_config(tmp_path)
    cfg = Config.fromfile(config)
    cfg.model.test_cfg = dict(mode="slide", crop_size=(32, 32), stride=(21, 21))
    slides = Predictor.load(cfg, write_trained(config, tmp_path / "a.pth"), "cpu")
    with pytest.raises(ValueError, match="reads photos by overlapping windows, .* with test_cfg.mode='whole'"):
        View.of(slides.model, photo)
    cascade = Config.fromfile(write_cascade(tmp_path, "cascade"))
    from mmseg.registry import MODELS

    model = MODELS.build(cascade.model)
    with pytest.raises(TypeError, match="a CascadeSegmentor has no Jumbo encoder of its own"):
        View.of(model, photo)
    member, budget = model.cascade.members[0]
    assert FlopCounter(member)((1, 3, 48, 64), budget) > 0


def test_patches_of_like_features_have_like_colours():
    rng = np.random.default_rng(0)
    kinds = rng.normal(size=(2, 12))
    features = kinds[np.indices((6, 8)).sum(axis=0) % 2].transpose(2, 0, 1) + rng.normal(0, 1e-3, (12, 6, 8))
    picture, share = principal_colours(features, (48, 64))
    assert picture.shape == (48, 64, 3) and picture.dtype == np.uint8 and share > 0.99
    red = picture[::8, ::8, 0].astype(int)
    assert abs(red[0, 0] - red[1, 1]) < 8 and abs(red[0, 0] - red[0, 1]) > 200
    again, _ = principal_colours(features, (48, 64))
    np.testing.assert_array_equal(again, picture)


def test_features_that_are_no_numbers_and_few_or_equal_ones():
    with pytest.raises(ValueError, match=r"features \(4, 2, 2\) are not a map of finite numbers"):
        principal_colours(np.full((4, 2, 2), np.nan), (8, 8))
    picture, share = principal_colours(np.ones((2, 3, 3)), (6, 6))
    assert share == 1 and (picture == picture[0, 0]).all()
