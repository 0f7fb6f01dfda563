"""Jumbo: plain vision transformers with one wide global token. Importing this registers the presets with timm."""

from .budgets import export as budget_export  # noqa: F401 registers budgets with torch.export
from .budgets.budget import ComputeBudget
from .budgets.elastic import BudgetPair, ElasticBudgets, distillation_loss, elastic_loss
from .budgets.profile import BudgetProfile, BudgetTable, profile_budgets
from .budgets.schedule import KeepRateWarmup, TokenDropping
from .committees.calibration import Calibration, calibrate
from .committees.committee import Cascade, Ensemble
from .committees.costs import member_costs
from .committees.outcomes import Outcomes, ask_all
from .committees.temperature import fit_temperatures
from .layers.int8 import quantize_jumbo_ffn
from .models.checkpoint import LoadReport, load_checkpoint, save_checkpoint
from .models.encoder import JumboEncoder
from .models.presets import create_model, list_models
from .models.vit import JumboViT

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
    "quantize_jumbo_ffn",
    "save_checkpoint",
]
