"""Pictures: the lecture's numbers, golden DOT, the formats, and what goes wrong.

The goldens are rewritten by running pytest with GRAPHC_GOLDEN=write; look at the difference before keeping it.
"""

import os
import re
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np
import pytest

import graphc as gc
from graphc.render import Picture, backends, render
from graphc.render.values import matrix_text

GOLDEN = Path(__file__).parent.parent / "golden"
pytest.importorskip("graphviz")


def drawable():
    try:
        backends.draw("digraph { a -> b }", "svg")
    except gc.RenderError:
        return False
    return True


needs_layout = pytest.mark.skipif(not drawable(), reason="needs graphviz's dot or pygraphviz")


def lecture():
    X, W = gc.tensor("X", "2 1"), gc.param("W", "1 2")
    a = X @ W
    b = gc.sum(a**2)
    f = b / 2
    return f, dict(wrt=[W, X], backward=True, values={"X": [[2.0], [0.0]], "W": [[1.0, 2.0]]})


def demo():
    X, Y, W, lam = gc.tensor("X", "n d"), gc.tensor("Y", "n c"), gc.param("W", "d c"), gc.scalar("lam")
    L = gc.sum((X @ W - Y)**2) + lam * gc.sum(abs(W))
    return L


def rows(svg):
    """The texts of each node of a picture, from top to bottom and left to right."""
    root = ET.fromstring(svg)
    space = {"s": "http://www.w3.org/2000/svg"}
    found = []
    for group in root.iterfind(".//s:g[@class='node']", space):
        texts = sorted((float(t.get("y")), float(t.get("x")), t.text) for t in group.iterfind("s:text", space))
        found.append([t for _, _, t in texts])
    return found


# --- the lecture ------------------------------------------------------------------------------------------------------

@needs_layout
def test_L5_has_the_lectures_numbers():
    f, options = lecture()
    nodes = {next(t.split(" ")[0] for t in texts if re.match(r"[XWabf]( :|$)", t)): texts for texts in rows(render(f, **options).bytes("svg"))
             if any(re.match(r"[XWabf]( :|$)", t) for t in texts)}
    assert nodes["X"] == ["2", "0", "X", "2 × 1", "10", "0"]
    assert nodes["W"] == ["1", "2", "W", "1 × 2", "4", "8"]
    assert nodes["a"] == ["2", "4", "0", "0", "@", "a : 2 × 2", "2", "4", "0", "0"]
    assert nodes["b"] == ["20", "Σ", "b", "0.5"]
    assert nodes["f"] == ["10", "÷ 2", "f", "1"]


def test_L3_each_edge_has_its_local_derivative():
    w1, x, w0 = gc.param("w1"), gc.tensor("x"), gc.param("w0")
    f = 1 / (1 + gc.exp(-(w1 * x + w0)))
    text = str(render(f, wrt=["w1", "w0", "x"], backward=True, values={"w1": 2.0, "x": -1.0, "w0": -3.0}))
    sigma = 1 / (1 + np.exp(5.0))
    for gradient in (-sigma * (1 - sigma), sigma * (1 - sigma), 2 * sigma * (1 - sigma)):         # by w1, w0, x
        assert f">{gradient:.4g}<" in text
    for edge in ("x = -1", "w1 = 2", f"= {np.exp(5):.4g}", f"= {-(sigma**2):.4g}"):
        assert edge in text


def test_the_backward_graph_stands_beside():
    text = str(render(demo(), backward=True))
    for name in ("∂L/∂W", "∂L/∂XW", "∂L/∂diff"):
        assert name in text
    for local in ('label="2·diff"', 'label="Xᵀ"', 'label="sign(W)"', "label=lam"):
        assert local in text
    assert "∂L/∂Y" not in text and "∂L/∂Y" in str(render(demo(), backward=True, wrt=["W", "Y"]))


# --- golden -----------------------------------------------------------------------------------------------------------

def golden(name, text):
    path = GOLDEN / name
    if os.environ.get("GRAPHC_GOLDEN") == "write":
        path.write_text(text)
    assert text == path.read_text()


def test_golden_forward():
    golden("demo.dot", str(render(demo())))


def test_golden_lecture():
    f, options = lecture()
    golden("lecture.dot", str(render(f, **options)))


# --- what is drawn ----------------------------------------------------------------------------------------------------

def test_symbols_and_constants_folded():
    x, c = gc.tensor("x", "n"), gc.tensor("c", "n")
    text = str(render([x * 0.3, x + 1, x / 4, x**3, gc.exp(x), gc.max(x), x - c, -x, x < c, gc.where(x > c, x, c), gc.gelu(x), gc.mean(x), gc.prod(x)]))
    for symbol in ("× 0.3", "+ 1", "÷ 4", "x³", "exp", "max", "−", "−x", "&lt;", "&gt;", "where", "gelu", "mean", "∏"):
        assert f">{symbol}</FONT>" in text


def test_composed_functions_are_one_node():
    y, t = gc.tensor("y", "n c"), gc.labels("t", "n", below="c")
    picture = render(-gc.mean(gc.log_softmax(y)[gc.arange("n"), t]))
    assert picture.nodes == 5                                             # y, t, log_softmax, mean, -x
    assert "stop" not in str(picture) and "style=dashed" in str(picture)


def test_views_are_on_the_edges():
    x, A = gc.tensor("x", "n"), gc.tensor("A", "n n")
    text = str(render([x[1:] - x[:-1], A @ A.T]))
    assert 'label="[1:]"' in text and 'label="[:-1]"' in text and "label=ᵀ" in text.replace('"', "")


def test_lists_dicts_and_programs():
    W = gc.param("W", "d")
    loss = gc.sum(W**2)
    text = str(render({"objective": loss, "slope": gc.grad(loss, W)}))
    assert "objective" in text and "slope : d" in text

    class Program:
        outputs = [loss]
    assert str(render(Program())) == str(render([loss]))


def test_large_arrays_are_summarised():
    assert matrix_text(np.arange(6.0).reshape(2, 3)) == [["0", "1", "2"], ["3", "4", "5"]]
    assert matrix_text(np.linspace(-1, 1, 100)) == "-1 … 1"
    assert matrix_text(np.zeros(9)) == "all 0"
    assert matrix_text(np.zeros((0, 3))) == "empty"
    assert matrix_text(np.array([1 / 3, np.nan, 1e-9])) == [["0.3333", "nan", "1e-09"]]


def test_the_same_graph_gives_the_same_bytes():
    assert str(render(demo(), backward=True)) == str(render(demo(), backward=True))


def test_names_are_escaped():
    from dataclasses import replace
    x = gc.tensor("x", "n")
    odd = gc.Tensor(replace(x.node, name="<b>&\\N|\"{}"))
    text = str(render(gc.exp(odd)))
    assert "<b>" not in text


# --- formats and failures -----------------------------------------------------------------------------------------------

@needs_layout
@pytest.mark.parametrize(("name", "start"), [("p.svg", b"<?xml"), ("p.png", b"\x89PNG\r\n\x1a\n"), ("p.pdf", b"%PDF"), ("p.dot", b"digraph"), ("p.gv", b"digraph")])
def test_formats(tmp_path, name, start):
    render(demo(), tmp_path / name)
    assert (tmp_path / name).read_bytes().startswith(start)
    assert list(tmp_path.iterdir()) == [tmp_path / name]


@needs_layout
def test_svg_is_xml_and_shows_in_a_notebook():
    picture = render(demo(), backward=True)
    svg = picture._repr_svg_()
    assert ET.fromstring(svg).tag.endswith("svg") and "n × c" in svg


def test_unknown_formats_and_places(tmp_path):
    with pytest.raises(gc.RenderError, match="says no format"):
        render(demo(), tmp_path / "loss")
    with pytest.raises(gc.RenderError, match="svg, png, pdf, dot"):
        render(demo()).bytes("gif")
    with pytest.raises(gc.RenderError, match="cannot write"):
        render(demo(), tmp_path / "nowhere" / "loss.dot")
    (tmp_path / "there.dot").mkdir()
    with pytest.raises(gc.RenderError, match="cannot write"):
        render(demo(), tmp_path / "there.dot")
    assert [p.name for p in tmp_path.iterdir()] == ["there.dot"]


def test_without_graphviz_it_says_what_to_install_and_dot_still_works(tmp_path, monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda name: None)
    monkeypatch.setitem(sys.modules, "pygraphviz", None)
    with pytest.raises(gc.RenderError, match="apt install graphviz.*pip install pygraphviz") as caught:
        render(demo(), tmp_path / "loss.svg")
    assert "\n" not in str(caught.value) and not list(tmp_path.iterdir())
    render(demo(), tmp_path / "loss.dot")
    assert render(demo())._repr_svg_() is None


def test_a_failing_program_is_an_error(monkeypatch, tmp_path):
    program = tmp_path / "dot"
    program.write_text("#!/bin/sh\necho 'syntax error' >&2\nexit 1\n")
    program.chmod(0o755)
    monkeypatch.setattr(shutil, "which", lambda name: str(program))
    with pytest.raises(gc.RenderError, match="syntax error"):
        render(demo()).bytes("svg")


def test_too_large_to_lay_out():
    z = gc.tensor("x")
    for _ in range(400):
        z = gc.sin(z)
    with pytest.raises(gc.RenderError, match="401 nodes"):
        render(z).bytes("svg")
    assert render(z).bytes("dot").startswith(b"digraph")


def test_backward_needs_a_scalar_and_a_float_input():
    with pytest.raises(gc.RenderError, match="scalar"):
        render(gc.exp(gc.param("W", "d")), backward=True)
    with pytest.raises(gc.RenderError, match="no float input"):
        render(1.0 * gc.sum(gc.labels("t", "n")), backward=True)
    with pytest.raises(gc.DifferentiationError, match="'V'"):
        render(demo(), backward=True, wrt="V")


def test_values_are_checked():
    with pytest.raises(gc.BindingError, match="missing: Y"):
        render(demo(), values={"X": np.ones((2, 3)), "W": np.ones((3, 5)), "lam": 1.0})


def test_pictures_without_a_path_draw_nothing_yet(monkeypatch):
    monkeypatch.setattr(sys.modules[Picture.__module__], "draw", lambda *a: pytest.fail("drawn"))
    assert isinstance(render(demo()), Picture)


def test_drawing_loads_no_compiler():
    code = ("import sys, graphc as gc; from graphc.render import render; x = gc.tensor('x', 'n'); str(render(gc.sum(x**2), backward=True)); "
            "print([m for m in ('numba', 'scipy', 'torch', 'jax') if m in sys.modules])")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)})
    assert done.stdout.strip() == "[]", done.stderr


def test_a_composed_function_keeps_the_users_name():
    y, t = gc.tensor("y", "n c"), gc.labels("t", "n", below="c")
    loss = gc.losses.cross_entropy(y, t)
    assert re.search(r">mean</FONT></TD></TR><TR><TD><FONT [^>]*>loss</FONT>", str(render(loss)))
