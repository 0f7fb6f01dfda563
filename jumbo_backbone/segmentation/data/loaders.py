"""The data loaders of a config, and their data sets."""

from mmengine.config import Config

LOADERS = ("train_dataloader", "val_dataloader", "test_dataloader")


def datasets_of(cfg: Config) -> list[dict]:
    """The innermost data sets of all loaders of a config, each once."""
    found: list[dict] = []

    def visit(dataset: dict) -> None:
        inner = [dataset["dataset"]] if "dataset" in dataset else dataset.get("datasets", [])
        for child in inner:
            visit(child)
        if not inner and not any(dataset is other for other in found):
            found.append(dataset)

    for name in LOADERS:
        if cfg.get(name):
            visit(cfg[name].dataset)
    return found
