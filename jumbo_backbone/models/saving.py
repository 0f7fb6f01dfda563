"""Whole models as folders, ``config.json`` and ``model.safetensors``, which this package and timm read."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast

from huggingface_hub import ModelHubMixin, PyTorchModelHubMixin
from timm.models import filter_pretrained_cfg
from torch import nn

from ..budgets.budget import ComputeBudget
from ..layers.patch_embed import PatchEmbed
from .checkpoint import load_checkpoint, save_checkpoint
from .preset_sizes import model_name, preset_of, weights_config

if TYPE_CHECKING:
    from .vit import JumboViT

_Model = TypeVar("_Model", bound=ModelHubMixin)

# arguments of later versions, told where they say something: earlier versions read the folders of all other models
_LATER = {"default_budget", "pos_embed_sizes"}


class SavedAsFolder(PyTorchModelHubMixin):
    """Mixin for ``JumboViT``: ``save_pretrained``, ``from_pretrained`` and ``push_to_hub``, by huggingface_hub.

    ``config.json`` holds the constructor's arguments, for ``from_pretrained``, and beside them what timm wants for
    ``timm.create_model("local-dir:FOLDER", pretrained=True)``.
    """

    _hub_mixin_config: dict[str, Any]
    blocks: nn.ModuleList
    default_budget: ComputeBudget
    embed_dim: int
    global_pool: str
    in_chans: int
    jumbo_multiplier: int
    num_classes: int
    patch_embed: PatchEmbed

    if TYPE_CHECKING:

        @property
        def depth(self) -> int: ...
        @property
        def num_features(self) -> int: ...
        @property
        def pos_embed_sizes(self) -> tuple[tuple[int, int], ...]: ...

    # ---- what timm is told

    @property
    def pretrained_cfg(self) -> dict[str, Any]:
        """timm's description of the weights and of the images they take; the size is the model's own."""
        channels = self._pretrained_cfg["input_size"][0]
        return dict(self._pretrained_cfg, input_size=(channels, *self.patch_embed.img_size))

    @pretrained_cfg.setter
    def pretrained_cfg(self, cfg: dict[str, Any]) -> None:
        self._pretrained_cfg = dict(cfg)

    default_cfg = pretrained_cfg  # timm's earlier name

    @property
    def _model_args(self) -> dict[str, Any]:
        """What timm's ``save_for_hf`` and ``push_to_hf_hub`` say a model is rebuilt from."""
        return self.constructor_arguments()

    @_model_args.setter
    def _model_args(self, args: dict[str, Any]) -> None:
        """timm's factory notes here what it was given, which does not know of later changes."""

    def _describe_to_timm(self) -> None:
        """For models that timm's factory does not build."""
        preset = preset_of(self.embed_dim, self.jumbo_multiplier, self.depth)
        # of other sizes than a preset's any will do: the arguments hold every size
        self._pretrained_cfg = dict(weights_config(), architecture=model_name(preset or "small"))

    # ---- folders

    def constructor_arguments(self) -> dict[str, Any]:
        """The arguments that rebuild this model as it is now, ready for JSON."""
        told = {key: value for key, value in self._hub_mixin_config.items() if key not in _LATER}
        if self.default_budget != ComputeBudget():
            told["default_budget"] = asdict(self.default_budget)
        if self.pos_embed_sizes:
            told["pos_embed_sizes"] = [list(size) for size in self.pos_embed_sizes]
        return dict(
            told,
            img_size=list(self.patch_embed.img_size),
            patch_size=list(self.patch_embed.patch_size),
            depth=self.depth,
            num_classes=self.num_classes,
            global_pool=self.global_pool,
        )

    def get_config(self) -> dict[str, Any]:
        """What ``config.json`` says: the constructor's arguments, and what timm wants to know."""
        arguments = self.constructor_arguments()
        cfg = filter_pretrained_cfg(self.pretrained_cfg, remove_source=True)
        cfg.pop("state_dict", None)
        architecture = cfg.pop("architecture")
        cfg |= dict(num_classes=self.num_classes, input_size=(self.in_chans, *self.patch_embed.img_size))
        cfg = {key: list(value) if isinstance(value, tuple) else value for key, value in cfg.items()}
        told = dict(architecture=architecture, num_features=self.num_features, pretrained_cfg=cfg)
        return dict(arguments, **told, model_args=arguments)

    def save_pretrained(self, save_directory: str | Path, *, config: Any = None, **kwargs: Any) -> str | None:
        """Write ``config.json`` and ``model.safetensors`` to a folder; see ``PyTorchModelHubMixin``."""
        return super().save_pretrained(save_directory, config=config or self.get_config(), **kwargs)

    def push_to_hub(self, repo_id: str, *, config: Any = None, **kwargs: Any) -> str:
        """Upload to the Hugging Face hub; see ``PyTorchModelHubMixin``."""
        return super().push_to_hub(repo_id, config=config or self.get_config(), **kwargs)

    def _save_pretrained(self, save_directory: Path) -> None:
        save_checkpoint(cast("JumboViT", self), save_directory / "model.safetensors")

    @classmethod
    def _from_pretrained(cls, *, config: dict[str, Any] | None = None, **kwargs: Any) -> "SavedAsFolder":
        model = super()._from_pretrained(**kwargs)
        config = config or {}
        if cfg := config.get("pretrained_cfg"):
            told = {key: tuple(value) if isinstance(value, list) else value for key, value in cfg.items()}
            model.pretrained_cfg = dict(model.pretrained_cfg, architecture=config["architecture"]) | told
        return model

    @classmethod
    def _load_as_safetensor(cls, model: _Model, model_file: str, map_location: str, strict: bool) -> _Model:
        vit = cast("JumboViT", model)
        load_checkpoint(vit, model_file)
        vit.to(map_location).eval()
        return model

    _load_as_pickle = _load_as_safetensor
