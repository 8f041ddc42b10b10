"""Terms as Python expressions: what Python reads is the term that was written."""

import itertools

import pytest

from graphc.codegen.text import Printer
from graphc.scalar.term import Term

OPERATIONS = ("add", "sub", "mul", "div", "floordiv", "mod")
VALUES = {"a": 7.0, "b": 2.0, "c": -3.5}
MEANING = {"add": lambda x, y: x + y, "sub": lambda x, y: x - y, "mul": lambda x, y: x * y, "div": lambda x, y: x / y,
           "floordiv": lambda x, y: x // y, "mod": lambda x, y: x % y, "neg": lambda x: -x}


def variable(name):
    return Term("var", (), name, "float")


def meaning(t):
    return VALUES[t.value] if t.op == "var" else MEANING[t.op](*map(meaning, t.args))


@pytest.mark.parametrize("inner", OPERATIONS)
def test_parentheses_stand_where_python_needs_them(inner):
    a, b, c = map(variable, "abc")
    part = Term(inner, (a, b), None, "float")
    terms = [Term("neg", (part,), None, "float")]
    terms += [Term(outer, pair, None, "float") for outer, pair in itertools.product(OPERATIONS, ((part, c), (c, part)))]
    for t in terms:
        assert eval(Printer()(t), {}, VALUES) == pytest.approx(meaning(t), rel=1e-15), Printer()(t)
