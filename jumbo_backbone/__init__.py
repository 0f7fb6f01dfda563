"""Jumbo: plain vision transformers with one wide global token. Importing this registers the presets with timm."""

from . import budget_export  # noqa: F401 registers budgets with torch.export
from .budget import ComputeBudget
from .budget_schedule import KeepRateWarmup, TokenDropping
from .calibration import Calibration, calibrate, fit_temperatures, member_costs
from .checkpoint import LoadReport, load_checkpoint, save_checkpoint
from .committee import Cascade, Ensemble
from .elastic import BudgetPair, ElasticBudgets, distillation_loss, elastic_loss
from .encoder import JumboEncoder
from .outcomes import Outcomes, ask_all
from .presets import create_model, list_models
from .profile import BudgetProfile, BudgetTable, profile_budgets
from .vit import JumboViT

__version__ = "0.1.0"

__all__ = [
    "BudgetPair",
    "BudgetProfile",
    "BudgetTable",
    "Calibration",
    "Cascade",
    "ComputeBudget",
    "ElasticBudgets",
    "Ensemble",
    "JumboEncoder",
    "JumboViT",
    "KeepRateWarmup",
    "LoadReport",
    "Outcomes",
    "TokenDropping",
    "ask_all",
    "calibrate",
    "create_model",
    "distillation_loss",
    "elastic_loss",
    "fit_temperatures",
    "list_models",
    "load_checkpoint",
    "member_costs",
    "profile_budgets",
    "save_checkpoint",
]
