"""How pictures look: one table of roles, one of symbols. An entry is a fact; nothing else in the package names a colour.

    role ::= data | parameter | operation | output | cotangent          what a node is
          |  edge | gather | pullback                                   what an edge is
          |  value | gradient | name | symbol                           what a line of text in a node is
"""

from __future__ import annotations

__all__ = ["GRAPH", "NODE", "EDGE", "NODES", "EDGES", "TEXT", "SYMBOLS", "REDUCTIONS", "TRANSPOSED", "superscript"]

FONT = "DejaVu Sans,Verdana,Helvetica,Arial,sans-serif"      # DejaVu and Verdana are equally wide: text fits its box with either

GRAPH = {"rankdir": "LR", "nodesep": "0.35", "ranksep": "0.55", "pad": "0.25", "bgcolor": "white", "fontname": FONT, "newrank": "true"}
NODE = {"shape": "box", "style": "rounded,filled", "fontname": FONT, "margin": "0.08,0.05"}
EDGE = {"fontname": FONT, "fontsize": "10", "arrowsize": "0.7"}

NODES: dict[str, dict[str, str]] = {
    "data": {"fillcolor": "#e9f1fb", "color": "#4a7ab0"},
    "parameter": {"fillcolor": "#fdf0d8", "color": "#b9770e", "penwidth": "1.8"},
    "operation": {"fillcolor": "#ffffff", "color": "#6b7280"},
    "output": {"fillcolor": "#e6f4ea", "color": "#2e7d46", "penwidth": "1.8"},
    "cotangent": {"fillcolor": "#fdecea", "color": "#b3413a"},
}

EDGES: dict[str, dict[str, str]] = {
    "edge": {"color": "#6b7280", "fontcolor": "#6b7280"},
    "gather": {"color": "#6b7280", "fontcolor": "#6b7280", "style": "dashed"},
    "pullback": {"color": "#b3413a", "fontcolor": "#b3413a"},
    "beside": {"style": "invis"},
    "local": {"color": "#6b7280", "fontcolor": "#b3413a"},
}

TEXT: dict[str, dict[str, str]] = {
    "symbol": {"POINT-SIZE": "17", "COLOR": "#111827"},
    "name": {"POINT-SIZE": "11", "COLOR": "#374151"},
    "title": {"POINT-SIZE": "15", "COLOR": "#111827"},
    "value": {"POINT-SIZE": "12", "COLOR": "#1d4f91"},
    "gradient": {"POINT-SIZE": "12", "COLOR": "#b3413a"},
}

# What stands in an operator's node, by the row of the table or the user's operator.
SYMBOLS = {"@": "@", "add": "+", "sub": "−", "mul": "×", "div": "÷", "neg": "−x", "sqrt": "√", "abs": "| · |", "and_": "∧", "or_": "∨", "not_": "¬",
           "lt": "<", "le": "≤", "gt": ">", "ge": "≥", "eq": "=", "ne": "≠", "floordiv": "//", "mod": "mod", "stop_gradient": "stop", "power": "^"}
REDUCTIONS = {"sum": "Σ", "prod": "∏", "max": "max", "min": "min", "argmax": "argmax", "argmin": "argmin", "mean": "mean"}

TRANSPOSED = "ᵀ"

_SUPERSCRIPTS = str.maketrans("0123456789-", "⁰¹²³⁴⁵⁶⁷⁸⁹⁻")


def superscript(n: int) -> str:
    """An exponent in Unicode: several viewers ignore SVG's baseline-shift."""
    return str(n).translate(_SUPERSCRIPTS)
