"""Products by powers and a run in reverse, against sums over the steps."""

import numpy as np
import pytest

from timeseries.experts.adjoint import mixed_products, products_of_nothing
from timeseries.experts.recursion import Rates, States, additive


@pytest.mark.parametrize("phi", [0.8, 1.0])
def test_products(phi):
    draw = np.random.default_rng(0)
    length = np.array([1, 2, 7, 8, 30])
    alpha = draw.uniform(0.01, 0.99, (6, 5))
    rates = Rates(alpha, alpha * draw.random((6, 5)), np.full((6, 5), phi), np.zeros((6, 5)))
    errors = draw.normal(size=(30, 6, 5)) * (np.arange(30)[:, None, None] < length)
    nothing = np.zeros((2, 30, 6, 5))
    for start in range(2):  # from a level of 1, and from a slope of 1
        level, slope = np.zeros((2, 1, 6, 5))
        (level, slope)[start][:] = 1.0
        for _ in additive(
            np.zeros((30, 5)), length, rates, States(level, slope, None), kept := np.empty((30, 1, 6, 5))
        ):
            pass
        nothing[start] = kept[:, 0]
    for found, expected in zip(mixed_products(errors, rates), (nothing * errors).sum(1), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-12)
    sums = [(nothing[i] * nothing[j]).sum(0) for i, j in ((0, 0), (0, 1), (1, 1))]
    for found, expected in zip(products_of_nothing(length, rates), sums, strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-9)
