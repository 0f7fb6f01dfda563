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


@pytest.fixture(autouse=True, scope="session")
def plain_configs():
    """For every checkpoint mmengine formats the whole config prettily, which is most of the time of a tiny run."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("yapf.yapflib.yapf_api.FormatCode", lambda text, **_: (text, True))
        yield
