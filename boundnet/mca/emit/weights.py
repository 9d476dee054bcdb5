"""The weights file: a header of 32 bytes, then every weight once, rounded to the C type, little-endian.

======  =====================================================================
bytes   contents
======  =====================================================================
0-7     ``BNWEIGHT``
8-11    uint32: version of the layout, 1
12-15   uint32: bytes of a value, 4 (binary32) or 8 (binary64)
16-23   uint64: number of values
24-27   uint32: Adler-32 checksum of the values' bytes
28-31   uint32: 0
32-     the values
======  =====================================================================
"""

from __future__ import annotations

import struct
import zlib

import numpy as np

from boundnet.mca.emit.code import CType
from boundnet.numerics.outward import Array

VERSION = 1


class Weights:
    """Weights collected for one file; an array that several ops share is stored once."""

    def __init__(self, ctype: CType) -> None:
        self._ctype = ctype
        self._dtype = np.dtype("<f4" if ctype.name == "float" else "<f8")
        self._parts: list[Array] = []
        self._places: dict[int, int] = {}
        self.count = 0

    def add(self, array: Array) -> int:
        """Place of ``array`` (its first value) in the file, in values."""
        key = id(array)
        if key not in self._places:
            self._places[key] = self.count
            self._parts.append(array)  # also keeps it alive, and with it its id
            self.count += array.size
        return self._places[key]

    def _values(self) -> bytes:
        # Overflow to infinity is what a cast in C does, too.
        with np.errstate(over="ignore"):
            stored = (np.ascontiguousarray(self._ctype.stored(part)) for part in self._parts)
            return b"".join(part.astype(self._dtype).tobytes() for part in stored)

    @property
    def checksum(self) -> int:
        """Adler-32 of the values."""
        return zlib.adler32(self._values())

    def contents(self) -> bytes:
        """The whole file."""
        values = self._values()
        checksum = zlib.adler32(values)
        return struct.pack("<8sIIQII", b"BNWEIGHT", VERSION, self._dtype.itemsize, self.count, checksum, 0) + values
