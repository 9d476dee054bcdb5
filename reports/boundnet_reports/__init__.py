"""Renderings of a :class:`boundnet.Analysis`.

Each module has ``report(analysis, destination)`` and is found through the entry-point group ``boundnet.reports``; others can
add theirs.
"""
