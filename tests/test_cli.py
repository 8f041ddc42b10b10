"""The command line: what it writes, where, and with which exit code."""

from __future__ import annotations

import ast
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from graphc.cli import EXAMPLES, main, parse_arguments
from graphc.frontend.derivatives import grad
from graphc.target import load_target

RIDGE = ["sum((X@W - Y)**2) + lam*sum(abs(W))", "X=n,d", "W=d,c", "Y=n,c", "lam="]
ROOT = Path(__file__).resolve().parents[1]


def graphc(*arguments: str, **options) -> subprocess.CompletedProcess[str]:                      # type: ignore[no-untyped-def]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    return subprocess.run([sys.executable, "-m", "graphc", *arguments], capture_output=True, text=True, env=environment, timeout=300, **options)


@pytest.fixture
def script(tmp_path: Path) -> Path:
    path = tmp_path / "train.py"
    path.write_text("import graphc as gc\nfrom helper import two\nx, y = gc.tensor('x', 'n'), gc.param('y', 'n')\nprint('running')\n"
                    "loss = gc.sum((x - y)**two)\nother = gc.sum(x*y)\nif __name__ == '__main__':\n    third = loss*3\n")
    (tmp_path / "helper.py").write_text("two = 2\n")
    return path


# --- usage ------------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("command", sorted(EXAMPLES))
def test_help_shows_examples(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main([command, "--help"])
    assert caught.value.code == 0
    assert EXAMPLES[command] in capsys.readouterr().out


def _examples() -> list[list[str]]:
    lines = [line.strip() for text in EXAMPLES.values() for line in text.splitlines()[1:]]
    return [shlex.split(re.split(r" [|>] ", line)[0])[1:] for line in lines]


@pytest.mark.parametrize("words", [w for w in _examples() if "train.py" not in " ".join(w) and w[0] not in ("demo", "doctor")], ids=" ".join)
def test_the_examples_formulas_are_right(words: list[str]) -> None:
    args = parse_arguments(words)
    loss = load_target(args.target, args.declarations)
    assert (loss.ndim, loss.free) == (0, ())
    assert all(g.ndim for g in grad(loss, args.wrt.split(","))) if args.wrt else True


@pytest.mark.parametrize("arguments", [[], ["draw"], ["render"], ["check", "sum(x)", "x=n", "--nonsense"], ["check", "sum(x)", "x=n", "--digits", "3"]])
def test_wrong_usage_is_exit_code_2(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 2
    assert "usage: graphc" in capsys.readouterr().err


def test_an_error_is_one_block_with_a_caret_and_no_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "sum((X@V - Y)**2)", "X=n,d", "Y=n,c"]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err == ("graphc check: unknown name 'V'; declare it with its dims, as in V=\"n d\" (declared: X, Y)\n"
                   "    sum((X@V - Y)**2)\n           ^\n")


def test_a_traceback_comes_when_asked_for(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    assert main(["check", "sum(V)", "--traceback"]) == 2
    assert "Traceback (most recent call last)" in capsys.readouterr().err
    monkeypatch.setenv("GRAPHC_DEBUG", "1")
    assert main(["check", "sum(V)"]) == 2
    assert "Traceback (most recent call last)" in capsys.readouterr().err


@pytest.mark.parametrize("arguments, says", [
    (["sum(x)", "x=n", "x=m"], "declared twice"), (["sum(x)", "n"], "no declaration"), (["sum(x)", "x=0.5"], "no size"),
    (["missing.py"], "no file missing.py"), (["missing.py", "x=n"], "belong to a formula"), (["sum(x)", "x=n", "--data", "missing.npz"], "missing.npz"),
    (["sum(x)", "x=n", "--wrt", "q"], "does not depend on an input named 'q'"), (["sum(t)*1.0", "t=n,int"], "no float input")])
def test_errors_say_what_is_wrong(arguments: list[str], says: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", *arguments]) == 2
    out, err = capsys.readouterr()
    assert says in err
    assert "Traceback" not in out + err


# --- check ------------------------------------------------------------------------------------------------------------

def test_check_passes_and_repeats_to_the_byte(capsys: pytest.CaptureFixture[str]) -> None:
    outputs = []
    for _ in range(2):
        assert main(["check", "sum(abs(W)) + W[0]**2", "W=d", "--dtype", "float64"]) == 0
        outputs.append(capsys.readouterr().out)
    assert outputs[0] == outputs[1]
    assert re.search(r"^dL/dW +float64 +[0-9]+, [0-9]+ at kinks .* ok$", outputs[0], re.MULTILINE)


def test_declarations_may_follow_options_and_a_formula_may_begin_with_minus(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "-sum(x*y)", "x=n", "--seed", "3", "y=n", "--wrt", "y", "--no-extreme"]) == 0
    assert "seed 3" in capsys.readouterr().out


def test_check_on_given_data(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    np.savez(tmp_path / "batch.npz", x=np.array([1.0, 4.0]))
    assert main(["check", "sum(sqrt(x))", "x=n", "--data", str(tmp_path / "batch.npz"), "--no-extreme"]) == 0
    assert "points     2 given, 6 random;" in capsys.readouterr().out
    np.save(tmp_path / "one.npy", np.ones(2))
    assert main(["check", "sum(x)", "x=n", "--data", str(tmp_path / "one.npy")]) == 2
    assert "several by name" in capsys.readouterr().err
    (tmp_path / "no.npz").write_text("text")
    assert main(["check", "sum(x)", "x=n", "--data", str(tmp_path / "no.npz")]) == 2
    assert "no .npz file" in capsys.readouterr().err


def test_a_wrong_kernel_is_exit_code_1(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    from graphc.runtime.cpu import CpuProgram
    right = CpuProgram.__call__
    monkeypatch.setattr(CpuProgram, "__call__", lambda self, **data: [1.01 * r for r in right(self, **data)])
    assert main(["check", "sum(x**2)", "x=n", "--dtype", "float32", "--no-extreme"]) == 1
    assert "WRONG, 3 of 3" in capsys.readouterr().out


# --- Python files -----------------------------------------------------------------------------------------------------

def test_a_file_is_run_as_a_script_and_its_loss_found(script: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", str(script), "--no-extreme", "--dtype", "float64"]) == 0
    out, err = capsys.readouterr()
    assert "d/dy" in out
    assert ("running" in out, "running" in err) == (False, True)
    assert main(["check", f"{script}:other", "--wrt", "x", "--no-extreme", "--dtype", "float64"]) == 0
    assert main(["check", f"{script}:third", "--no-extreme", "--dtype", "float64"]) == 0


def test_a_file_without_the_name_lists_its_tensors(script: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", f"{script}:nothing"]) == 2
    assert "nothing is not in it; choose one with" in capsys.readouterr().err
    assert main(["check", f"{script}:two"]) == 2
    assert "two is a int" in capsys.readouterr().err
    script.write_text("import graphc as gc\na, b = gc.tensor('a'), gc.tensor('b')\n")
    assert main(["check", str(script)]) == 2
    assert "among a, b" in capsys.readouterr().err


@pytest.mark.parametrize("text, says", [("1/0\n", "line 1: ZeroDivisionError"), ("import sys\nsys.exit(3)\n", "sys.exit(3)"), ("x = (\n", "SyntaxError"),
                                        ("x = 1\n", "no tensor and no program")])
def test_a_file_that_fails_says_where(text: str, says: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "bad.py"
    path.write_text(text)
    assert main(["check", str(path)]) == 2
    assert says in capsys.readouterr().err


def test_an_error_in_a_file_names_its_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "clash.py"
    path.write_text("import graphc as gc\n\nL = gc.sum(gc.tensor('x', 'n') + gc.tensor('y', 'm'))\n")
    assert main(["check", str(path)]) == 2
    assert f"{path}:3" in capsys.readouterr().err


# --- source, explain, render ------------------------------------------------------------------------------------------

def test_source_is_a_python_module(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["source", *RIDGE, "--wrt", "W"]) == 0
    text = capsys.readouterr().out
    assert "from numba import" in text
    ast.parse(text)
    assert main(["source", *RIDGE, "--wrt", "W", "-o", str(tmp_path / "kernels.py")]) == 0
    assert (tmp_path / "kernels.py").read_text() == text
    assert main(["source", *RIDGE, "--wrt", "W", "--dtype", "float32"]) == 0
    assert "float32" in capsys.readouterr().out


def test_explain_shows_the_stages(capsys: pytest.CaptureFixture[str]) -> None:
    from graphc.compiler import PASSES
    assert main(["explain", *RIDGE, "--wrt", "W"]) == 0
    out = capsys.readouterr().out
    assert [stage for stage, _ in PASSES if f"== {stage} ==" not in out] == []


def test_render_writes_files_and_standard_output(tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    for suffix, head in ((".dot", b"digraph"), (".svg", b"<"), (".png", b"\x89PNG"), (".pdf", b"%PDF")):
        path = tmp_path / f"loss{suffix}"
        assert main(["render", *RIDGE, "--wrt", "W", "--backward", "-o", str(path)]) == 0
        assert head in path.read_bytes()[:200]
    capfdbinary.readouterr()
    assert main(["render", *RIDGE]) == 0
    assert b"digraph" in capfdbinary.readouterr().out
    assert main(["render", *RIDGE, "--format", "svg", "-o", "-"]) == 0
    assert b"<svg" in capfdbinary.readouterr().out


def test_render_loads_no_numba() -> None:
    program = ("import sys; from graphc.cli import main; code = main(sys.argv[1:]); "
               "print(code, sorted({'numba', 'scipy', 'torch'} & set(sys.modules)), file=sys.stderr)")
    done = subprocess.run([sys.executable, "-c", program, "render", *RIDGE, "--wrt", "W", "--backward"], capture_output=True, text=True,
                          env=os.environ | {"PYTHONPATH": str(ROOT)}, timeout=300)
    assert done.stderr.splitlines()[-1] == "0 []"


def test_output_that_nobody_reads_is_no_error() -> None:
    process = subprocess.Popen([sys.executable, "-m", "graphc", "explain", *RIDGE], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                               env=os.environ | {"PYTHONPATH": str(ROOT)})
    assert process.stdout is not None and process.stderr is not None
    process.stdout.close()
    assert (process.wait(timeout=300), process.stderr.read()) == (0, b"")
    process.stderr.close()


def test_the_module_is_the_command() -> None:
    done = graphc("check", "sum(V)")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("graphc check: unknown name 'V'")
    assert graphc("--version").stdout.startswith("graphc ")


# --- demo -------------------------------------------------------------------------------------------------------------

def test_demo_does_the_lecture(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from graphc.demo import ROWS
    assert main(["demo", "-o", str(tmp_path / "out")]) == 0
    out = capsys.readouterr().out
    assert [r.row for r in ROWS if not re.search(rf"^{r.row} .* ok ", out, re.MULTILINE)] == []
    assert "WRONG" not in out
    for row in ROWS:
        ast.parse((tmp_path / "out" / f"{row.name}.py").read_text())
        assert (tmp_path / "out" / f"{row.name}.svg").read_bytes().rstrip().endswith(b"</svg>")
        assert (tmp_path / "out" / f"{row.name}.png").read_bytes().startswith(b"\x89PNG")
