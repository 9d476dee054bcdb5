"""The few dozen operations that layers are lowered to; one rule each."""

from boundnet.ops.affine import BatchNorm, ScaleShift, Standardize
from boundnet.ops.base import Local, Op, Tensor
from boundnet.ops.bilinear import Contract, Einsum, Total
from boundnet.ops.bucket import Bucket
from boundnet.ops.choice import Blank, Differs, Lookup, Select
from boundnet.ops.divide import Divide, DivideBy
from boundnet.ops.elementwise import Activation, PReLU
from boundnet.ops.joined import AddBiased
from boundnet.ops.linear import AveragePool, BatchMatMul, Conv, ConvTranspose, Dense
from boundnet.ops.masked import MaskedSoftmax
from boundnet.ops.maxima import MaxPool
from boundnet.ops.merge import Add, Average, Maximum, Minimum, Multiply, Subtract
from boundnet.ops.normalisation import LayerNorm, RMSNorm, UnitNorm
from boundnet.ops.patches import Patches, Take
from boundnet.ops.resample import Bilinear
from boundnet.ops.softmax import LogSoftmax, Softmax
from boundnet.ops.structural import Concat, Input, Pad, Repeat, Reshape, Slice, Transpose

__all__ = [
    "Activation",
    "Add",
    "AddBiased",
    "Average",
    "AveragePool",
    "BatchMatMul",
    "BatchNorm",
    "Bilinear",
    "Blank",
    "Bucket",
    "Concat",
    "Contract",
    "Conv",
    "ConvTranspose",
    "Dense",
    "Differs",
    "Divide",
    "DivideBy",
    "Einsum",
    "Input",
    "LayerNorm",
    "Local",
    "LogSoftmax",
    "Lookup",
    "MaskedSoftmax",
    "MaxPool",
    "Maximum",
    "Minimum",
    "Multiply",
    "Op",
    "PReLU",
    "Pad",
    "Patches",
    "RMSNorm",
    "Repeat",
    "Reshape",
    "ScaleShift",
    "Select",
    "Slice",
    "Softmax",
    "Standardize",
    "Subtract",
    "Take",
    "Tensor",
    "Total",
    "Transpose",
    "UnitNorm",
]
