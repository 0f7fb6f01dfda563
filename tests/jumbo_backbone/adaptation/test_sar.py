"""SAR against a plain transcription of its paper, and its recovery."""

import math

import pytest
import torch
from torch import nn

from jumbo_backbone.adaptation import SAR, Tent
from tests.conftest import images

E0, RHO, RATE, MOMENTUM, CLASSES = 0.4 * math.log(6), 0.05, 0.3, 0.9, 6


class Toy(nn.Module):
    """Two layers of two norms each, and a head."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.blocks = nn.ModuleList(
            nn.ModuleDict(dict(norm1=nn.LayerNorm(5), norm2=nn.LayerNorm(5), linear=nn.Linear(5, 5))) for _ in range(2)
        )
        self.head = nn.Linear(5, CLASSES)
        nn.init.normal_(self.head.weight, std=1.5)
        self.double()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for block in self.blocks:
            x = x + block["norm2"](block["linear"](block["norm1"](x)).tanh())
        return self.head(x)


def entropy(toy: Toy, theta: dict[str, torch.Tensor], x: torch.Tensor) -> torch.Tensor:
    """E(x; theta), (B,)."""
    p = torch.func.functional_call(toy, theta, (x,)).softmax(dim=1)
    return -(p * p.log()).sum(dim=1)


def transcription(toy: Toy, theta: dict[str, torch.Tensor], batches: list[torch.Tensor]):
    """Algorithm 1 of the paper with equations 2 and 4, SGD with momentum, word by word; the weights after each batch,
    the moving average of the loss, and how many images counted."""

    def mean_entropy(theta: dict[str, torch.Tensor], S: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
        return (S * entropy(toy, theta, x)).sum() / S.sum()

    velocity = {name: torch.zeros_like(weight) for name, weight in theta.items()}
    e_m, history, counted = 0.0, [], []
    for x in batches:
        S = entropy(toy, theta, x) < E0
        g = torch.func.grad(mean_entropy)(theta, S, x)
        length = math.sqrt(sum(float((v**2).sum()) for v in g.values()))
        up = {name: theta[name] + RHO * g[name] / length for name in theta}
        S2 = S & (entropy(toy, up, x) < E0)
        g = torch.func.grad(mean_entropy)(up, S2, x)
        loss = float(mean_entropy(up, S2, x))
        velocity = {name: MOMENTUM * velocity[name] + g[name] for name in theta}
        theta = {name: theta[name] - RATE * len(x) / 64 * velocity[name] for name in theta}
        e_m = 0.9 * e_m + 0.1 * loss if e_m else loss
        history.append(theta)
        counted.append((int(S.sum()), int(S2.sum())))
    return history, e_m, counted


def test_a_step_is_that_of_the_paper():
    toy = Toy()
    adapter = SAR(toy, lr=RATE, rho=RHO, recovery=0.0)
    assert set(adapter.adapted) == {f"blocks.0.{n}.{w}" for n in ("norm1", "norm2") for w in ("weight", "bias")}
    batches = [images(32, 5, seed=i).double() for i in range(4)]
    start = {name: p.detach().clone() for name, p in adapter.adapted.items()}
    expected, average, counted = transcription(toy, start, batches)
    assert all(0 < second <= first < 32 for first, second in counted) and any(a != b for a, b in counted)
    for x, theta in zip(batches, expected, strict=True):
        adapter(x)
        for name, weight in theta.items():
            torch.testing.assert_close(adapter.adapted[name].detach(), weight, rtol=0, atol=1e-9)
    assert adapter.average == pytest.approx(average, abs=1e-9)
    assert adapter.learned == sum(second for _, second in counted)


def test_a_step_of_tent_is_that_of_its_paper():
    toy, x = Toy(), images(32, 5).double()
    adapter = Tent(toy, lr=RATE)
    theta = {name: p.detach().clone() for name, p in adapter.adapted.items()}
    velocity = {name: torch.zeros_like(weight) for name, weight in theta.items()}
    for _ in range(3):
        g = torch.func.grad(lambda t: entropy(toy, t, x).mean())(theta)
        velocity = {name: MOMENTUM * velocity[name] + g[name] for name in theta}
        theta = {name: theta[name] - RATE * 32 / 64 * velocity[name] for name in theta}
        adapter(x)
    for name, weight in theta.items():
        torch.testing.assert_close(adapter.adapted[name].detach(), weight, rtol=0, atol=1e-9)


def test_images_that_it_is_not_sure_of_teach_nothing():
    toy = Toy()
    with torch.no_grad():
        toy.head.weight.mul_(0.01)
    adapter = SAR(toy, lr=RATE)
    adapter(images(32, 5).double())
    assert adapter.learned == 0 and adapter.average is None
    assert all(torch.equal(p, adapter.start[name]) for name, p in adapter.adapted.items())


def test_it_goes_back_when_the_average_loss_says_that_it_collapsed():
    toy, x = Toy(), images(32, 5).double()
    patient = SAR(toy, lr=RATE)
    patient(x)
    average = patient.average
    patient.reset()
    kept = SAR(toy, lr=RATE, recovery=0.99 * average / math.log(CLASSES))
    kept(x)
    assert kept.recoveries == 0 and kept.average == average
    kept.reset()
    strict = SAR(toy, lr=RATE, recovery=1.01 * average / math.log(CLASSES))
    strict(x)
    assert strict.recoveries == 1 and strict.average is None and strict.learned > 0
    assert all(torch.equal(p, strict.start[name]) for name, p in strict.adapted.items())
    assert not strict.optimizer.state


def test_thresholds_are_shares_of_the_highest_entropy():
    adapter = SAR(Toy())
    assert adapter.margin * math.log(1000) == pytest.approx(0.4 * math.log(1000))
    assert adapter.recovery * math.log(1000) == pytest.approx(0.2)
