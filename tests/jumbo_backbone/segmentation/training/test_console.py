"""The first figure of a training comes soon: every so many iterations, and after a silence however few there were."""

from types import SimpleNamespace
from unittest.mock import MagicMock

import pytest

from jumbo_backbone.segmentation.training import console


@pytest.mark.parametrize(
    ("step", "logged"),
    [(1.0, [3, 6]), (11.0, [2, 3, 6]), (40.0, [0, 1, 2, 3, 4, 5, 6]), (16.0, [1, 3, 5, 6])],
)
def test_what_is_logged_when_an_iteration_takes_so_many_seconds(monkeypatch, step, logged):
    """Of seven iterations, with an interval of 4 (3 is the fourth), and 30 seconds of silence; the last is the end."""
    clock = SimpleNamespace(now=0.0)
    monkeypatch.setattr(console.time, "monotonic", lambda: clock.now)
    runner = MagicMock(train_dataloader=range(7), iter=0)
    runner.log_processor.get_log_after_iter.side_effect = lambda runner, batch_idx, mode: ("", f"line {batch_idx}")
    hook = console.PromptLoggerHook(interval=4, ignore_last=False)
    hook.before_run(runner)
    hook.before_train(runner)
    for i in range(7):
        clock.now += step
        hook.after_train_iter(runner, i)
    lines = [call.args[0] for call in runner.logger.info.call_args_list]
    assert [line for line in lines if line.startswith("line")] == [f"line {i}" for i in logged]
