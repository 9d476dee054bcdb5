"""Every way to evaluate an expression that libraries and compilers use: programs traced, rewritten, and bounded at once.

:mod:`expressions` writes a program down, :mod:`rules` lists what rewrites it, :mod:`classes` collects equal expressions,
:mod:`hull` runs them all on a machine, and :mod:`choose` says which of them an Arithmetic allows.
"""

from boundnet.forms.choose import allowed, with_rewritten
from boundnet.forms.hull import every_form

__all__ = ["allowed", "every_form", "with_rewritten"]
