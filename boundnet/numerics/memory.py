"""Keep freed memory: deep networks free and allocate the same hundreds of megabytes at every op."""

from __future__ import annotations

import ctypes
import functools
import sys

_M_TRIM_THRESHOLD, _M_MMAP_MAX = -1, -4


@functools.cache
def keep_freed_memory() -> bool:
    """Make glibc's allocator keep what is freed instead of returning it page by page; False where there is no glibc.

    Fresh pages must be zeroed by the kernel (and, in a virtual machine, found by its host) whenever they are touched first,
    which takes longer than computing on them.
    """
    if not sys.platform.startswith("linux"):
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        return False
    return bool(mallopt(_M_MMAP_MAX, 0)) and bool(mallopt(_M_TRIM_THRESHOLD, 2**31 - 1))
