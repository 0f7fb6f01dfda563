"""Checks that labels and images mean the same in training, validation, test and an earlier training."""

import ast
import random
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from mmcv.transforms import LoadImageFromFile
from mmengine.config import Config
from mmseg.datasets import BaseSegDataset
from mmseg.registry import DATASETS

from .image_input import ImageReader, LoaderFacts, preprocessing_of
from .loaders import LOADERS, datasets_of
from .transforms import built, is_stock, kind_of, name_of

WAY_BACK = "Give the config it was trained with (its work dir holds it)"


def warn(message: str) -> None:
    """Report on stderr a difference that may be intended."""
    print(f"warning: {message}", file=sys.stderr)


# ---- within a config


def require_one_meaning(cfg: Config) -> None:
    """Check that all data sets of a config have the classes of the training data in the same order, encode labels
    alike, and that their pipelines turn an image file into the same input. Warns of differences that may be intended.

    Raises:
        ValueError: If not; the message names what differs.
    """
    of_loader = {loader: datasets_of(Config({loader: cfg[loader]})) for loader in LOADERS if cfg.get(loader)}
    all_sets = [(loader, dataset) for loader, found in of_loader.items() for dataset in found]
    if not all_sets:
        return
    (first, one), *others = all_sets
    meaning, images = Labels.of(one), _images(one)
    if first == "train_dataloader" and images and (cut := images.cut_to_8_bits()):
        raise ValueError(f"{first}: {cut} cuts values of 16 bits to 8, which the test does not do: leave it out")
    for loader, other in others:
        names = f"{first} and {loader}"
        if meaning and (theirs := Labels.of(other)):
            meaning.require_same(theirs, names)
        if images and loader != first and (others_images := _images(other)):
            images.require_same(others_images, names)


@dataclass(frozen=True)
class Labels:
    """What the numbers in a data set's label files become."""

    kind: type
    classes: tuple[str, ...]
    reduce_zero_label: bool

    @classmethod
    def of(cls, dataset: Mapping) -> "Labels | None":
        """None for a data set of another kind, or one that cannot be built: other checks say why."""
        try:
            built = DATASETS.build({**dataset, "pipeline": [], "lazy_init": True, "test_mode": False})
        except Exception:
            return None
        if not isinstance(built, BaseSegDataset) or not built.metainfo.get("classes"):
            return None
        return cls(type(built), tuple(built.metainfo["classes"]), bool(built.reduce_zero_label))

    def require_same(self, other: "Labels", names: str) -> None:
        """Raise a ValueError if a class has another number in the other data set; warn if it has another name."""
        if told := moved_classes(self.classes, other.classes):
            raise ValueError(f"{names} number the classes differently: {told}. Give both one order")
        if told := renamed_classes(self.classes, other.classes):
            warn(f"{names} name the classes differently: {told}")
        if self.reduce_zero_label != other.reduce_zero_label:
            told = f"{names} have reduce_zero_label={self.reduce_zero_label} and {other.reduce_zero_label}"
            if self.kind is other.kind:
                raise ValueError(f"{told}: the same number is another class in each. Make them equal")
            warn(f"{told}: are their masks numbered differently?")


def moved_classes(ours: Sequence[str], theirs: Sequence[str]) -> str:
    """The classes that have one name and two numbers, in words; an empty text if there are none."""
    places = {name: i for i, name in enumerate(theirs)}
    moved = [f"{name!r} is {i} and {places[name]}" for i, name in enumerate(ours) if places.get(name, i) != i]
    return ", ".join(moved[:3]) + (f", and {len(moved) - 3} more" if len(moved) > 3 else "")


def renamed_classes(ours: Sequence[str], theirs: Sequence[str]) -> str:
    """The classes that have one number and two names, in words; an empty text if there are none."""
    pairs = [f"{i} is {a!r} and {b!r}" for i, (a, b) in enumerate(zip(ours, theirs, strict=False)) if a != b]
    pairs += [f"there are {len(ours)} and {len(theirs)}"] if len(ours) != len(theirs) else []
    return ", ".join(pairs[:3]) + (f", and {len(pairs) - 3} more" if len(pairs) > 3 else "")


# ---- images


class Images:
    """The image that a pipeline makes of an image file, before the data preprocessor.

    A user's own loaders are not run here, because the run has not begun: their configs are compared.

    Args:
        dataset: Config of a data set.

    Raises:
        ValueError: If a transform of its pipeline is not registered.
    """

    def __init__(self, dataset: Mapping) -> None:
        steps = []
        for step in dataset["pipeline"]:  # augmentations at test time are looked at one by one
            branches = step["transforms"] if isinstance(step, Mapping) and step["type"] == "TestTimeAug" else [[step]]
            steps += [inner for branch in branches for inner in branch]
        self.loader, self.facts, self.later = None, LoaderFacts(), []
        for number, step in enumerate(steps):
            kind = kind_of(step)
            if is_stock(kind):
                self.facts = ImageReader([step], dataset.get("img_suffix", "")).facts
            if not is_stock(kind) or self.facts.colour is not None or issubclass(kind, LoadImageFromFile):
                self.loader, self.later = step, steps[number + 1 :]
                break

    def require_same(self, other: "Images", names: str, way_out: str = "Give all pipelines the same loader") -> None:
        """Raise a ValueError if the loaders read one file as different images; warn if they may, or if later steps
        differ."""
        for name, meaning in _FACTS.items():
            ours, theirs = getattr(self.facts, name), getattr(other.facts, name)
            if None not in (ours, theirs) and not np.allclose(ours, theirs, rtol=0.03):  # decoders of JPEG differ
                raise ValueError(f"{names} load images differently ({meaning}: {ours} and {theirs}). {way_out}")
        if None in (self.facts.colour, other.facts.colour) and self.loader != other.loader:
            warn(f"{names} load images by {self.loader} and {other.loader}: do they give the same?")
        ours, theirs = self.changes(other.later), other.changes(self.later)
        if ours or theirs:
            told = " and ".join(", ".join(f"{k} to {v}" for k, v in x.items()) or "not at all" for x in (ours, theirs))
            warn(f"pipelines of {names} change values differently: {_FLAT} {told}")

    def changes(self, others: Sequence[Any] = ()) -> dict[str, tuple[float, ...]]:
        """The values into which steps that are not random turn a flat colour, by the steps' names. Steps that leave
        it unchanged, and those among the ``others``, are left out."""
        found, flat = {}, np.array(_FLAT, dtype=np.uint8)
        for name, outcomes in _tried([s for s in self.later if s not in others], np.tile(flat, (64, 64, 1))):
            colours = {tuple(image[len(image) // 2, image.shape[1] // 2].tolist()) for image in outcomes}
            left = any((image == flat).all(axis=2).any() for image in outcomes)
            if len(outcomes) == TRIES and len(colours) == 1 and not left:
                found[name] = tuple(round(float(x), 3) for x in colours.pop())
        return found

    def cut_to_8_bits(self) -> str:
        """The step that cuts the 16 bits that the loader kept to 8; an empty text if there is none."""
        if not self.facts.deep:
            return ""
        for name, outcomes in _tried(self.later, np.full((64, 64, 3), 30_000, dtype=np.uint16)):
            if any(image.dtype == np.uint8 or image.max() == 255 for image in outcomes):
                return name
        return ""


def _tried(steps: Sequence[Any], image: np.ndarray) -> Iterator[tuple[str, list[np.ndarray]]]:
    """Each step by name, and the images (H, W, 3) that it made of one in ``TRIES``."""
    labels = np.zeros(image.shape[:2], dtype=np.uint8)
    start = dict(img_path="", img=image, gt_seg_map=labels, seg_fields=["gt_seg_map"])
    start |= dict(img_shape=labels.shape, ori_shape=labels.shape)
    with _own_chance():
        for step in steps:
            step = built(step) if isinstance(step, Mapping) else step
            outcomes = []
            for _ in range(TRIES):
                try:
                    made = step({k: v.copy() if hasattr(v, "copy") else v for k, v in start.items()})["img"]
                except Exception:  # it takes other inputs, or packs them
                    continue
                if isinstance(made, np.ndarray) and made.ndim == 3 and made.shape[2] == 3 and made.size:
                    outcomes.append(made)
            if outcomes:
                yield name_of(step), outcomes


TRIES = 8  # of a step: as often the same is no chance
_FLAT = (90, 140, 200)
_FACTS = dict(
    colour="values of a colour",
    deep="16 bits are kept",
    alpha="the fourth band is kept",
    upright="photographs are turned",
)


def _images(dataset: Mapping) -> Images | None:
    try:
        return Images(dataset) if dataset.get("pipeline") else None
    except Exception:  # a type that is not registered, or arguments that do not fit: whoever builds it tells
        return None


@contextmanager
def _own_chance() -> Iterator[None]:
    """Random numbers drawn inside the ``with`` block do not change the random numbers of a run."""
    states = random.getstate(), np.random.get_state(), torch.get_rng_state()  # noqa: NPY002  (what transforms draw from)
    try:
        yield
    finally:
        random.setstate(states[0])
        np.random.set_state(states[1])  # noqa: NPY002
        torch.set_rng_state(states[2])


def require_same_images(one: Config, other: Config, names: str) -> None:
    """Raise a ValueError if the tests of two configs load images differently, warn if they change them differently."""
    ours, theirs = (_images(datasets_of(Config(dict(test_dataloader=c.test_dataloader)))[0]) for c in (one, other))
    if ours and theirs:
        ours.require_same(theirs, names)


# ---- as a checkpoint was trained


def require_as_trained(
    cfg: Config, meta: Mapping[str, Any], classes: bool = True, loader: str = "test_dataloader"
) -> None:
    """Check that a config reads images and numbers classes like the config that a checkpoint was trained with.

    Args:
        cfg: The config to check.
        meta: The checkpoint's ``meta``; facts that it lacks are not checked.
        classes: Whether labels of the data are compared with predictions.
        loader: Of the data.

    Raises:
        ValueError: If images get other means, deviations or colours, are loaded differently, or a class has another
            number.
    """
    dataset = datasets_of(Config({loader: cfg[loader]}))[0] if cfg.get(loader) else {}
    told = meta.get("dataset_meta") or {}
    if classes and told.get("classes") and (now := Labels.of(dataset)):
        names = f"the checkpoint and {loader}"
        if moved := moved_classes(told["classes"], now.classes):
            raise ValueError(f"{names} number the classes differently: {moved}. Give the test data that order")
        if renamed := renamed_classes(told["classes"], now.classes):
            warn(f"{names} name the classes differently: {renamed}")
        reduced = told.get("reduce_zero_label")
        if reduced is not None and bool(reduced) != now.reduce_zero_label:
            warn(
                f"{names} have reduce_zero_label={bool(reduced)} and {now.reduce_zero_label}: are the masks of the "
                "test numbered differently from those of the training?"
            )
    trained = settings_of(meta.get("cfg"))
    model = cfg.model.get("module", cfg.model)  # of augmentation at test time
    if model.get("data_preprocessor") and isinstance(trained.get("model"), Mapping):
        before, here = preprocessing_of(trained), preprocessing_of(dict(model=model))
        for key, value in before.items():
            if value != here[key]:
                raise ValueError(
                    f"data_preprocessor: the checkpoint was trained with {key} {value}, this config has {here[key]}. "
                    f"{WAY_BACK}"
                )
    if dataset and isinstance(trained.get("train_dataloader"), Mapping):
        (first, *_) = datasets_of(Config(dict(train_dataloader=trained["train_dataloader"])))
        if (theirs := _images(first)) and (ours := _images(dataset)):
            theirs.require_same(ours, "the training of the checkpoint and the test", WAY_BACK)


def settings_of(text: str | None) -> dict[str, Any]:
    """The plain values in the text of a config, as mmengine writes it into checkpoints; none of its code is run."""
    found = {}
    try:
        statements = ast.parse(text or "").body
    except (SyntaxError, ValueError):
        return {}
    for statement in statements:
        if isinstance(statement, ast.Assign) and isinstance(statement.targets[0], ast.Name):
            try:
                found[statement.targets[0].id] = _value(statement.value)
            except (ValueError, TypeError):
                continue
    return found


def _value(node: ast.expr) -> Any:
    """The value of an expression of numbers, texts, lists, tuples and dicts, also ``dict(key=value)``."""
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "dict" and not node.args:
        return {keyword.arg: _value(keyword.value) for keyword in node.keywords}
    if isinstance(node, ast.Dict):
        keys: list[Any] = node.keys  # None before a dict that is unpacked: no value
        return {ast.literal_eval(key): _value(value) for key, value in zip(keys, node.values, strict=True)}
    if isinstance(node, ast.List | ast.Tuple):
        items = [_value(item) for item in node.elts]
        return items if isinstance(node, ast.List) else tuple(items)  # transforms tell them apart
    return ast.literal_eval(node)
