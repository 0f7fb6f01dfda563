"""The command `jumbo`: fast help, exit codes, subcommands by entry points, and the pip line of what is missing."""

import ast
import os
import time
from importlib import import_module
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

import jumbo_cli
from jumbo_backbone import __version__
from jumbo_cli import main as cli
from jumbo_cli.command import Command, status
from jumbo_cli.failing import BadInputError

ROOT = Path(__file__).resolve().parents[3]
NAMES = ["train", "test", "infer", "export", "check", "prepare", "calibrate", "attention", "benchmark"]
NAMES += ["pretrain", "probe", "robustness", "pretrain-series", "benchmark-series", "web"]


def entry(command: Command, monkeypatch) -> None:
    """A subcommand that another package brings."""
    module = import_module(__name__)
    monkeypatch.setattr(module, "OTHER", command, raising=False)
    point = EntryPoint(command.name, f"{__name__}:OTHER", cli.GROUP)
    monkeypatch.setattr(cli, "entry_points", lambda group: [point] if group == cli.GROUP else [])


def body(args):
    return {"good": 0, "part": 1, "ctrl-c": KeyboardInterrupt, "wrong": BadInputError("no such thing")}[args.what]


def told(args):
    """Raises what it is told to raise, or returns it."""
    result = body(args)
    if isinstance(result, int):
        return result
    raise result


def other(**changes) -> Command:
    return Command("other", "Does other things.", f"{__name__}:told", lambda p: p.add_argument("what"), **changes)


def test_help_comes_at_once_and_lists_all_in_order(jumbo):
    begin = time.perf_counter()
    out, _ = jumbo("--help")
    assert time.perf_counter() - begin < 2
    listed = [line.split()[0] for line in out.partition("commands:\n")[2].splitlines() if line.startswith("  ")]
    assert listed == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_help_of_a_subcommand_imports_nothing_heavy(jumbo, name):
    """Nor do wrong arguments: whatever of these is imported would be in the list that Python prints."""
    out, imported = jumbo(name, "--help", python=("-X", "importtime"))
    assert out.startswith(f"usage: jumbo {name} ") and "Exit code:" in out and "{prog}" not in out
    modules = {line.rpartition("|")[2].strip().split(".")[0] for line in imported.splitlines()}
    assert "jumbo_cli" in modules
    assert not modules & {"torch", "timm", "numpy", "mmengine", "mmseg", "mmcv", "cv2", "jumbo_backbone", "sktime"}


def test_only_the_standard_library_is_imported_by_the_arguments():
    for path in Path(jumbo_cli.__file__).parent.rglob("*.py"):
        for node in ast.parse(path.read_text()).body:
            names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
            names += [node.module] if isinstance(node, ast.ImportFrom) and not node.level else []
            for name in names:
                assert name.split(".")[0] in {*os.sys.stdlib_module_names, "jumbo_cli"}, (path, name)


def test_version(jumbo):
    assert jumbo("--version")[0] == f"jumbo {__version__}\n"


def test_wrong_commands_and_arguments(jumbo):
    assert "unknown command 'trian', did you mean 'train'?" in jumbo("trian", code=2)[1]
    assert "give one of train, test" in jumbo("xyz", code=2)[1]
    assert "commands:" in jumbo(code=2)[0]
    assert "the following arguments are required: config" in jumbo("train", code=2)[1]


@pytest.mark.parametrize(("what", "code"), [("good", 0), ("part", 1), ("wrong", 2), ("ctrl-c", 130)])
def test_exit_codes_of_a_subcommand_of_another_package(monkeypatch, capsys, what, code):
    entry(other(), monkeypatch)
    assert cli.main(["other", what]) == code
    err = capsys.readouterr().err
    assert err == {"wrong": "jumbo other: error: no such thing\n", "ctrl-c": "jumbo other: stopped by Ctrl-C\n"}.get(
        what, ""
    )


def test_ctrl_c_before_a_subcommand_begins(monkeypatch, capsys):
    def interrupted(group):
        raise KeyboardInterrupt

    monkeypatch.setattr(cli, "entry_points", interrupted)
    assert cli.main(["train"]) == 130 and capsys.readouterr().err == "jumbo: stopped by Ctrl-C\n"


def test_a_missing_extra_is_told_with_its_pip_line(monkeypatch, capsys):
    entry(other(extra="things", needs=("ast", "no_such_module")), monkeypatch)
    assert cli.main(["--help"]) == 0
    out = capsys.readouterr().out
    assert "  other             Does other things." in out
    assert "Not installed yet, for other: pip install 'jumbo-backbone[things]'" in out
    assert cli.main(["other", "good"]) == 2
    told = "jumbo other: error: needs no_such_module: pip install 'jumbo-backbone[things]'\n"
    assert capsys.readouterr().err == told


def test_nothing_registered_is_told(monkeypatch, capsys):
    monkeypatch.setattr(cli, "entry_points", lambda group: [])
    assert cli.main(["--help"]) == 0 and "No subcommand is registered" in capsys.readouterr().out


def test_what_a_body_returns_is_its_exit_code_only_if_it_is_one():
    assert [status(returned) for returned in (None, {"mIoU": 1.0}, 0, 1, 130)] == [0, 0, 0, 1, 130]


@pytest.mark.parametrize("name", NAMES)
def test_bodies_and_extras_exist(name):
    """What a subcommand names is there: its function, and its extra in setup.cfg."""
    command: Command = import_module(f"jumbo_cli.commands.{name.replace('-', '_')}").COMMAND
    module, function = command.body.split(":")
    if not command.missing():
        assert callable(getattr(import_module(module), function))
    setup = (ROOT / "setup.cfg").read_text()
    assert f"{name} = jumbo_cli.commands.{name.replace('-', '_')}:COMMAND" in setup and command.name == name
    for extra in command.extra.split(","):
        assert f"\n{extra} =\n" in setup


def test_units_of_costs_are_those_of_the_library():
    assert import_module("jumbo_cli.commands.calibrate").UNITS == import_module("jumbo_backbone.committees.costs").UNITS


def test_doors_are_a_few_lines_and_their_messages_begin_with_their_names(capsys):
    doors = [path for path in (ROOT / "tools").glob("*.py") if "COMMAND.door" in path.read_text()]
    assert len(doors) == len(NAMES)
    for path in doors:
        assert len(path.read_text().splitlines()) < 20 and f'door("{path.name}")' in path.read_text()
