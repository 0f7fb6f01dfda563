"""What a config's parts are is asked of the registry: a subclass of a user's own counts as what it is."""

import pytest
from mmengine.config import Config
from mmseg.registry import MODELS

from jumbo_backbone.segmentation import CascadeSegmentor, JumboViTBackbone
from jumbo_backbone.segmentation.cli import require_one_model, use_budget, use_windows
from jumbo_backbone.segmentation.configs.registered import is_of


@pytest.fixture()
def own():
    """A user's own backbone and cascade, by the names under which they are registered."""
    kinds = [type("OwnBackbone", (JumboViTBackbone,), {}), type("OwnCascade", (CascadeSegmentor,), {})]
    for kind in kinds:
        MODELS.register_module(module=kind)
    yield
    for kind in kinds:
        del MODELS.module_dict[kind.__name__]


def test_subclasses_by_name_and_classes_themselves(own):
    assert is_of(dict(type="OwnBackbone"), JumboViTBackbone) and is_of(dict(type=JumboViTBackbone), JumboViTBackbone)
    assert not is_of(dict(type="OwnCascade"), JumboViTBackbone)
    assert not is_of(dict(type="NoSuchThing"), JumboViTBackbone) and not is_of({}, JumboViTBackbone)


def test_a_backbone_of_ones_own_has_the_budget_that_it_inherits(own):
    cfg = Config(dict(model=dict(type="EncoderDecoder", backbone=dict(type="OwnBackbone"))))
    use_budget(cfg, 0.5, None)
    assert cfg.model.backbone.budget == dict(keep_rate=0.5)


def test_a_backbone_without_a_budget_is_refused():
    cfg = Config(dict(model=dict(type="EncoderDecoder", backbone=dict(type="ResNet"))))
    with pytest.raises(ValueError, match="ResNet has no compute budget.* need a JumboViTBackbone"):
        use_budget(cfg, 0.5, None)


def test_a_cascade_of_ones_own_is_a_cascade(own):
    cfg = Config(dict(model=dict(type="OwnCascade", members=[dict(config="a.py")])))
    with pytest.raises(ValueError, match="a cascade cannot be trained: give the config of a member .a.py"):
        require_one_model(cfg, "trained")
    with pytest.raises(ValueError, match="members of a cascade have budgets"):
        use_budget(cfg, 0.5, None)
    with pytest.raises(ValueError, match="members of a cascade predict as their own configs say"):
        use_windows(cfg, None)
