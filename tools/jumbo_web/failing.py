"""Errors as sentences on the page: those of the library as they are, others without their traceback."""

import functools
import inspect
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gradio as gr

from .jobs import Stopped

_SHOWN = 20  # seconds

logger = logging.getLogger("jumbo.web")


def in_sentences(function: Callable) -> Callable:
    """A function of the page, whose errors become messages on it. A defect is logged with its traceback."""
    if inspect.isgeneratorfunction(function):

        @functools.wraps(function)
        def streaming(*args: Any, **kwargs: Any) -> Any:
            try:
                yield from function(*args, **kwargs)
            except Exception as error:
                raise told(error, args) from error

        return streaming

    @functools.wraps(function)
    def calling(*args: Any, **kwargs: Any) -> Any:
        try:
            return function(*args, **kwargs)
        except Exception as error:
            raise told(error, args) from error

    return calling


def told(error: Exception, args: tuple = ()) -> gr.Error:
    """An error as a message of the page. Uploaded files are named without their folders."""
    if isinstance(error, gr.Error):
        return error
    if isinstance(error, MemoryError):
        return _message("there is not enough memory for this: give less")
    if isinstance(error, (ValueError, TypeError, OSError, NotImplementedError, Stopped)):
        text = " ".join(str(error).split()) or type(error).__name__
        for arg in args:
            if isinstance(arg, str) and "/" in arg:
                text = text.replace(arg, Path(arg).name)
        return _message(text)
    logger.error("a defect of the page", exc_info=error)
    return _message(f"a defect of this program ({type(error).__name__}): the terminal says more")


def _message(text: str) -> gr.Error:
    text = text[:1].upper() + text[1:] if text.split(" ")[0].isalpha() else text  # but not a file's name
    return gr.Error(text, duration=_SHOWN, title="This did not work", print_exception=False)
