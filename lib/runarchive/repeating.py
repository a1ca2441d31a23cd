"""Calls worth repeating at once: a connection that was cut, or a server that says it is busy."""

from __future__ import annotations

import functools
import random
import time
from collections.abc import Callable
from typing import ParamSpec, TypeVar

from runarchive.errors import ArchiveError, Code

P = ParamSpec("P")
T = TypeVar("T")

_WORTH_REPEATING = (Code.CONNECTION_CUT, Code.UNAVAILABLE)
_PAUSES = (0.1, 0.4, 1.2)


def retried(call: Callable[[], T], *, before_retry: Callable[[], T | None] = lambda: None) -> T:
    """The result of `call`, repeated after a cut connection and while the server says that it is busy.

    `before_retry` looks whether the call that failed was done after all; what it returns, unless None, is the result.
    """
    for pause in _PAUSES:
        try:
            return call()
        except ArchiveError as error:
            if error.code not in _WORTH_REPEATING:
                raise
        time.sleep(pause * random.uniform(0.5, 1.0))
        done = before_retry()
        if done is not None:
            return done
    return call()


def repeated(call: Callable[P, T]) -> Callable[P, T]:
    """A function that is repeated as `retried` does; for calls that may be done twice without harm."""

    @functools.wraps(call)
    def repeating(*args: P.args, **kwargs: P.kwargs) -> T:
        return retried(lambda: call(*args, **kwargs))

    return repeating
