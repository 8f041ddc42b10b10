"""The pipeline as data: the table of contents of the package.

    formula -> Graph -> canonicalise -> stabilise -> simplify -> CSE -> Schedule -> loop program -> source -> Program

Differentiation is part of the formula: `compile(L)` asks `gc.grad` for the gradients of the parameters (after canonicalising and
stabilising L), and hands the joined graph of value and gradients to the stages below.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from graphc.codegen.cpu import emit, is_compiled
from graphc.errors import DifferentiationError, FormulaError, TargetError
from graphc.frontend.derivatives import find_wrt, grad, parameters_of
from graphc.frontend.elementwise import located
from graphc.frontend.evaluate import as_output
from graphc.frontend.tensor import Tensor
from graphc.ir.bind import known_labels, label_bounds, signature
from graphc.ir.build import X0
from graphc.ir.formula import formula_of
from graphc.ir.names import names_of
from graphc.ir.nodes import Comprehension, Input, Node, Origin, Size
from graphc.ir.show import meaning_of, show
from graphc.ir.verify import verify
from graphc.ir.walk import inputs_of, topological
from graphc.loops.cost import show_cost
from graphc.loops.lower import lower, lower_for_device
from graphc.loops.names import RESERVED
from graphc.loops.statements import Call, HostProgram
from graphc.loops.ways import Way, Ways, are_few
from graphc.passes.canonical import canonicalise
from graphc.passes.cse import share
from graphc.passes.simplify import simplify
from graphc.passes.squeeze import squeeze
from graphc.passes.stable import stabilise
from graphc.runtime.cpu import CpuProgram
from graphc.runtime.program import Program, Source, Structure
from graphc.scalar.symbols import axis_index
from graphc.schedule.fuse import features, fuse
from graphc.schedule.memory import recompute
from graphc.schedule.plan import Item, show_plan
from graphc.schedule.policy import CPU, GPU, Policy
from graphc.schedule.scan import Scan, stands_on
from graphc.schedule.tile import tile
from graphc.schedule.triangles import find_scans

if TYPE_CHECKING:
    from graphc.loops.device.statements import DeviceProgram
    from graphc.loops.device.stored import Types

__all__ = ["compile", "Program", "Compilation", "PASSES"]

# Graph to graph, in order. Each keeps the meaning of every root; `verify` runs after each.
PASSES: tuple[tuple[str, Callable[[Sequence[Node]], list[Node]]], ...] = (
    ("share", share),
    ("canonicalise", canonicalise),
    ("stabilise", stabilise),
    ("simplify", simplify),
    ("squeeze", squeeze),
    ("share again", share),
)


@dataclass
class Compilation:
    """One run of the pipeline; each stage is computed when first asked for."""

    captured: list[Node]
    names: list[str]
    gradients: dict[int, str] = field(default_factory=dict)       # output position -> the parameter that it is the gradient of
    graphs: dict[str, list[Node]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        graph = self.captured
        verify(graph, "capture")
        self.graphs["capture"] = graph
        for stage, function in PASSES:
            graph = function(graph)
            verify(graph, stage)
            self.graphs[stage] = graph

    @cached_property
    def graph(self) -> list[Node]:
        """The last graph; an output that is an input, or stands twice, is a copy."""
        seen: set[Node] = set()
        roots = []
        for root in self.graphs[PASSES[-1][0]]:
            if isinstance(root, Input) or root in seen:
                root = _copy(root)
            seen.add(root)
            roots.append(root)
        return find_scans(roots)

    @cached_property
    def inputs(self) -> list[Input]:
        """The inputs of the formula as written: one that a pass has made needless is still given and checked."""
        return [n for n in inputs_of(self.graphs["share"])]

    @cached_property
    def node_names(self) -> dict[Node, str]:
        wanted = {r: n for r, n in zip(self.graph, self.names, strict=True) if n}
        return names_of([*self.inputs, *(n for n in topological(self.graph, stands_on) if n not in self.inputs)], reserved=RESERVED, preferred=wanted)

    @cached_property
    def schedule(self) -> list[Item]:
        return self.planned()

    @cached_property
    def few(self) -> dict[Size, Size]:
        """Where the program has a second way for few features (see graphc.schedule.fuse.features)."""
        return features(self.graph)

    def planned(self, across: bool = False, policy: Policy = CPU) -> list[Item]:
        return tile(recompute(fuse(self.graph, across, policy), self.graph, policy), self.graph, policy)

    @cached_property
    def loops(self) -> HostProgram:
        return self.lowered(self.schedule)

    @cached_property
    def across(self) -> HostProgram | None:
        return self.lowered(self.planned(across=True), "across_") if self.few and is_compiled(self.loops) else None

    @cached_property
    def ways(self) -> tuple[Ways, ...]:
        """Those of the loops along features, and of those across points where there are some."""
        return tuple(Ways(p) for p in (self.loops, self.across) if p is not None)

    def way(self, sizes: Mapping[str, int]) -> Way:
        """What a call of these sizes takes."""
        across = self.across is not None and are_few(self.few, sizes)
        return Way(across, self.ways[across].holding(sizes))

    def lowered(self, schedule: list[Item], kernels: str = "over_") -> HostProgram:
        return lower(schedule, self.inputs, self.graph, self.node_names, *self.notes(), kernels)

    @cached_property
    def on_device(self) -> tuple[HostProgram, DeviceProgram, Callable[[str], str]]:
        """The loop program for a GPU, its mapping, and what makes names for it."""
        return lower_for_device(self.planned(policy=GPU), self.inputs, self.graph, self.node_names, *self.notes(), list(self.few))

    def device_source(self, types: Types) -> Source:
        """The module for CUDA and what is to know for calling it."""
        from graphc.loops.device.stored import stored
        from graphc.runtime.cuda.plan import DeviceSource
        program, device, _ = self.on_device
        handed = self.handed(types)
        narrow = types.real == "float32" and types.halves
        inputs = {self.node_names[i]: dict(types.halves)[i.name] for i in self.inputs if i.name in dict(types.halves)} if narrow else {}
        kept = stored(program, device, inputs, {self.node_names[r]: h for r, h in zip(self.graph, handed, strict=True) if h}) if narrow else {}
        made = [kept.get(self.node_names[r]) for r in self.graph]
        return DeviceSource(self.cuda_source(types.real, kept), self.unseen(program), {}, (), False, tuple(zip(made, handed, strict=True)))

    def handed(self, types: Types) -> list[str | None]:
        """The half precision in which each output is handed back: a gradient in that of its parameter, other arrays in that of all arrays given."""
        halves = dict(types.halves)
        kinds = {halves.get(i.name) for i in self.inputs if i.dtype == "float" and i.dims}
        common = kinds.pop() if len(kinds) == 1 else None
        return [halves.get(self.gradients.get(k, ""), common if r.dims else None) if r.dtype == "float" else None for k, r in enumerate(self.graph)]

    def unseen(self, program: HostProgram) -> tuple[str, ...]:
        """The extents that no input shows."""
        shown = {s for i in self.inputs for s in i.dims}
        return tuple(s.name for s in program.sizes if s not in shown)

    def cuda_source(self, dtype: str, kept: Mapping[str, str] | None = None) -> str:
        """The text of the module for CUDA (see graphc.codegen.cuda). `kept` are the arrays in half precision."""
        from graphc.codegen.cuda import emit as emit_cuda
        program, device, own = self.on_device
        labels = [(self.node_names[x.input], x.below, x.others) for x in label_bounds(self.inputs, self.graph) if x.compiled]
        title = "\n".join([self.title(), *(f"{kind:<8} {', '.join(n for n in kept if kept[n] == kind)}" for kind in dict.fromkeys(kept.values()))]
                          if kept else [self.title()])
        return emit_cuda(program, device, title, dtype, labels, own, kept)

    def notes(self) -> tuple[dict[Node, str], frozenset[Input]]:
        """The line of index notation of each node, and the labels that are checked when a program is called."""
        compared = known_labels(self.graph)
        checked = frozenset(i for i in self.inputs if i.below is not None and not i.ignore and not compared.get(i))
        order = topological(self.graph, stands_on)
        as_written = {n.meaning: n for n in order if isinstance(n, Scan) and n.meaning is not None}
        names = self.node_names | {m: self.node_names[n] for m, n in as_written.items()}
        meaning = meaning_of([*order, *as_written], names)
        meaning |= {n: meaning[m] for m, n in as_written.items()}
        return meaning, checked

    def source(self, kind: tuple[str, Way]) -> Source:
        """The module's text, for a dtype and a way, and what is to know for calling it."""
        dtype, way = kind
        program = self.ways[way.across].decided(way.short)
        labels = [(self.node_names[x.input], x.below, x.others) for x in label_bounds(self.inputs, self.graph) if x.compiled]
        calls = [s for s in program.body if isinstance(s, Call) and s.split is not None]
        kernels = {s.kernel.name: s.kernel.split for s in calls}
        text = emit(program, self.title(), dtype, labels)
        return Source(text, self.unseen(program), kernels, tuple(s.split for s in calls), is_compiled(program))   # type: ignore[arg-type, misc]

    def title(self) -> str:
        """The formulas and declarations that open the module."""
        lines = []
        for k, (root, captured) in enumerate(zip(self.graph, self.captured, strict=True)):
            name = self.node_names[root]
            if k in self.gradients:
                lines.append(f"{name} = the gradient of {self.node_names[self.graph[0]]} with respect to {self.gradients[k]}")
            else:
                text = formula_of(captured, budget=400)
                lines.append(f"{name} = {text}" if "\n" not in text else f"{name}:\n{text}")
        lines += ["", f"inputs   {', '.join(map(signature, self.inputs)) or 'none'}", f"outputs  {', '.join(self.node_names[r] for r in self.graph)}"]
        return "\n".join(lines)

    def explain(self) -> str:
        """Every stage as text."""
        parts = self.stages()
        parts.append(f"== schedule ==\n{show_plan(self.schedule, self.node_names)}")
        if self.across is not None:
            parts.append(f"== schedule for few features ==\n{show_plan(self.planned(across=True), self.node_names)}")
        parts.append(f"== cost ==\n{show_cost(self.loops, self.schedule, self.node_names)}")
        parts.append(f"== source ==\n{self.source(('float64', Way())).text}")
        return "\n\n".join(parts)

    def explain_cuda(self) -> str:
        """The same for CUDA."""
        plan = show_plan(self.planned(policy=GPU), self.node_names)
        return "\n\n".join([*self.stages(), f"== schedule ==\n{plan}", f"== source ==\n{self.cuda_source('float32')}"])

    def stages(self) -> list[str]:
        """The graph after each pass."""
        return [f"== {stage} ==\n{show(graph)}" for stage, graph in self.graphs.items()]


def _copy(node: Node) -> Node:
    from graphc.ir.nodes import Read
    index = tuple(axis_index(k) for k in range(len(node.dims)))
    return Comprehension(node.dims, (), None, X0, (Read(node, index),), node.dtype, Origin("copy", node.origin.file, node.origin.line))


def compile(outputs: Any, wrt: Any = None, *, dtype: str | None = None, target: str = "cpu", device: int | str | None = None,
            capture: bool = False) -> Program:
    """Compile tensors to a Program.

    `compile(L)` of a scalar L gives (value, gradients by name) with respect to all parameters; `wrt` chooses tensors or names, and
    `wrt=()` none. Without parameters, and for a tensor that is not a scalar, the value alone. `compile([L, g])` and
    `compile({"loss": L, "H": H})` give their values in the same structure, and with `wrt` the first one's gradients beside them.
    `dtype` fixes float32 or float64; without it a program takes the precision of the arrays.

    `target="cuda"` compiles for a CUDA device, number `device` (0 unless said), or "emulator", which executes the same kernels on the processor;
    `capture=True` makes a CUDA graph of each call (docs/cuda.md). It needs the extra `graphc[cuda13]` or `graphc[cuda12]`; TargetError says what
    is missing.

    >>> import graphc as gc
    >>> W = gc.param("W", "d")
    >>> f = gc.compile(gc.sum(W**2))
    >>> loss, grads = f(W=[3.0, 4.0])
    >>> float(loss), grads["W"]
    (25.0, array([6., 8.]))
    """
    if target not in ("cpu", "cuda"):
        raise located(TargetError(f"target {target!r} is not one of: cpu, cuda"))
    if target == "cpu" and (device is not None or capture):
        raise located(TargetError("device= and capture= belong to target='cuda'"))
    if dtype not in (None, "float32", "float64"):
        raise located(TargetError(f"dtype {dtype!r} is not float32 or float64"))
    shape, tensors, names = _flatten(outputs)
    if wrt is None:
        wrt = parameters_of(tensors[0]) if isinstance(shape, int) and not tensors[0].ndim and tensors[0].dtype == "float" else []
    chosen = find_wrt(tensors[0], wrt, "compile") if not _is_empty(wrt) else []
    gradient_of: dict[int, str] = {}
    if chosen:
        labels = [_label(w) for w in chosen]
        if len(set(labels)) != len(labels):
            raise located(DifferentiationError(f"wrt names a tensor twice: {', '.join(labels)}"))
        gradients = grad(tensors[0], chosen)
        gradient_of = {len(tensors) + k: label for k, label in enumerate(labels)}
        shape = (shape, {label: k for k, label in gradient_of.items()})
        tensors = [*tensors, *gradients]
        names = [*names, *(f"{label}_bar" for label in labels)]
    compilation = Compilation([t.node for t in tensors], names, gradient_of)
    given = compilation.inputs, compilation.graph, tensors, Structure(shape)
    if target == "cuda":
        return _for_cuda(compilation, given, dtype, device, capture)
    return CpuProgram(*given, compilation.source, compilation.explain, dtype, way_of=compilation.way)


def _for_cuda(compilation: Compilation, given: tuple[Any, ...], dtype: str | None, device: int | str | None, capture: bool) -> Program:
    from graphc.runtime.cuda.program import CudaProgram
    names = [compilation.node_names[r] for r in compilation.graph]
    try:
        return CudaProgram(*given, compilation.device_source, compilation.explain_cuda, dtype, names=names, device=device, capture=capture)
    except TargetError as error:
        raise located(error) from None


def _is_empty(wrt: Any) -> bool:
    return isinstance(wrt, list | tuple) and not wrt


def _label(w: Tensor) -> str:
    return w.name or "value"


def _flatten(outputs: Any) -> tuple[Any, list[Tensor], list[str]]:
    """The structure of the outputs, the tensors, and the names wished for."""
    if isinstance(outputs, dict):
        tensors = [as_output(t, key) for key, t in outputs.items()]
        names = [k if isinstance(k, str) and k.isidentifier() else "" for k in outputs]
        shape: Any = {k: n for n, k in enumerate(outputs)}
    elif isinstance(outputs, list | tuple):
        tensors, names = [as_output(t, k) for k, t in enumerate(outputs)], [""] * len(outputs)
        shape = type(outputs)(range(len(outputs))) if type(outputs) in (list, tuple) else list(range(len(outputs)))
    else:
        return 0, [as_output(outputs, "")], [""]
    if not tensors:
        raise located(FormulaError("compile needs at least one tensor"))
    return shape, tensors, names


