"""PTX text to a program.

    module    ::= directive* (data | function)*
    data      ::= (.shared | .global | .const) .align n .type name[n] = {...}
    function  ::= (.entry | .func (results)) name (parameters) { (declaration | label: | instruction;)* }
    instruction ::= @predicate opcode.modifiers.type operand, operand ...

One entry is taken, and every function it may call. Names of registers and labels are made unique by the function's name.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

import numpy as np

from graphc.runtime.cuda.emulator.types import KernelFault, dtype

__all__ = ["Parameter", "Instruction", "Function", "Program", "parse"]


@dataclass(frozen=True)
class Parameter:
    name: str
    type: str


@dataclass(frozen=True)
class Instruction:
    """`words` are the opcode's parts; the predicate is a register and whether it is negated; `scope` goes before the function's own names."""

    text: str
    words: tuple[str, ...]
    operands: tuple[str, ...]
    predicate: tuple[str, bool] | None
    scope: str

    @property
    def type(self) -> str:
        return self.words[-1]


@dataclass(frozen=True)
class Function:
    start: int
    parameters: tuple[Parameter, ...]
    results: tuple[Parameter, ...]


@dataclass
class Program:
    """The instructions, the place of each label and function; registers by type; where shared and local variables lie; data of the module."""

    entry: str = ""
    target: str = ""
    code: list[Instruction] = field(default_factory=list)
    labels: dict[str, int] = field(default_factory=dict)
    functions: dict[str, Function] = field(default_factory=dict)
    registers: dict[str, str] = field(default_factory=dict)
    shared: dict[str, int] = field(default_factory=dict)
    shared_size: int = 0
    dynamic: set[str] = field(default_factory=set)
    local: dict[str, int] = field(default_factory=dict)
    local_size: int = 0
    data: dict[str, np.ndarray] = field(default_factory=dict)

    @property
    def opcodes(self) -> list[str]:
        """All opcodes of the program, each once."""
        return sorted({".".join(i.words) for i in self.code})


def parse(text: str, entry: str | None = None) -> Program:
    """The program of an entry, the first one unless it is named."""
    text, program = _without_comments(text), Program()
    found = re.search(r"\.target\s+(\S+)", text)
    program.target = found[1] if found else ""
    heads, rest = _functions(text)
    _declare(program, rest)
    entries = [m[3] for m, _ in heads if m[1] == "entry"]
    if not entries or entry not in (None, *entries):
        raise KernelFault(f"the PTX has no .entry {entry or ''}")
    program.entry = entry or entries[0]
    for head, body in sorted(heads, key=lambda h: h[0][1] == "entry"):     # the entry last: what is called lies behind, and lanes meet after it
        if head[1] == "func" or head[3] == program.entry:
            program.functions[head[3]] = Function(len(program.code), _parameters(head[4]), _parameters(head[2] or ""))
            _body(program, head[3], body)
    return program


def _without_comments(text: str) -> str:
    text = re.sub(r"/\*.*?\*/", "", text, flags=re.S)
    text = re.sub(r"\.section\s+\S+\s*\{.*?\n\s*\}", "", text, flags=re.S)
    lines = [line.split("//")[0] for line in text.splitlines() if not re.match(r"\s*\.(loc|file)\b", line)]
    return re.sub(r"\.(?:extern\s+)?func[^;{]*;", "", "\n".join(lines))    # declarations without a body


_HEAD = re.compile(r"\.(entry|func)\s+(?:\(([^)]*)\)\s*)?([\w$]+)\s*\(([^)]*)\)[^{;]*\{")


def _functions(text: str) -> tuple[list[tuple[re.Match[str], str]], str]:
    """The functions with their bodies, and what stands between them."""
    found, between, at = [], [], 0
    for head in _HEAD.finditer(text):
        depth, end = 1, head.end()
        while depth:
            depth += {"{": 1, "}": -1}.get(text[end], 0)
            end += 1
        found.append((head, text[head.end():end - 1]))
        between.append(text[at:head.start()])
        at = end
    return found, "\n".join([*between, text[at:]])


_PARAMETER = re.compile(r"\.param\s+(?:\.align\s+\d+\s+)?\.(\w+)\s+(?:\.ptr\s+)?(?:\.(?:global|shared)\s+)?(?:\.align\s+\d+\s+)?([\w$]+)")


def _parameters(text: str) -> tuple[Parameter, ...]:
    return tuple(Parameter(m[2], m[1]) for m in _PARAMETER.finditer(text))


# --- declarations -----------------------------------------------------------------------------------------------------

_SHARED = re.compile(r"\.shared\s+\.align\s+(\d+)\s+\.b8\s+([\w$]+)\[(\d*)\]")
_LOCAL = re.compile(r"\.local\s+\.align\s+(\d+)\s+\.b8\s+([\w$]+)\[(\d+)\]")
_DATA = re.compile(r"\.(?:global|const)\s+\.align\s+\d+\s+\.(\w+)\s+([\w$]+)(?:\[(\d+)\])?(?:\s*=\s*\{(.*?)\})?\s*;", re.S)


def _declare(program: Program, text: str) -> None:
    """Shared memory and data."""
    for align, name, length in _SHARED.findall(text):
        program.shared[name] = _aligned(program.shared_size, int(align))
        program.shared_size = program.shared[name] + int(length or 0)
        if not length:
            program.dynamic.add(name)
    for kind, name, length, values in _DATA.findall(text):
        array = np.zeros(int(length or 1), dtype(kind))
        numbers = [int(v, 0) for v in re.findall(r"-?\w+", values)]
        array[:len(numbers)] = np.array(numbers, dtype=object).astype(array.dtype)
        program.data[name] = array


def _aligned(offset: int, align: int) -> int:
    return -(-offset // align) * align


def _registers(program: Program, scope: str, body: str) -> set[str]:
    """The function's registers and local arrays; the names of the registers."""
    types: dict[str, str] = {}
    for kind, name, count in re.findall(r"\.reg\s+\.(\w+)\s+(%?[\w$]+)<(\d+)>\s*;", body):
        types.update((f"{name}{k}", kind) for k in range(int(count)))
    for kind, names in re.findall(r"\.reg\s+\.(\w+)\s+([%\w$, ]+);", body):
        types.update((name.strip(), kind) for name in names.split(","))
    for align, name, length in _LOCAL.findall(body):
        program.local[name] = _aligned(program.local_size, int(align))
        program.local_size = program.local[name] + int(length)
    program.registers.update((scope + name, kind) for name, kind in types.items())
    return set(types)


# --- instructions -----------------------------------------------------------------------------------------------------

_DECLARATION = re.compile(r"\.(reg|local|shared|param|pragma|extern|align)\b")


def _body(program: Program, name: str, body: str) -> None:
    scope = "" if name == program.entry else f"{name}::"
    _declare(program, body)
    own = _registers(program, scope, body)
    body = re.sub(r"([$\w]+):(?!:)", r"\1: ", re.sub(r"\.pragma[^;]*;", "", body))
    for part in re.split(r";|(?<=:)\s", body):
        text = " ".join(part.split()).lstrip("{} ")
        if text.endswith(":"):
            program.labels[scope + text[:-1]] = len(program.code)
        elif text.startswith("."):
            if not _DECLARATION.match(text):
                raise KernelFault(f"the directive {text[:60]} is not modelled")
        elif text:
            program.code.append(_instruction(text, scope, own))


def _instruction(text: str, scope: str, own: set[str]) -> Instruction:
    found = re.match(r"@(!?)(%\w+)\s+(.*)", text)
    predicate = (scope + found[2], found[1] == "!") if found else None
    opcode, _, rest = (found[3] if found else text).partition(" ")
    words, operands = tuple(opcode.split(".")), _split(rest)
    if words[0] == "bra":
        operands = [scope + o for o in operands]
    elif scope:
        operands = [re.sub(r"%?[\w$.]+", lambda m: scope + m[0] if m[0] in own else m[0], o) for o in operands]
    return Instruction(scope + text, words, tuple(operands), predicate, scope)


def _split(text: str) -> list[str]:
    """Operands between commas that stand in no brackets."""
    parts, depth, current = [], 0, ""
    for letter in text:
        if letter == "," and not depth:
            parts.append(current.strip())
            current = ""
            continue
        depth += (letter in "{[(") - (letter in "}])")
        current += letter
    return [*parts, current.strip()] if current.strip() else parts
