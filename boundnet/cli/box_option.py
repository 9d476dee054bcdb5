"""The option --box, which takes two numbers or a file, as one word each time it is given."""

from __future__ import annotations

from typing import Any

from typer.core import TyperCommand

OPTION = "--box"


class TakesBoxes(TyperCommand):
    """A command whose ``--box LO HI`` and ``--box FILE.csv`` are told apart by what follows."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Join two numbers behind the option to one word before the options are parsed."""
        return super().parse_args(ctx, joined(args))


def joined(args: list[str]) -> list[str]:
    """``--box 0 1`` and ``--box x=0 1`` with their two numbers in one word: ``--box=0 1``."""
    done: list[str] = []
    rest = list(args)
    while rest:
        word = rest.pop(0)
        if word == "--":
            return [*done, word, *rest]
        if word == OPTION and rest:
            word = f"{OPTION}={rest.pop(0)}"
        if word.startswith(f"{OPTION}=") and is_number(word.rpartition("=")[2]) and rest and is_number(rest[0]):
            word = f"{word} {rest.pop(0)}"
        done.append(word)
    return done


def is_number(text: str) -> bool:
    """Whether ``text`` is a number as Python reads it."""
    try:
        float(text)
    except ValueError:
        return False
    return "_" not in text
