"""`jumbo web`."""

import argparse
from pathlib import Path

from ..arguments import number
from ..command import Command

DESCRIPTION = """A page in the browser to try the models on: segment pictures with a dial for compute, forecast tables
of series, classify series, look inside an encoder. It needs no data and no network, and nothing leaves this machine."""

EPILOG = """examples:
  {prog}
      the models that `make demo` and trainings left in demo/ and work_dirs/, on a free port of this machine
  {prog} --models my_runs --port 7860 --browser
      those in a folder of your own; the browser is opened
  {prog} --host 0.0.0.0 --port 7860
      also for other machines: without a password; see docs/web.md for a reverse proxy with one

The page offers, of each work dir, the config in it (a Python file, which is run: name only work dirs of your own) with
the best or the last checkpoint; cascades that `jumbo calibrate` left; and pretrained encoders with their decoders.

Exit code: 0 done, 2 wrong input, 130 stopped by Ctrl-C.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--models", nargs="+", type=Path, metavar="DIR", help="folders with work dirs (default: demo work_dirs)")
    add("--host", default="127.0.0.1", help="address to listen at (default: %(default)s, this machine alone)")
    add("--port", type=number(int, 1), help="port (default: the first free one from 7860)")
    add("--browser", action="store_true", help="open the page in the browser")
    add("--root-path", metavar="PATH", help="path at which a reverse proxy serves the page, such as /jumbo")
    add("--share", action="store_true", help="a public address by Gradio's servers: whoever has it can use the page")


COMMAND = Command(
    "web",
    "Open a page to try models on: pictures, series, inside.",
    "jumbo_web.serve:run",
    add_arguments,
    description=DESCRIPTION,
    epilog=EPILOG,
    extra="demo,seg,timeseries",
    needs=("gradio", "plotly", "mmengine", "mmseg", "sktime", "matplotlib"),
)
