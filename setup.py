"""Beside setup.cfg: the configs of the folder seg_configs travel inside the package, as jumbo_backbone/seg_configs."""

from setuptools import find_packages, setup

CONFIGS = {"jumbo_backbone.seg_configs": "seg_configs", "jumbo_backbone.seg_configs._base_": "seg_configs/_base_"}

setup(
    packages=[*find_packages(include=["jumbo_backbone*", "jumbo_cli*", "timeseries*"]), *CONFIGS],
    package_dir=CONFIGS,
)
