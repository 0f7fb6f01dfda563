"""The page as it is served, with tiny models, while nothing may leave this machine."""

import ipaddress
import socket
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.conftest import write_cascade, write_config, write_pairs, write_trained

MODEL, CASCADE = "tiny (iter_8)", "cascade (cascade)"


def leaves_the_machine(address: object) -> bool:
    """Whether an address of a socket is of another machine. Names and files of this one are not."""
    if not isinstance(address, tuple):
        return False  # a socket of the file system
    host = str(address[0])
    try:
        return not ipaddress.ip_address(host.split("%")[0]).is_loopback
    except ValueError:
        return host not in ("", "localhost")


@pytest.fixture(scope="session")
def requests_to_others() -> Iterator[list]:
    """Addresses of other machines that were asked for; each is refused."""
    asked: list = []
    real = {name: getattr(socket.socket, name) for name in ("connect", "connect_ex", "sendto")}

    def guarded(name):
        def call(self, *args):
            address = args[-1]
            if leaves_the_machine(address):
                asked.append((name, address))
                raise OSError(f"refused by the tests: {address}")
            return real[name](self, *args)

        return call

    look_up = socket.getaddrinfo

    def guarded_look_up(host, *args, **kwargs):
        if host is not None and leaves_the_machine((host.decode() if isinstance(host, bytes) else host,)):
            asked.append(("getaddrinfo", host))
            raise OSError(f"refused by the tests: {host}")
        return look_up(host, *args, **kwargs)

    with pytest.MonkeyPatch.context() as patch:
        for name in real:
            patch.setattr(socket.socket, name, guarded(name))
        patch.setattr(socket, "getaddrinfo", guarded_look_up)
        # the client of the tests asks the hub who it is; the page itself sets this before anything is imported
        patch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
        yield asked


@pytest.fixture(scope="session")
def models(tmp_path_factory) -> Path:
    """Work dirs: a tiny segmentor, and a calibrated cascade of two."""
    pytest.importorskip("mmseg")
    from jumbo_cli.commands.calibrate import COMMAND

    folder = tmp_path_factory.mktemp("models")
    tiny = folder / "tiny"
    tiny.mkdir()
    config = write_config(tiny)
    write_trained(config, tiny / "iter_8.pth")
    elsewhere = tmp_path_factory.mktemp("members")
    write_pairs(elsewhere, 2)
    write_config(elsewhere)
    cascade = write_cascade(elsewhere, "cascade")
    COMMAND.run([str(cascade), "--work-dir", str(folder / "cascade")])
    assert {"calibration.json", "cascade.py"} <= {path.name for path in (folder / "cascade").iterdir()}
    return folder


@pytest.fixture(scope="session")
def page(models, requests_to_others) -> Iterator[str]:
    """The address of the page."""
    if find_spec("gradio") is None:  # it is imported with the settings that keep it offline, and not before
        pytest.skip("gradio is not installed: pip install '.[demo]'")
    from jumbo_web.serve import serving

    with serving([models]) as address:
        yield address


@pytest.fixture(scope="session")
def named(models):
    """The name under which the page offers a work dir."""
    return lambda name: f"{models}/{name}"
