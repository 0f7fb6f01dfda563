"""The terminal output of a run: its progress at least every half minute, and nothing that its files hold."""

import logging
import time
from collections.abc import Sequence
from typing import Any

from mmengine.hooks import LoggerHook
from mmengine.logging import MMLogger
from mmengine.runner import Runner
from mmseg.registry import HOOKS

HELD_BY_FILES = (
    "Config:\n",
    "Hooks will be executed in the following order",
    "\n" + "-" * 60 + "\nSystem environment:",
)
NOISE = ("The prefix is not set in metric class", '"FileClient" will be deprecated', '"HardDiskBackend" is the alias')


class QuietRunner(Runner):
    """A runner whose terminal shows neither the config nor the environment nor the list of hooks.

    The work dir holds all of it: the config as a file, the rest in the log.
    """

    def build_logger(self, *args: Any, **kwargs: Any) -> MMLogger:
        logger = super().build_logger(*args, **kwargs)
        for handler in logger.handlers:
            if not isinstance(handler, logging.FileHandler):
                handler.addFilter(_is_news)
        return logger

    def dump_config(self) -> None:
        super().dump_config()
        self.logger.info(f"the config of this run and its log are in {self.work_dir}")


def _is_news(record: logging.LogRecord) -> bool:
    return not record.getMessage().startswith((*HELD_BY_FILES, *NOISE))


@HOOKS.register_module()
class PromptLoggerHook(LoggerHook):
    """Logs every ``interval`` iterations, as mmengine's hook does, and also after a long silence.

    Args:
        seconds: Longest silence in seconds, if an iteration takes less; on a slow machine ``interval`` iterations may
            take an hour.
        **kwargs: Arguments of ``LoggerHook``.
    """

    def __init__(self, seconds: float = 30.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.seconds = seconds
        self._last = time.monotonic()

    def before_train(self, runner: Runner) -> None:
        super().before_train(runner)
        self._last = time.monotonic()

    def after_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: dict | Sequence | None = None, outputs: dict | None = None
    ) -> None:
        super().after_train_iter(runner, batch_idx, data_batch, outputs)
        now = time.monotonic()
        if self.every_n_inner_iters(batch_idx, self.interval):
            self._last = now
        elif now - self._last >= self.seconds and not self.end_of_epoch(runner.train_dataloader, batch_idx):
            self._last = now
            _, told = runner.log_processor.get_log_after_iter(runner, batch_idx, "train")
            runner.logger.info(told)
