"""A program's kernels without a device: as PTX, and saved. Which there are depends on sizes: how many threads take a row, and how."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from graphc.codegen.text import Printer
from graphc.errors import BindingTypeError, TargetError
from graphc.ir.bind import extents_of
from graphc.ir.interpret import size_of
from graphc.ir.nodes import Input, Node, Size
from graphc.loops.device.stored import Types
from graphc.runtime.cuda.halves import dtype_of
from graphc.runtime.cuda.plan import DeviceSource
from graphc.runtime.cuda.save import save
from graphc.runtime.cuda.trace import Launched, Trace, hollow
from graphc.runtime.load import load
from graphc.runtime.program import KINDS

__all__ = ["Listing"]

_USUAL = 1024               # a size where none is known
_MOST_CALLS = 256


class Listing:
    """`names` are those of the outputs. `called` has the dtypes and sizes of calls, the last one at the end."""

    def __init__(self, inputs: Sequence[Input], roots: Sequence[Node], names: Sequence[str], source_of: Callable[[Types], DeviceSource]):
        self.inputs, self.roots, self.names, self.source_of = inputs, roots, names, source_of
        shown = {s.name: None for i in inputs for size in i.dims for s in sorted(size.free_symbols, key=str)}
        self.dims = list(shown | dict.fromkeys(extents_of(roots)))
        self.called: dict[tuple[Types, tuple[tuple[str, int], ...]], None] = {}

    def note(self, types: Types, extents: Mapping[str, int]) -> None:
        if len(self.called) >= _MOST_CALLS:
            self.called.clear()
        key = types, tuple(extents.items())
        self.called.pop(key, None)
        self.called[key] = None

    def ptx(self, types: Types, cc: tuple[int, int], sizes: Mapping[str, int]) -> str:
        return "\n".join(f"// {k}\n{k.ptx(cc).text}" for k in self.launched(types, self.extents(types, sizes)))

    def save(self, path: Path, types: Types, asked: Sequence[Mapping[str, int]], architectures: Sequence[tuple[int, int]]) -> None:
        known = [self.extents(types, s) for s in asked] or [dict(e) for kind, e in self.called if kind == types]
        if not known:
            raise TargetError(f"save needs to know for which sizes: f.save(path, sizes={{{', '.join(f'{n!r}: ...' for n in self.dims)}}}), "
                              "or call the program first")
        kernels = dict.fromkeys(k for extents in known for k in self.launched(types, extents))
        save(path, self.source_of(types).text, kernels, self.shapes(), self.table(types), architectures)

    def extents(self, types: Types, sizes: Mapping[str, int]) -> dict[str, int]:
        """All sizes: as given; or of the last call; or usual ones."""
        if unknown := sorted(set(sizes) - set(self.dims)):
            raise BindingTypeError(f"there is no dim {', '.join(unknown)}; the dims are {', '.join(self.dims) or 'none'}")
        last: Mapping[str, int] = next((dict(e) for kind, e in reversed(self.called) if kind == types), {})
        return {n: sizes.get(n, last.get(n, _USUAL)) for n in self.dims}

    def launched(self, types: Types, extents: Mapping[str, int]) -> list[Launched]:
        """The kernels that a call with these sizes launches."""
        source, trace = self.source_of(types), Trace()
        kinds = self.kinds(types)
        arrays = [hollow([size_of(s, extents) for s in a.dims] or [1], dtype_of(k)) for a, k in zip((*self.inputs, *self.roots), kinds, strict=True)]
        load(source.text)[0](trace, *arrays, *(extents[name] for name in source.extents))
        return list(trace.launched)

    def kinds(self, types: Types) -> list[str]:
        """The dtypes of the arrays that kernels are given: inputs, then outputs."""
        plain, halves, made = {k: v.name for k, v in KINDS.items()} | {"float": types.real}, dict(types.halves), self.source_of(types).halves
        narrow = types.real == "float32"
        return [*(halves.get(i.name, types.real) if narrow and i.dtype == "float" else plain[i.dtype] for i in self.inputs),
                *(half or plain[r.dtype] for r, (half, _) in zip(self.roots, made, strict=True))]

    def shapes(self) -> str:
        """The shapes of inputs and outputs, as Python functions of the sizes."""
        return "\n\n\n".join(self.function(name, nodes) for name, nodes in (("inputs", self.inputs), ("outputs", self.roots)))

    def function(self, name: str, nodes: Sequence[Node]) -> str:
        printed, sized = Printer(), {s: s.name for node in nodes for size in node.dims for s in size.free_symbols}

        def shape(sizes: Sequence[Size]) -> str:
            return f"({', '.join(printed.size(s, sized) for s in sizes)}{',' * (len(sizes) == 1)})"                # type: ignore[arg-type]
        return f"def {name}({', '.join(self.dims)}):\n    return [{', '.join(shape(node.dims) for node in nodes)}]"

    def table(self, types: Types) -> dict[str, Any]:
        """What a saved program knows of its inputs and outputs."""
        kinds, source = self.kinds(types), self.source_of(types)
        handed = [half or kind for kind, (_, half) in zip(kinds[len(self.inputs):], source.halves, strict=True)]
        return {"dtype": str(types), "sizes": self.dims, "extents": source.extents,
                "inputs": [(i.name, [str(s) for s in i.dims], kind) for i, kind in zip(self.inputs, kinds, strict=False)],
                "outputs": list(zip(self.names, kinds[len(self.inputs):], handed, strict=True))}
