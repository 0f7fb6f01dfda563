"""What `jumbo web` does."""

import argparse
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from jumbo_cli.failing import BadInputError, say

from .limits import SESSIONS, UPLOAD
from .offline import LOOPBACK, stay_offline

FOLDERS = (Path("demo"), Path("work_dirs"))


def run(args: argparse.Namespace) -> None:
    """Show the page until Ctrl-C."""
    for folder in args.models or ():
        if not folder.is_dir():
            raise BadInputError(f"no folder at {folder}: give one with the work dirs of trainings")
    if args.host not in LOOPBACK:
        say(args.prog, f"--host {args.host}: whoever reaches this machine can use the page; see docs/web.md")
    with serving(
        args.models or FOLDERS, args.host, args.port, share=args.share, browser=args.browser, root_path=args.root_path
    ) as address:
        print(f"{address} (stop with Ctrl-C)", flush=True)
        while True:
            time.sleep(3600)


@contextmanager
def serving(
    models: Sequence[Path],
    host: str = "127.0.0.1",
    port: int | None = None,
    *,
    share: bool = False,
    browser: bool = False,
    root_path: str | None = None,
) -> Iterator[str]:
    """The page, served within the ``with`` block from threads; gives its address. At the end its files are removed.

    Raises:
        BadInputError: If the port is taken.
    """
    with tempfile.TemporaryDirectory(prefix="jumbo_web_") as name:
        folder = Path(name)
        stay_offline(folder / "uploads")
        from .loading import begin_importing
        from .look import CSS, theme
        from .page import build

        page = build(models, folder)
        try:
            _, address, _ = page.launch(
                server_name=host,
                server_port=port,
                share=share,
                inbrowser=browser,
                root_path=root_path,
                prevent_thread_lock=True,
                quiet=True,
                show_error=True,
                max_file_size=UPLOAD,
                state_session_capacity=SESSIONS,
                enable_monitoring=False,
                ssr_mode=False,
                mcp_server=False,
                pwa=False,
                footer_links=[],
                theme=theme(),
                css=CSS,
            )
        except OSError as error:
            raise BadInputError(f"{error}: give another --port, or none for a free one") from error
        begin_importing()  # after the page is there
        try:
            yield address
        finally:
            page.close(verbose=False)
