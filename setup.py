"""Beside setup.cfg: folders that are packages of other names: the configs within jumbo_backbone, the command, and the
page."""

from setuptools import find_packages, setup

CONFIGS = {"jumbo_backbone.seg_configs": "seg_configs", "jumbo_backbone.seg_configs._base_": "seg_configs/_base_"}

COMMAND = {"jumbo_cli": "tools/jumbo_cli", "jumbo_cli.commands": "tools/jumbo_cli/commands"}

PAGE = {"jumbo_web": "tools/jumbo_web"}

setup(
    packages=[*find_packages(include=["jumbo_backbone*", "timeseries*"]), *CONFIGS, *COMMAND, *PAGE],
    package_dir=CONFIGS | COMMAND | PAGE,
)
