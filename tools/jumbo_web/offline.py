"""Nothing leaves the machine: settings that have to be made before gradio is imported."""

import os
from pathlib import Path

from .limits import PIXELS

LOOPBACK = ("localhost", "127.0.0.1", "::1")


def stay_offline(folder: Path) -> None:
    """Switch off statistics, checks for newer versions and the hub; keep uploaded files in ``folder``.

    A proxy of the environment is not asked for this machine itself.
    """
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
    os.environ["HF_HUB_OFFLINE"] = os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"
    os.environ["GRADIO_TEMP_DIR"] = str(folder)
    os.environ["OPENCV_IO_MAX_IMAGE_PIXELS"] = str(PIXELS)
    for name in ("no_proxy", "NO_PROXY"):
        os.environ[name] = ",".join(filter(None, [os.environ.get(name), *LOOPBACK]))
