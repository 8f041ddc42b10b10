"""Arithmetic and bits of integers, modulo 2^bits."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from graphc.runtime.cuda.emulator.operands import Operands, Run
from graphc.runtime.cuda.emulator.parse import Instruction
from graphc.runtime.cuda.emulator.types import KernelFault, dtype

__all__ = ["build"]

Function = Callable[..., Any]


def _quotient(a: Any, b: Any) -> Any:
    """Toward zero; by zero all bits."""
    if a.dtype.kind == "u":
        return np.where(b == 0, ~a.dtype.type(0), a // np.maximum(b, 1))
    size = np.abs(a) // np.maximum(np.abs(b), 1)
    return np.where(b == 0, a.dtype.type(-1), np.where((a < 0) != (b < 0), -size, size))


def _times_high(a: Any, b: Any) -> Any:
    """The high half of a product."""
    bits = a.dtype.itemsize * 8
    if bits < 64:
        return (a.astype(f"{a.dtype.kind}8") * b.astype(f"{a.dtype.kind}8") >> bits).astype(a.dtype)
    exact = np.asarray(a).astype(object) * np.asarray(b).astype(object)
    return np.asarray(exact >> bits, dtype=object).astype(a.dtype)


def _clamped(function: Function) -> Function:
    """A shift by so many bits as there are, or more, leaves nothing, or the sign."""
    def shift(a: Any, count: Any) -> Any:
        bits = a.dtype.itemsize * 8
        return np.where(count >= bits, function(function(a, a.dtype.type(bits - 1)), a.dtype.type(1)),
                        function(a, np.minimum(count, bits - 1).astype(a.dtype)))
    return shift


def _bits(one: Callable[[int, int], int]) -> Function:
    """A function of the bits of one number."""
    def each(a: Any) -> Any:
        width, unsigned = a.dtype.itemsize * 8, np.atleast_1d(a).view(f"u{a.dtype.itemsize}")
        values, back = np.unique(unsigned, return_inverse=True)
        return np.array([one(int(v), width) for v in values], unsigned.dtype)[back]
    return each


FUNCTIONS: dict[str, Function] = {
    "add": np.add, "sub": np.subtract, "and": np.bitwise_and, "or": np.bitwise_or, "xor": np.bitwise_xor, "not": np.invert,
    "neg": lambda a: (np.zeros_like(a) - a), "abs": np.abs, "max": np.maximum, "min": np.minimum, "cnot": lambda a: (a == 0).astype(a.dtype),
    "div": _quotient, "rem": lambda a, b: a - _quotient(a, b) * b, "shl": _clamped(np.left_shift), "shr": _clamped(np.right_shift),
    "popc": _bits(lambda v, width: v.bit_count()), "clz": _bits(lambda v, width: width - v.bit_length()),
    "brev": _bits(lambda v, width: int(format(v, f"0{width}b")[::-1], 2)),
}
COUNTS = ("popc", "clz")        # whose result has 32 bits


def build(i: Instruction, o: Operands) -> Run:
    """An instruction on integers."""
    name, words = i.words[0], i.words[1:]
    if "cc" in words or name in ("addc", "subc", "madc"):
        return _with_carry(i, o)
    if name in SPECIAL:
        return SPECIAL[name](i, o)                                         # several operands, each of its own type
    if name not in FUNCTIONS:
        raise KernelFault(f"the opcode {'.'.join(i.words)} is not modelled for integers")
    function, write = FUNCTIONS[name], o.write(i.operands[0])
    kinds = [i.type, "u32"] if name in ("shl", "shr") else [i.type] * (len(i.operands) - 1)
    reads = [o.read(text, kind) for text, kind in zip(i.operands[1:], kinds, strict=True)]
    if name in COUNTS:
        return lambda m, at: write(m, at, function(*(read(m, at) for read in reads)).astype(np.uint32))
    return lambda m, at: write(m, at, function(*(read(m, at) for read in reads)))


def _product(i: Instruction, o: Operands) -> Run:
    """mul and mad: the low half, the high half, or the whole in twice the bits."""
    name, mode, kind = i.words[0], i.words[1], dtype(i.type)
    whole = f"{i.type[0]}{2 * int(i.type[1:])}" if mode == "wide" else i.type
    write, a, b = o.write(i.operands[0]), o.read(i.operands[1], i.type), o.read(i.operands[2], i.type)
    c = o.read(i.operands[3], whole) if name == "mad" else None
    wide = dtype(whole)
    products: dict[str, Function] = {"wide": lambda x, y: x.astype(wide) * y.astype(wide), "lo": np.multiply, "hi": _times_high}
    times = products[mode]
    if kind.kind not in "iu":
        raise KernelFault(f"a product of .{i.type} is not modelled")
    if c is None:
        return lambda m, at: write(m, at, times(a(m, at), b(m, at)))
    return lambda m, at: write(m, at, times(a(m, at), b(m, at)) + c(m, at))


def _with_carry(i: Instruction, o: Operands) -> Run:
    """Sums and products of numbers longer than a register, exactly, in Python's integers."""
    name, words, kind = i.words[0], i.words[1:], np.dtype(f"u{dtype(i.type).itemsize}")
    bits, write = kind.itemsize * 8, o.write(i.operands[0])
    reads = [o.read(text, f"u{bits}") for text in i.operands[1:]]

    def run(m: Any, at: Any) -> None:
        given = [np.broadcast_to(read(m, at), at.count).astype(object) for read in reads]
        carry = m.carry[at.index].astype(object) if name in ("addc", "subc", "madc") else 0
        if name in ("mad", "madc"):
            product = given[0] * given[1]
            exact = ((product >> bits if "hi" in words else product) & (2**bits - 1)) + given[2] + carry
        else:
            exact = given[0] + given[1] + carry if name in ("add", "addc") else given[0] - given[1] - carry
        if "cc" in words:
            m.carry[at.index] = (exact < 0) | (exact >= 2**bits)
        write(m, at, (exact & (2**bits - 1)).astype(kind))
    return run


def _lop3(i: Instruction, o: Operands) -> Run:
    """Any function of three bits, given by its table."""
    write, reads, table = o.write(i.operands[0]), [o.read(text, i.type) for text in i.operands[1:4]], int(i.operands[4], 0)

    def run(m: Any, at: Any) -> None:
        a, b, c = (read(m, at) for read in reads)
        result = np.zeros(at.count, dtype(i.type))
        for k in range(8):
            if table >> k & 1:
                result |= (a if k & 4 else ~a) & (b if k & 2 else ~b) & (c if k & 1 else ~c)
        write(m, at, result)
    return run


def _funnel(i: Instruction, o: Operands) -> Run:
    """shf: 32 bits of a number of 64, shifted."""
    left, wrap, write = i.words[1] == "l", "wrap" in i.words, o.write(i.operands[0])
    low, high, count = (o.read(text, "u32") for text in i.operands[1:4])

    def run(m: Any, at: Any) -> None:
        s = count(m, at)
        s = (s & np.uint32(31) if wrap else np.minimum(s, np.uint32(32))).astype(np.uint64)
        pair = high(m, at).astype(np.uint64) << np.uint64(32) | low(m, at)
        write(m, at, ((pair << s >> np.uint64(32)) if left else pair >> s).astype(np.uint32))
    return run


def _permute(i: Instruction, o: Operands) -> Run:
    """prmt: four bytes of eight, each chosen by a digit; its top bit spreads the byte's sign."""
    write, reads = o.write(i.operands[0]), [o.read(text, "u32") for text in i.operands[1:4]]

    def run(m: Any, at: Any) -> None:
        a, b, choice = (np.broadcast_to(read(m, at), at.count) for read in reads)
        pair, result = b.astype(np.uint64) << np.uint64(32) | a, np.zeros(at.count, np.uint32)
        for k in range(4):
            digit = choice >> np.uint32(4 * k) & np.uint32(15)
            byte = (pair >> (digit & 7).astype(np.uint64) * np.uint64(8)).astype(np.uint32) & np.uint32(255)
            sign = np.where(byte & 128, np.uint32(255), np.uint32(0))
            result |= np.where(digit & 8, sign, byte) << np.uint32(8 * k)
        write(m, at, result)
    return run


def _field(i: Instruction, o: Operands) -> Run:
    """bfe takes a field of bits out, bfi puts one in."""
    kind, insert, write = dtype(i.type), i.words[0] == "bfi", o.write(i.operands[0])
    values = [o.read(text, i.type) for text in i.operands[1:3 if insert else 2]]
    place, length = (o.read(text, "u32") for text in i.operands[-2:])

    def run(m: Any, at: Any) -> None:
        first, count = place(m, at).astype(np.uint64), length(m, at).astype(np.uint64)
        mask = ((np.uint64(1) << count) - np.uint64(1)).astype(f"u{kind.itemsize}").view(kind)
        shift = first.astype(kind)
        if insert:
            a, b = (value(m, at) for value in values)
            write(m, at, (b & ~(mask << shift)) | ((a & mask) << shift))
            return
        field = (values[0](m, at) >> shift) & mask
        top = np.asarray(1 << np.maximum(count, np.uint64(1)) - np.uint64(1)).astype(kind)
        write(m, at, (field ^ top) - top if kind.kind == "i" else field)
    return run


SPECIAL: dict[str, Callable[[Instruction, Operands], Run]] = {
    "mul": _product, "mad": _product, "lop3": _lop3, "shf": _funnel, "prmt": _permute, "bfi": _field, "bfe": _field}
