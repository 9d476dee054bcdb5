"""The few dozen operations that layers are lowered to; one rule each."""

from boundnet.ops.base import Local, Op, Tensor
from boundnet.ops.bilinear import Contract, Total
from boundnet.ops.elementwise import Activation, BatchNorm, PReLU, ScaleShift, Standardize
from boundnet.ops.linear import AveragePool, BatchMatMul, Conv, ConvTranspose, Dense
from boundnet.ops.maxima import MaxPool
from boundnet.ops.merge import Add, Average, Maximum, Minimum, Multiply, Subtract
from boundnet.ops.normalisation import LayerNorm, RMSNorm, UnitNorm
from boundnet.ops.softmax import LogSoftmax, Softmax
from boundnet.ops.structural import Concat, Input, Pad, Repeat, Reshape, Slice, Transpose

__all__ = [
    "Activation",
    "Add",
    "Average",
    "AveragePool",
    "BatchMatMul",
    "BatchNorm",
    "Concat",
    "Contract",
    "Conv",
    "ConvTranspose",
    "Dense",
    "Input",
    "LayerNorm",
    "Local",
    "LogSoftmax",
    "MaxPool",
    "Maximum",
    "Minimum",
    "Multiply",
    "Op",
    "PReLU",
    "Pad",
    "RMSNorm",
    "Repeat",
    "Reshape",
    "ScaleShift",
    "Slice",
    "Softmax",
    "Standardize",
    "Subtract",
    "Tensor",
    "Total",
    "Transpose",
    "UnitNorm",
]
