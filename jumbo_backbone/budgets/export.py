"""Budgets as arguments of exported models: ``torch.export.export(model, (x,), dict(budget=budget))``, and ONNX alike.

To torch a budget is a container without tensors, and an exported graph is fixed to it. In ``dynamic_shapes`` its
entry is an empty list, ``{"x": {0: "batch"}, "budget": []}``.
"""

import json
from dataclasses import asdict

import torch
from torch.utils import _pytree  # whose function torch.export's error messages tell one to call

from .budget import ComputeBudget


def _to_json(budget: ComputeBudget) -> str:
    return json.dumps(asdict(budget))


def _from_json(text: str) -> ComputeBudget:
    return ComputeBudget(**json.loads(text))  # which makes tuples of lists


_pytree.register_pytree_node(
    ComputeBudget,
    lambda budget: ([], budget),
    lambda _, budget: budget,
    flatten_with_keys_fn=lambda budget: ([], budget),
    serialized_type_name="jumbo_backbone.ComputeBudget",
    to_dumpable_context=_to_json,
    from_dumpable_context=_from_json,
)
torch.serialization.add_safe_globals([ComputeBudget])  # torch.export.save keeps the example, torch.export.load reads it
