"""Features of a frozen encoder, and what is measured on them."""

import pytest
import torch

from jumbo_backbone import ComputeBudget
from jumbo_backbone.pretraining import Features, features_of, linear_probe, nearest_neighbours
from tests.conftest import images, tiny_model


def clouds(n: int, spread: float, classes: int = 4, seed: int = 0) -> Features:
    """Points around a place for each class, of which the slices know and the mean patch does not."""
    generator = torch.Generator().manual_seed(seed)
    places = 5 * torch.randn(classes, 6, generator=torch.Generator().manual_seed(9))
    labels = torch.arange(n) % classes
    slices = places[labels] + spread * torch.randn(n, 6, generator=generator)
    slices = slices * torch.tensor([1e-3, 1, 1, 1, 1, 1e3])  # of which a probe without standardisation sees one
    return Features(slices, torch.randn(n, 3, generator=generator), labels)


@pytest.mark.parametrize("read_out, known", [("jumbo", True), ("jumbo+mean", True), ("mean", False)])
def test_what_the_features_know(read_out, known):
    train, test = clouds(400, 1.0), clouds(200, 1.0, seed=1)
    score = linear_probe(train, test, read_out, batch_size=64)
    votes = nearest_neighbours(train, test, read_out)
    for found in (score.top1, votes):
        assert found > 95 if known else 15 < found < 40  # of four classes
    assert score.top5 == 100


def test_a_seed_decides_the_probe():
    train, test = clouds(100, 8.0), clouds(100, 8.0, seed=1)
    one, same, other = (linear_probe(train, test, "jumbo", epochs=5, seed=seed) for seed in (0, 0, 1))
    assert one == same != other


def test_neighbours_against_one_point_at_a_time():
    train, test = clouds(60, 6.0), clouds(40, 6.0, seed=1)
    mean, deviation = train.slices.mean(0), train.slices.std(0, correction=0)
    x, x_test = (((f.slices - mean) / deviation) for f in (train, test))
    right = 0
    for point, label in zip(x_test, test.labels, strict=True):
        cosines = torch.nn.functional.cosine_similarity(point, x)
        votes = torch.zeros(4)
        for place in cosines.argsort(descending=True)[:7]:
            votes[train.labels[place]] += (cosines[place] / 0.07).exp()
        right += int(votes.argmax() == label)
    assert nearest_neighbours(train, test, "jumbo", k=7) == pytest.approx(100 * right / 40)
    assert 30 < 100 * right / 40 < 100  # neither all nor none


def test_features_are_the_models_tokens():
    model, x = tiny_model(), images(5, 3, 64, 64)
    model.default_budget = ComputeBudget(keep_rate=0.5)  # which does not count
    found = features_of(model, [(x[:2], torch.tensor([1, 2])), (x[2:], torch.tensor([3, 4, 5]))])
    pooled = model.pool(model.forward_features(x, ComputeBudget()))
    torch.testing.assert_close(found.read_out("jumbo+mean"), pooled, atol=1e-5, rtol=1e-5)
    J, D = model.jumbo_multiplier, model.embed_dim
    assert torch.equal(found.read_out("token"), found.read_out("jumbo")[:, :D])
    assert found.read_out("jumbo").shape == (5, J * D) and found.read_out("mean").shape == (5, D)
    assert found.labels.tolist() == [1, 2, 3, 4, 5]


def test_an_unknown_read_out():
    with pytest.raises(ValueError, match="unknown read-out 'cls': choose one of jumbo\\+mean, jumbo, mean, token"):
        clouds(4, 1.0).read_out("cls")


def test_too_few_images():
    with pytest.raises(ValueError, match="needs 20 images to train on.*there are 8"):
        linear_probe(clouds(8, 1.0), clouds(8, 1.0), "mean")
