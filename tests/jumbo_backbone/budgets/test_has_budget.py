"""Every call has one budget: the one it names, or the model's own, which is read once."""

import pytest
import timm
import torch

from jumbo_backbone import ComputeBudget, JumboEncoder, JumboViT
from jumbo_backbone.budgets.has_budget import HasBudget, budget_of_call
from jumbo_backbone.models.feature_maps import BudgetFeatures
from tests.conftest import TINY, images, tiny_model

SMALL = ComputeBudget(0.5, resolution=0.5)


class Restless(JumboViT):
    """Somebody else changes the budget after every look at it."""

    looks = 0

    @property
    def default_budget(self) -> ComputeBudget:
        self.looks += 1
        return ComputeBudget() if self.looks % 2 else SMALL

    @default_budget.setter
    def default_budget(self, budget: ComputeBudget) -> None: ...


CALLS = {
    "forward": lambda model, x, **b: model(x, **b),
    "forward_features": lambda model, x, **b: model.forward_features(x, **b),
    "forward_intermediates": lambda model, x, **b: model.forward_intermediates(x, **b)[1][-1],
    "get_intermediate_layers": lambda model, x, **b: model.get_intermediate_layers(x, **b)[0],
    "kept_map": lambda model, x, **b: model.kept_map(x, **b),
    "embed": lambda model, x, **b: model.embed(x, **b)[0],
    "encode": lambda model, x, **b: model.encode(torch.ones(2, 16, 48), **b)[0].tokens,
    "patch_depths": lambda model, x, **b: model.patch_depths(torch.ones(2, 16, 48), **b),
    "features_only": lambda model, x, **b: BudgetFeatures(model, [2])(x, **b)[0],
}


@pytest.mark.parametrize("what", CALLS)
def test_a_call_reads_the_default_once(what):
    model = Restless(**TINY).eval()
    model.load_state_dict(tiny_model().state_dict())
    model.looks = 0
    found = CALLS[what](model, images(2, 3, 64, 64))
    assert model.looks == 1
    assert torch.equal(found, CALLS[what](model, images(2, 3, 64, 64), budget=ComputeBudget()))
    assert model.looks == 1  # a call that names its budget does not look


def test_who_has_a_budget():
    features = timm.create_model("jumbo_pico_patch16_224", features_only=True, **TINY)
    for model in (tiny_model(), JumboEncoder(embed_dim=32, depth=1, num_heads=4, jumbo_multiplier=2), features):
        assert isinstance(model, HasBudget)
        model.default_budget = SMALL
        assert budget_of_call(model, None) == SMALL
        assert budget_of_call(model, ComputeBudget()) == ComputeBudget()
    assert not isinstance(timm.create_model("vit_tiny_patch16_224", depth=1), HasBudget)


def test_a_default_may_be_given_when_building():
    for given in (SMALL, dict(keep_rate=0.5, resolution=0.5)):
        assert tiny_model(default_budget=given).default_budget == SMALL
        assert timm.create_model("jumbo_pico_patch16_224", default_budget=given, **TINY).default_budget == SMALL
    with pytest.raises(ValueError, match="keep_rate 2"):
        tiny_model(default_budget=dict(keep_rate=2))
