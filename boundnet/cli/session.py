"""Exit codes and streams, the same for every subcommand."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import typer

from boundnet.errors import BoundNetError
from boundnet.results.text import printable

NOT_PROVED = 1
ERROR = 2
VIOLATED = 3
INTERNAL = 4
INTERRUPTED = 130
TERMINATED = 143
_WIDTH = 120
"""Columns where the output is no terminal and COLUMNS doesn't say."""


class Terminated(KeyboardInterrupt):
    """SIGTERM: batch systems and ``timeout`` send it, and it must clean up as Ctrl-C does."""


@contextmanager
def _termination() -> Iterator[None]:
    """SIGTERM raises :class:`Terminated`, where signals can be handled at all."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def terminate(number: int, frame: object) -> None:
        raise Terminated

    before = signal.signal(signal.SIGTERM, terminate)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


@contextmanager
def session() -> Iterator[None]:
    """Turn errors into one message on stderr and an exit code.

    2 for the user's, 4 for BoundNet's own, 130 for Ctrl-C, 143 for SIGTERM.
    """
    try:
        with _termination():
            yield
    except BoundNetError as error:
        _fail(str(error), ERROR)
    except MemoryError:
        _fail("not enough memory; give fewer --samples, or --domain interval", ERROR)
    except Terminated as error:
        _fail(str(error) or "terminated; nothing was written", TERMINATED)
    except KeyboardInterrupt as error:
        _fail(str(error) or "interrupted; nothing was written", INTERRUPTED)
    except (BrokenPipeError, SystemExit):  # the latter is how rich reports a broken pipe
        silence()
        raise typer.Exit(0) from None
    except typer.Exit:
        raise
    except Exception:
        import traceback

        traceback.print_exc()
        _fail("internal error, please report it with the lines above; no bound was computed", INTERNAL)


def _fail(message: str, code: int) -> None:
    sys.stdout.flush()
    lines = [printable(line) for line in message.splitlines()]
    print("boundnet: error: " + "\n".join(lines), file=sys.stderr)
    raise typer.Exit(code) from None


def silence() -> None:
    """Send further output nowhere: the reader of our pipe has gone."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def width() -> int | None:
    """Width for a console: None lets a terminal, or COLUMNS, decide."""
    return None if sys.stdout.isatty() or "COLUMNS" in os.environ else _WIDTH
