"""Write the golden values that tests/jumbo_backbone/test_golden.py compares with.

    python tests/golden/write_golden.py

Run it only when the outputs are meant to change, and say in the commit why they did.
"""

from pathlib import Path

import torch
from safetensors.torch import save_file

from jumbo_backbone import JumboViT

FILE = Path(__file__).with_name("jumbo.safetensors")
KINDS = ("shared", "per_layer", "none", "patch")


def model(kind: str) -> JumboViT:
    """A small model whose weights are a formula of their place, so that no random generator has to stay the same."""
    model = JumboViT(
        img_size=32,
        patch_size=8,
        num_classes=5,
        embed_dim=16,
        depth=2,
        num_heads=2,
        jumbo_multiplier=3,
        jumbo_ffn=kind,
        jumbo_lora_rank=2 if kind == "shared" else 0,
    )
    with torch.no_grad():
        for k, (_, p) in enumerate(sorted(model.named_parameters())):
            p.copy_(0.2 * torch.sin(torch.arange(p.numel(), dtype=torch.float64) * 0.7 + k).reshape(p.shape))
    return model.eval()


def image() -> torch.Tensor:
    return torch.cos(torch.arange(2 * 3 * 32 * 40, dtype=torch.float64) * 0.01).reshape(2, 3, 32, 40).float()


@torch.no_grad()
def outputs() -> dict[str, torch.Tensor]:
    values = {}
    for kind in KINDS:
        m = model(kind)
        values[f"{kind}/tokens"] = m.forward_features(image())
        values[f"{kind}/logits"] = m(image())
        values[f"{kind}/attention"] = m.attention_map(image())
    return values


if __name__ == "__main__":
    save_file(outputs(), FILE)
    print(f"wrote {FILE}")
