"""Tensor: a node of the graph with NumPy's operators.

A tensor has positional axes, as NumPy has, and may have free indices, as index notation has: `y[s, j]` has the free
indices s and j and no positional axis. The node's first axes belong to the free indices, in the order of `free`.
Operators align free indices by name and broadcast positional axes as NumPy does; dims are compared by name.
"""

from __future__ import annotations

from typing import Any

from graphc.errors import FormulaError
from graphc.frontend.operators import Operators
from graphc.ir.nodes import Input, Node, Size

__all__ = ["Tensor", "Dim", "describe", "dims_text"]


_METHODS = frozenset("sum prod max min mean var std argmax argmin cumsum cumprod dot trace clip round reshape transpose swapaxes squeeze".split())


class Dim:
    """A named extent. `int(dim)` where its size is known.

    >>> import graphc as gc
    >>> n, d = gc.dims("n d")
    >>> gc.tensor("X", (n, d)).dims
    (n, d)
    """

    __slots__ = ("size",)

    def __init__(self, size: Size):
        self.size = size

    @property
    def name(self) -> str:
        return str(self.size)

    def __repr__(self) -> str:
        return dim_text(self.size)

    def __eq__(self, other: object) -> bool:
        if isinstance(other, Dim):
            return bool(self.size == other.size)
        return isinstance(other, str | int) and str(self.size) == str(other)

    def __hash__(self) -> int:
        return hash(str(self.size))

    def __int__(self) -> int:
        if not self.size.is_Integer:
            raise FormulaError(f"the size of dim {self} is known only when the program is called; gc.size({self.name!r}) is its symbol")
        return int(self.size)

    __index__ = __int__


def dim_text(size: Size) -> str:
    return str(size).replace(" ", "")


def dims_text(sizes: Any) -> str:
    return "[" + ", ".join(dim_text(s) for s in sizes) + "]"


def describe(tensor: Tensor) -> str:
    """`X[n, d]`, or the formula of a tensor without a name, cut to a readable length."""
    from graphc.ir.formula import formula_of
    text = tensor.node.name if isinstance(tensor.node, Input) else formula_of(tensor.node, budget=60)
    text = text if len(text) <= 60 else text[:57] + "..."
    if not tensor.sizes:
        return text
    return f"{text}{'' if text.isidentifier() else ' '}{dims_text(tensor.sizes)}"


class Tensor(Operators):
    """A symbolic tensor. See `graphc.tensor`, `graphc.param`, `graphc.scalar`, `graphc.labels`."""

    __slots__ = ("node", "free")

    def __init__(self, node: Node, free: tuple[str, ...] = ()):
        self.node = node
        self.free = free

    # --- what it is
    @property
    def sizes(self) -> tuple[Size, ...]:
        """Extents of the positional axes."""
        return self.node.dims[len(self.free):]

    @property
    def dims(self) -> tuple[Dim, ...]:
        return tuple(Dim(s) for s in self.sizes)

    shape = dims

    @property
    def ndim(self) -> int:
        return len(self.sizes)

    @property
    def dtype(self) -> str:
        """The kind of its elements: "float", "int" or "bool". The precision is chosen when a program is called."""
        return self.node.dtype

    @property
    def name(self) -> str:
        return self.node.name if isinstance(self.node, Input) else self.node.origin.hint

    def named(self, name: str) -> Tensor:
        """The same tensor, called `name` in pictures and generated code."""
        from dataclasses import replace
        if isinstance(self.node, Input):
            raise FormulaError(f"{self.node.name} is an input and has its name already")
        if not (isinstance(name, str) and name.isidentifier()):
            raise FormulaError(f"a tensor's name must be a Python identifier, not {name!r}")
        return Tensor(replace(self.node, origin=replace(self.node.origin, hint=name)), self.free)

    def __repr__(self) -> str:
        role = ", parameter" if isinstance(self.node, Input) and self.node.role == "parameter" else ""
        return f"<Tensor {describe(self)} {self.dtype}{role}>"

    __str__ = __repr__

    def _repr_latex_(self) -> str:
        from graphc.ir.latex import display_of
        return display_of(self.node, self.free)

    # --- what a tensor cannot do before it has values
    def _no_value(self, what: str, instead: str) -> Any:
        from graphc.frontend.elementwise import located
        raise located(FormulaError(f"{what} of the symbolic tensor {describe(self)} is not known before it has values; {instead}"))

    def __bool__(self) -> bool:
        return bool(self._no_value("the truth value", "to choose by a condition write gc.where(condition, a, b); for `and`, "
                                   "`or`, `not` write &, |, ~ with parentheses; chained comparisons are two comparisons and &"))

    def __float__(self) -> float:
        return float(self._no_value("the number", "gc.evaluate(tensor, X=...) gives it"))

    def __int__(self) -> int:
        return int(self._no_value("the number", "gc.evaluate(tensor, X=...) gives it"))

    def __index__(self) -> int:
        return int(self._no_value("the number", "gc.evaluate(tensor, X=...) gives it"))

    def __iter__(self) -> Any:
        return self._no_value("iteration", "use whole-tensor operations, or index notation: i, = gc.indices('i'); x[i]")

    def __len__(self) -> int:
        if not self.sizes:
            raise TypeError("len() of a scalar tensor")
        return int(self.dims[0])

    def __contains__(self, item: object) -> bool:
        return bool(self._no_value("membership", "write gc.sum(x == value) > 0"))

    # --- shape
    def __getitem__(self, key: Any) -> Tensor:
        from graphc.frontend.subscript import subscript
        return subscript(self, key)

    @property
    def T(self) -> Tensor:
        """The axes reversed."""
        from graphc.frontend.shape import transpose
        return transpose(self)

    def __getattr__(self, name: str) -> Any:
        """NumPy's methods (`x.sum(axis=0)`, `x.reshape(...)`) are graphc's functions."""
        if name in _METHODS:
            import graphc
            function = getattr(graphc, name)
            return lambda *args, **kwargs: function(self, *args, **kwargs)
        raise AttributeError(f"a Tensor has no attribute {name!r}")

