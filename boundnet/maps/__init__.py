"""Linear maps between tensors: what every op looks like to first order."""

from boundnet.maps.base import Diagonal, LinearMap, Structural, Zero, unbroadcast
from boundnet.maps.contract import ContractLeft, ContractRight
from boundnet.maps.conv import ConvMap, TransposedConvMap
from boundnet.maps.dense import BatchDenseMap, DenseMap
from boundnet.maps.low_rank import LowRank
from boundnet.maps.select import WeightedSelect
from boundnet.maps.total import SumMap
from boundnet.maps.window import WindowSum

__all__ = [
    "BatchDenseMap",
    "ContractLeft",
    "ContractRight",
    "ConvMap",
    "DenseMap",
    "Diagonal",
    "LinearMap",
    "LowRank",
    "Structural",
    "SumMap",
    "TransposedConvMap",
    "WeightedSelect",
    "WindowSum",
    "Zero",
    "unbroadcast",
]
