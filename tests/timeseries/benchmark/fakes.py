"""Packages of the names of the peers', in a folder of their own: quick, and they count what they forecast."""

from pathlib import Path

_STATSFORECAST = """
import os
import numpy as np


class _Model:
    def __init__(self, season_length):
        self.season = season_length

    def forecast(self, y, h, level):
        with open(os.environ["FAKE_CALLS"], "a") as file:
            file.write(type(self).__name__ + "\\n")
        if len(y) == 13 and type(self).__name__ == "AutoETS":
            raise NotImplementedError("tiny datasets")
        if y[-1] == 666:
            os._exit(9)
        mean = np.full(h, y[-1])
        told = {"mean": mean}
        for one in level:
            told[f"lo-{one}"], told[f"hi-{one}"] = mean - one, mean + one
        return told


class SeasonalNaive(_Model):
    def forecast(self, y, h, level):
        told = super().forecast(y, h, level)
        return {name: values - y[-1] + np.resize(y[-self.season:], h) for name, values in told.items()}


class DynamicOptimizedTheta(_Model):
    pass


class AutoETS(_Model):
    pass
"""

_FLAIRCAST = """
import os
import numpy as np


def forecast(y, horizon, freq, seed=None):
    with open(os.environ["FAKE_CALLS"], "a") as file:
        file.write("FLAIR " + freq + "\\n")
    return y[-1] + np.random.default_rng(seed).normal(size=(200, horizon))
"""


def write_fakes(folder: Path, version: str = "2.1.0") -> None:
    """Write both packages, as pip would have installed them."""
    for name, path, text in (
        ("statsforecast", "statsforecast/models.py", _STATSFORECAST),
        ("flaircast", "flaircast/__init__.py", _FLAIRCAST),
    ):
        (folder / name).mkdir(parents=True, exist_ok=True)
        (folder / name / "__init__.py").touch()
        (folder / path).write_text(text)
        facts = folder / f"{name}-{version}.dist-info"
        facts.mkdir(exist_ok=True)
        (facts / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
