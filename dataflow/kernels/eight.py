"""Eight bytes at a time: what the kernels do with runs of ASCII, and how they load them.

numba has no load of eight bytes from any address and no count of trailing zeros; both are one instruction.
"""

from typing import Any

import numpy as np
from llvmlite import ir  # type: ignore[import-untyped]
from numba import njit, types
from numba.extending import intrinsic

_LOW_7 = np.uint64(0x7F7F7F7F7F7F7F7F)
HIGH = np.uint64(0x8080808080808080)
"""The highest bit of each of eight bytes; results about each byte are given in it."""

CASE = np.uint64(0x2020202020202020)
"""The bit by which ASCII letters of upper and lower case differ; every digit has it."""

# Added to a byte below 0x80, these carry into its highest bit from a character on.
_FROM_A, _BEYOND_Z = np.uint64(0x1F1F1F1F1F1F1F1F), np.uint64(0x0505050505050505)
_GATHER = np.uint64(0x0102040810204080)  # moves bit 8 k to bit 56 + k
_FROM_0, _BEYOND_9 = np.uint64(0x5050505050505050), np.uint64(0x4646464646464646)


def _load_eight(_context: Any, data: Any, index: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        array = context.make_array(signature.args[0])(context, builder, arguments[0])
        pointer = builder.gep(array.data, [arguments[1]])
        eight = builder.bitcast(pointer, ir.IntType(64).as_pointer())
        return builder.load(eight, align=1)

    return types.uint64(data, types.int64), generate


load_eight: Any = intrinsic(_load_eight)
"""The bytes ``data[index:index + 8]`` as one number, the first lowest; not checked against the end."""


def _trailing_zeros(_context: Any, value: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.cttz(arguments[0], ir.Constant(ir.IntType(1), 0))

    return types.int64(types.uint64), generate


trailing_zeros: Any = intrinsic(_trailing_zeros)
"""How many of the lowest bits of a uint64 are 0; 64 of zero."""


@njit(nogil=True, cache=True)
def letters(eight):  # type: ignore[no-untyped-def]
    """Which of eight bytes are ASCII letters."""
    folded = (eight & _LOW_7) | CASE
    return (folded + _FROM_A) & ~(folded + _BEYOND_Z) & ~eight & HIGH


@njit(nogil=True, cache=True)
def digits(eight):  # type: ignore[no-untyped-def]
    """Which of eight bytes are ASCII digits."""
    low = eight & _LOW_7
    return (low + _FROM_0) & ~(low + _BEYOND_9) & ~eight & HIGH


@njit(nogil=True, cache=True)
def equal_bytes(eight, wanted):  # type: ignore[no-untyped-def]
    """Which of eight bytes equal their counterpart in ``wanted``."""
    different = eight ^ wanted
    return ~(((different & _LOW_7) + _LOW_7) | different) & HIGH


@njit(nogil=True, cache=True)
def packed(marked):  # type: ignore[no-untyped-def]
    """What is said of eight bytes by their highest bits, in the eight lowest bits."""
    return ((marked >> np.uint64(7)) * _GATHER) >> np.uint64(56)
