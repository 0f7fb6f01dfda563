import os

# A test run shares the cores with whatever else runs: waiting threads must not spin.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

from pathlib import Path  # noqa: E402

import numpy as np  # noqa: E402
import pytest  # noqa: E402
import torch  # noqa: E402

from jumbo_backbone import JumboViT  # noqa: E402

SHARED = Path(__file__).resolve().parents[2] / "shared"

TINY = dict(img_size=64, patch_size=16, num_classes=10, embed_dim=48, depth=3, num_heads=3, jumbo_multiplier=4)


def tiny_model(seed: int = 0, **overrides) -> JumboViT:
    """A model of the reference's sizes in evaluation mode, with a head that is not zero."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = JumboViT(**{**TINY, **overrides})
        if model.num_classes:
            torch.nn.init.normal_(model.head.weight, std=0.1)
    return model.eval()


def images(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.fixture(scope="session")
def reference() -> dict[str, torch.Tensor]:
    path = SHARED / "reference" / "jumbo_reference.npz"
    if not path.is_file():
        pytest.skip("the authors' reference outputs are not beside this checkout")
    with np.load(path) as arrays:
        return {name: torch.from_numpy(arrays[name]) for name in arrays.files}


@pytest.fixture()
def reference_weights(reference) -> dict[str, torch.Tensor]:
    return {name.removeprefix("weights/"): t for name, t in reference.items() if name.startswith("weights/")}
