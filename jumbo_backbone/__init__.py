"""Jumbo: plain vision transformers with one wide global token. Importing this registers the presets with timm."""

from .budget import ComputeBudget
from .budget_schedule import KeepRateWarmup, TokenDropping
from .checkpoint import LoadReport, load_checkpoint, save_checkpoint
from .elastic import BudgetPair, ElasticBudgets, distillation_loss, elastic_loss
from .encoder import JumboEncoder
from .presets import create_model, list_models
from .profile import BudgetProfile, BudgetTable, profile_budgets
from .vit import JumboViT

__version__ = "0.1.0"

__all__ = [
    "BudgetPair",
    "BudgetProfile",
    "BudgetTable",
    "ComputeBudget",
    "ElasticBudgets",
    "JumboEncoder",
    "JumboViT",
    "KeepRateWarmup",
    "LoadReport",
    "TokenDropping",
    "create_model",
    "distillation_loss",
    "elastic_loss",
    "list_models",
    "load_checkpoint",
    "profile_budgets",
    "save_checkpoint",
]
