"""What the subcommands of `jumbo` for segmentation do, and what they share; their arguments are in jumbo_cli."""

from jumbo_cli.config_arguments import KeysAndValues, add_budget_arguments, add_config_arguments

from ..data.loaders import LOADERS, datasets_of
from .config import (
    read_config,
    require_one_model,
    use_budget,
    use_windows,
)
from .failing import in_users_terms

__all__ = [
    "LOADERS",
    "KeysAndValues",
    "add_budget_arguments",
    "add_config_arguments",
    "datasets_of",
    "in_users_terms",
    "read_config",
    "require_one_model",
    "use_budget",
    "use_windows",
]
