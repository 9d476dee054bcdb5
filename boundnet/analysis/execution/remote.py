"""The far end: what a worker calls.  The job comes with every unit, but is unpacked once."""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Sequence

from boundnet.analysis.execution.executor import unpacked
from boundnet.analysis.units import Bounder, Outcome, Unit
from boundnet.kernels.threads import single_blas
from boundnet.numerics.outward import Array, check_gradual_underflow

_KEPT = 2
_bounders: OrderedDict[str, Bounder] = OrderedDict()
_lock = threading.Lock()


def key_of(payload: bytes) -> str:
    """Name of a pickled job: equal names, equal jobs."""
    return hashlib.sha256(payload).hexdigest()


def compute(key: str, payload: bytes, unit: Unit, inputs: Sequence[Array]) -> Outcome:
    """Compute one unit of the pickled job ``payload``.

    Raises:
        WorkerError: the job needs code that this process can't import.
    """
    with single_blas():
        return _bounder(key, payload).compute(unit, inputs)


def _bounder(key: str, payload: bytes) -> Bounder:
    with _lock:
        found = _bounders.get(key)
        if found is None:
            check_gradual_underflow()
            found = _bounders[key] = Bounder(unpacked(payload))
        _bounders.move_to_end(key)
        while len(_bounders) > _KEPT:
            _bounders.popitem(last=False)
        return found
