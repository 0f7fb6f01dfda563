"""A linear classifier in closed form, and its scores for left-out series."""

import torch
import torch.nn.functional as F


def leave_one_out(x: torch.Tensor, labels: torch.Tensor, K: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Ridge regression of classes, coded +1 and -1, on standardised features, for more features than samples.

    The penalty is the one with the least error on samples left out one at a time. One decomposition gives the errors of
    all left-out samples (Golub, Heath and Wahba, "Generalized Cross-Validation", 1979, section 1).

    Args:
        x: Features (n, F).
        labels: Classes (n,), 0 … K-1.
        K: Number of classes.

    Returns:
        Weights (F, K), the intercept (K,), and the predictions (n, K) for each sample when left out, all float64.
    """
    x = x.double()
    center = x.mean(0)
    x = x - center
    y = 2.0 * F.one_hot(labels, K).double() - 1
    mean = y.mean(0)
    values, vectors = torch.linalg.eigh(x @ x.T)
    values, spun = values.clamp(min=0), vectors.T @ (y - mean)
    best: tuple[torch.Tensor, torch.Tensor, torch.Tensor] | None = None
    for penalty in x.shape[1] * torch.logspace(-5, 1, 13, dtype=torch.float64, device=x.device):
        dual = vectors @ (spun / (values + penalty)[:, None])
        # the intercept is not penalised: its direction is taken out of the inverse
        diagonal = vectors.square() @ (1 / (values + penalty)) - 1 / (len(x) * penalty)
        error = dual / diagonal.clamp(min=1e-12)[:, None]
        loss = error.square().sum()
        if best is None or loss < best[0]:
            best = loss, dual, y - error
    assert best is not None  # the list of penalties is not empty
    _, dual, left_out = best
    solution = x.T @ dual
    return solution, mean - center @ solution, left_out
