"""Ctrl-C that cannot be lost: a KeyboardInterrupt that meets a library in a callback may be swallowed there.

So it is remembered, and raised again at the next place between two parts, where nothing swallows it.
"""

import signal
from types import FrameType

_met = False


def remember_interrupts() -> None:
    """From now on an interrupt is remembered besides being raised; for the main thread of a command."""
    signal.signal(signal.SIGINT, _remember)


def raise_again() -> None:
    """A KeyboardInterrupt, if one was met."""
    if _met:
        raise KeyboardInterrupt


def _remember(number: int, frame: FrameType | None) -> None:
    global _met
    _met = True
    signal.default_int_handler(number, frame)
