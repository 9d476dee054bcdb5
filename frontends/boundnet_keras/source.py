"""What a reader hands on: the raw configuration, the weights and where both came from."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from boundnet.errors import ModelFileError
from boundnet_keras.model import ModelSpec
from boundnet_keras.weights import WeightStore


class StoreFactory(Protocol):
    """Makes the weight store once the canonical model is known, for weights are laid out by its structure."""

    def __call__(self, model: ModelSpec) -> WeightStore: ...


@dataclass(frozen=True)
class Source:
    """Valid while the reader's context is open.

    ``config``: {"class_name": ..., "config": ...} as stored.  ``keras_version``: '1.2.2', '2.4.0', '3.15.1', ...
    """

    config: Mapping[str, Any]
    keras_version: str
    backend: str
    store: StoreFactory
    label: str
    metadata: Mapping[str, str]

    @property
    def major(self) -> int:
        """1, 2 or 3: decides what some names and defaults mean."""
        head = self.keras_version.split(".")[0]
        return int(head) if head.isdigit() and int(head) > 0 else 1


def parse_json(content: str | bytes, label: str) -> Any:
    """Raises ModelFileError where the text isn't JSON or is nested absurdly deep."""
    try:
        return json.loads(content)
    except (ValueError, RecursionError) as error:
        raise ModelFileError(
            f"{label}: the model's configuration isn't valid JSON ({error}); save the model again"
        ) from error


def file_metadata(path: Path, kind: str) -> dict[str, str]:
    """Format, absolute path and SHA-256 of the file, so that a result names what it is about."""
    with path.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    return {"format": kind, "path": str(path.resolve()), "sha256": digest}
