"""Lists in messages."""

import pytest

from jumbo_backbone.words import some


@pytest.mark.parametrize(
    ("values", "most", "told"),
    [([], 2, ""), ("ab", 2, "a, b"), (range(5), 2, "0, 1, … (3 more)"), (dict(a=1, b=2), 1, "a, … (1 more)")],
)
def test_some(values, most, told):
    assert some(values, most) == told
