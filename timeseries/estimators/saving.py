"""Fitted estimators in one safetensors file: arrays, and JSON in the file's header. Loading runs no code."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from jumbo_backbone.files import replacing

from ..fitting.training import Network
from .encoding import pack, unpack
from .first_layout import from_first_layout

SUFFIX = ".safetensors"
_LAYOUT = 2
_LEFT_OUT = ("callbacks",)  # functions cannot be saved as data


class SafeSaving:
    """``save`` and ``load`` for an estimator whose state consists of values that ``encoding`` can write.

    A subclass has ``_saved_state() -> dict`` and ``_restore_state(state)``.
    """

    _before: dict[str, Any] = {}  # values of parameters that files of earlier versions do not have
    check_is_fitted: Callable[[], None]
    get_params: Callable[..., dict[str, Any]]
    _saved_state: Callable[[], dict[str, Any]]
    _restore_state: Callable[[dict[str, Any]], None]

    def save(self, path=None, serialization_format="pickle"):
        """Save the fitted estimator.

        Args:
            path (str or Path, optional): A path that ends in ".safetensors" gives one file of arrays and JSON; read it
                with ``load``, which runs no code. Callbacks are not saved. With any other path, or none, the estimator
                is pickled, as every sktime estimator is; read it with ``sktime.base.load``.
            serialization_format (str): "pickle" or "cloudpickle". Ignored for ".safetensors".

        Raises:
            TypeError: If a parameter, or a name in the data, cannot be written as data, such as an object of a class of
                your own.
        """
        if path is None or Path(path).suffix != SUFFIX:
            return super().save(path, serialization_format)  # type: ignore[misc]  # sktime's, of a class beside this one
        self.check_is_fitted()
        content, arrays = self._packed()
        with replacing(path) as temporary:
            save_file(arrays, temporary, metadata={"jumbo": json.dumps(content, allow_nan=False)})
        return None

    @classmethod
    def load(cls, path):
        """Load what ``save`` wrote to a ".safetensors" file.

        Args:
            path (str or Path): The file.

        Returns:
            Self: The fitted estimator.

        Raises:
            FileNotFoundError: If there is no such file.
            ValueError: If it holds no estimator of this class, is damaged, or is of a newer version.
        """
        if not Path(path).is_file():
            raise FileNotFoundError(f"no saved estimator at {path}: give the path of a file that save wrote")
        content, arrays = _read(path, cls.__name__)
        try:
            if content.get("layout", 1) == 1:
                params, state = from_first_layout(content, arrays)
            else:
                params = {name: unpack(value, arrays) for name, value in content["params"].items()}
                state = unpack(content["state"], arrays)
            estimator = cls(**cls._before | params)
            estimator._restore_state(state)
        except Exception as error:  # a damaged file may fail anywhere
            raise ValueError(
                f"{path} is damaged, or was saved by a version that this one cannot read "
                f"({type(error).__name__}: {error}): save the estimator again"
            ) from error
        return estimator

    def _packed(self) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        """Header and arrays."""
        params: dict[str, Any] = {}
        arrays: dict[str, np.ndarray] = {}
        for name, value in self.get_params(deep=False).items():
            if name in _LEFT_OUT:
                continue
            try:
                params[name], some = pack(value, f"params/{name}")
            except TypeError as error:
                raise TypeError(
                    f"parameter {name}={value!r} cannot be written as JSON: save by pickle instead"
                ) from error
            arrays |= some
        try:
            state, some = pack(self._saved_state(), "state")
        except TypeError as error:
            raise TypeError(f"{error}: save by pickle instead, or give names of another kind to fit") from error
        return dict(type=type(self).__name__, layout=_LAYOUT, params=params, state=state), arrays | some


def _read(path: str | Path, wanted: str) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Header and arrays of a file that holds an estimator of this name.

    Raises:
        ValueError: If it holds none.
    """
    try:
        with safe_open(path, framework="np") as file:
            content = json.loads((file.metadata() or {}).get("jumbo", "{}"))
            if not isinstance(content, dict) or content.get("type") != wanted:
                there = content.get("type", "other tensors") if isinstance(content, dict) else "other tensors"
                raise ValueError(f"{path} holds {there}, not a {wanted}")
            if content.get("layout", 1) not in (1, _LAYOUT):
                raise ValueError(
                    f"{path} has layout {content['layout']!r}, this version reads layouts up to {_LAYOUT}: load it "
                    "with the version that saved it, or a later one"
                )
            return content, {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (it is no dict)
    except (SafetensorError, json.JSONDecodeError) as error:
        raise ValueError(
            f"{path} is not a complete safetensors file of an estimator ({error}): save it again"
        ) from error


def weights_of(networks: Sequence[torch.nn.Module]) -> list[dict[str, np.ndarray]]:
    """Weights of all members, by name."""
    return [{name: t.detach().cpu().numpy() for name, t in network.state_dict().items()} for network in networks]


def with_weights(
    build: Callable[..., Network], weights: dict[str, np.ndarray], *arguments: Any, **options: Any
) -> Network:
    """A network built with the arguments, with these weights (all of them must fit), in evaluation mode."""
    with torch.random.fork_rng():  # building draws initial weights
        network = build(*arguments, **options)
    network.load_state_dict({name: torch.from_numpy(np.array(w)) for name, w in weights.items()})
    return network.eval()
