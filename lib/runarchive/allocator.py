"""The C library's allocator, which keeps what Python frees until it is told otherwise."""

from __future__ import annotations

import contextlib


def give_back_free_memory() -> None:
    """Return to the system the pages that hold nothing any more; does nothing where the C library cannot.

    A long job frees texts of every size between others that its caches keep: without this the process grows by what
    lies free among them (glibc, malloc_trim(3)).
    """
    import ctypes

    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)
