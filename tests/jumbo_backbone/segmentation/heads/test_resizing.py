"""Parts of a bilinear resize, against the whole of it."""

import pytest
import torch
import torch.nn.functional as F

from jumbo_backbone.segmentation.heads.resizing import conv_of_resized, resize_to_lattice
from tests.conftest import images


@pytest.mark.parametrize("align_corners", [False, True])
@pytest.mark.parametrize(("small", "size"), [((16, 12), (64, 48)), ((7, 5), (65, 50)), ((30, 40), (15, 20))])
@pytest.mark.parametrize(("stride", "offset"), [(4, (3, 0)), (3, (1, 2)), (1, (0, 0))])
def test_lattice_of_the_resized_map(small, size, stride, offset, align_corners):
    x = images(2, 5, *small).double()
    full = F.interpolate(x, size, mode="bilinear", align_corners=align_corners)
    expected = full[:, :, offset[0] :: stride, offset[1] :: stride]
    torch.testing.assert_close(resize_to_lattice(x, size, offset, stride, align_corners), expected)


@pytest.mark.parametrize("align_corners", [False, True])
@pytest.mark.parametrize("k", [1, 3, 5])
@pytest.mark.parametrize(
    ("small", "size"), [((6, 5), (24, 20)), ((7, 5), (20, 33)), ((1, 2), (3, 4)), ((4, 4), (4, 4))]
)
def test_convolution_of_the_resized_map(small, size, k, align_corners):
    x, weight = images(2, 3, *small).double(), images(4, 3, k, k, seed=1).double()
    full = F.interpolate(x, size, mode="bilinear", align_corners=align_corners)
    expected = F.conv2d(full, weight, padding=k // 2)
    torch.testing.assert_close(conv_of_resized(x, weight, size, align_corners), expected)
