"""Run a script with the presets registered, such as timm's own train.py and validate.py.

python -m jumbo_backbone validate.py --model jumbo_small_patch16_224 --data-dir /data/imagenet --pretrained
torchrun --nproc-per-node 8 -m jumbo_backbone train.py --model jumbo_small_patch16_224 …
"""

import runpy
import sys
from pathlib import Path

from jumbo_backbone import list_models


def main() -> None:
    sys.argv = sys.argv[1:]
    if not sys.argv or sys.argv[0] in ("-h", "--help"):
        print(__doc__)
        print("Presets:", ", ".join(list_models()))
        return
    script = Path(sys.argv[0])
    if not script.is_file():
        sys.exit(f"no script at {script.absolute()}: give the path of a Python file, as in `{__doc__.splitlines()[2]}`")
    sys.path[0] = str(script.absolute().parent)  # as if the script had been started by itself
    runpy.run_path(str(script), run_name="__main__")


if __name__ == "__main__":
    main()
