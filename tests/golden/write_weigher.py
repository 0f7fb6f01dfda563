"""Write what the tiny recipe of tests/timeseries/fitting/test_weigher_training.py reaches.

    python tests/golden/write_weigher.py

Run it only when cases or training are meant to change: then the weights in the package are of another recipe, too.
"""

import json
import sys
import tempfile
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.timeseries.fitting.test_weigher_training import CPU, TINY
from timeseries.fitting.weigher_training import prepare, pretrain

FILE = Path(__file__).with_name("weigher.json")

if __name__ == "__main__":
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        shards = prepare(TINY, Path(folder), lambda message: None)
        _, reached = pretrain(TINY, *shards, Path(folder) / "state.pt", CPU, lambda message: None)
    FILE.write_text(json.dumps({name: round(value, 5) for name, value in reached.items()}, indent=1) + "\n")
