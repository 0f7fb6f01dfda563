import warnings

import pytest
from mmengine.registry import DefaultScope, init_default_scope

with warnings.catch_warnings():  # mmcv without compiled operators, which nothing here needs
    warnings.simplefilter("ignore")
    import jumbo_backbone.segmentation  # noqa: F401  registers


@pytest.fixture(autouse=True)
def scope():
    """What a config's default_scope does in a run."""
    if DefaultScope.get_current_instance() is None:
        init_default_scope("mmseg")
