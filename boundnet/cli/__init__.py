"""The command line: :mod:`boundnet.cli.app` declares commands and options, a module each does what a command says."""

from boundnet.cli.app import main

__all__ = ["main"]
