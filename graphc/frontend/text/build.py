"""From a formula's steps to tensors: a stack machine whose instructions are `pratt.Step`s.

A name is, in this order: a declared tensor, an index (it subscripts something, or follows Sum's comma), a constant. An error of
the operation that a step performs gets the step's place in the text.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from typing import Any, NoReturn

from graphc.errors import FormulaError, GraphcError
from graphc.frontend.elementwise import as_tensor
from graphc.frontend.index import Index
from graphc.frontend.operators import binary, unary
from graphc.frontend.tensor import Tensor
from graphc.frontend.text import fold
from graphc.frontend.text.grammar import Call, Program, Step
from graphc.frontend.text.names import CONSTANTS, functions
from graphc.frontend.text.problems import pointed, suggestion

__all__ = ["build"]

_UNARY = {"-": "neg", "~": "~"}
_RAISED_BY_A_CALL = (TypeError, ValueError, ArithmeticError, LookupError)          # of arguments; another error is a defect of graphc


def build(text: str, program: Program, tensors: Mapping[str, Any]) -> Any:
    """Run the steps; the value that the formula leaves."""
    machine = _Machine(program.indices, tensors)
    for step in program.steps:
        try:
            getattr(machine, step.do)(step)
        except GraphcError as error:
            raise pointed(error, text, step.start, step.end) from None
        except RecursionError:
            deep = FormulaError(f"{_what(step)}: constants nest too deeply; declare the number as an input")
            raise pointed(deep, text, step.start, step.end) from None
        except _RAISED_BY_A_CALL as error:
            raise pointed(FormulaError(f"{_what(step)}: {error}"), text, step.start, step.end) from error
    return machine.stack.pop()


def _what(step: Step) -> str:
    return step.what.name if isinstance(step.what, Call) else str(step.what or step.do)


class _Machine:
    def __init__(self, indices: Mapping[str, None], tensors: Mapping[str, Any]):
        self.tensors = tensors
        self.indices = {name: Index(name) for name in indices}
        self.stack: list[Any] = []

    def pop(self, count: int) -> list[Any]:
        values = self.stack[len(self.stack) - count:]
        del self.stack[len(self.stack) - count:]
        return values

    # --- operands
    def value(self, step: Step) -> None:
        value = step.what
        self.stack.append(float(value) if isinstance(value, int) and not isinstance(value, bool) and value >= 2**63 else value)

    def name(self, step: Step) -> None:
        for names in (self.tensors, self.indices, CONSTANTS):
            if step.what in names:
                self.stack.append(names[step.what])                                              # type: ignore[index]
                return
        self.unknown(step.what)

    def unknown(self, name: str) -> NoReturn:
        if name in functions():
            raise FormulaError(f"{name} is a function: write {name}(...), or declare a tensor of that name")
        if any(name == d.name for t in self.tensors.values() if isinstance(t, Tensor) for d in t.dims):
            raise FormulaError(f"{name} is a dim, not a tensor: as an argument write it in quotes, axis=\"{name}\"; its extent is size(\"{name}\")")
        known = [*self.tensors, *self.indices, *CONSTANTS]
        close = suggestion(name, known)
        raise FormulaError(f"unknown name {name!r}{close}" + ("" if close else f"; declare it with its dims, as in {name}=\"n d\" (declared: "
                                                              f"{', '.join(self.tensors) or 'nothing'})"))

    # --- operators
    def unary(self, step: Step) -> None:
        (a,) = self.pop(1)
        if fold.is_number(a):
            self.stack.append(fold.fold_unary(step.what, a))
        else:
            self.stack.append(unary(_UNARY[step.what], a) if step.what in _UNARY else as_tensor(a))

    def binary(self, step: Step) -> None:
        a, b = self.pop(2)
        if fold.is_number(a) and fold.is_number(b):
            self.stack.append(fold.fold_binary(step.what, a, b))
            return
        if step.what == "**":
            fold.check_power(a, b)
        result = binary(step.what, a, b)
        fold.check_constant(result)
        self.stack.append(result)

    def attribute(self, step: Step) -> None:
        (a,) = self.pop(1)
        if step.what != "T":
            way = f"; write .{step.what}()" if step.what in functions() else suggestion(step.what, ["T"])
            raise FormulaError(f"the only attribute of a tensor in a formula is .T, not .{step.what}{way}")
        self.stack.append(as_tensor(a).T)

    def call(self, step: Step) -> None:
        call: Call = step.what
        keywords = dict(zip(call.keywords, self.pop(len(call.keywords)), strict=True))
        arguments = self.pop(call.positional)
        if call.method:
            arguments = [as_tensor(self.stack.pop()), *arguments]
        function = functions().get(call.name)
        if function is None:
            self.no_function(call)
        _check_arguments(call.name, function, arguments, keywords)
        if call.name in ("power", "pow") and len(arguments) == 2:
            fold.check_power(*arguments)
        result = function(*arguments, **keywords)
        fold.check_constant(result)
        self.stack.append(result)

    def no_function(self, call: Call) -> NoReturn:
        if call.name in self.tensors:
            raise FormulaError(f"{call.name} is a tensor, not a function; a product is written {call.name}*(...), an element {call.name}[...]")
        raise FormulaError(f"unknown function {call.name!r}{suggestion(call.name, functions())}")

    # --- brackets
    def tuple(self, step: Step) -> None:
        self.stack.append(tuple(self.pop(step.what)))

    def list(self, step: Step) -> None:
        self.stack.append(self.pop(step.what))

    def slice(self, step: Step) -> None:
        self.stack.append(slice(*self.pop(3)))

    def subscript(self, step: Step) -> None:
        a, key = self.pop(2)
        if isinstance(a, tuple | list | str):
            raise FormulaError("only tensors have subscripts")
        self.stack.append(as_tensor(a)[key])


def _check_arguments(name: str, function: Any, arguments: Sequence[Any], keywords: Mapping[str, Any]) -> None:
    signature = inspect.signature(function)
    try:
        signature.bind(*arguments, **keywords)
    except TypeError as error:
        plain = [p.replace(annotation=inspect.Parameter.empty) for p in signature.parameters.values()]
        usage = signature.replace(parameters=plain, return_annotation=inspect.Signature.empty)
        raise FormulaError(f"{name}: {error}; it is {name}{usage}") from None
