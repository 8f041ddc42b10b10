"""graphc doctor: what it finds, what it says of what is missing, and its exit code; the probes behind it."""

import types

import pytest

from graphc import doctor
from graphc.cli import main
from graphc.codegen.cudalib import toolkit
from graphc.errors import TargetError


@pytest.fixture
def without_cuda(monkeypatch):
    """A machine on which a part of CUDA fails as it pleases."""
    def broken():
        raise OSError("libcudart.so.13: cannot open shared object file\nmore")
    monkeypatch.setattr(toolkit, "_PROBES", {name: (purpose, broken) for name, (purpose, _) in toolkit._PROBES.items()})
    toolkit.parts.cache_clear()
    yield
    toolkit.parts.cache_clear()


def test_every_part_is_tried_and_what_formulas_need_works_here(capsys):
    assert main(["doctor"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[1] for line in lines if not line.startswith(" ")] == list(doctor.PARTS)
    assert all(line.startswith("ok") for line in lines[:3])


@pytest.mark.parametrize(("parts", "code"), [((), 0), (("cpu", "cache"), 0), (("cuda",), 1), (("cpu", "gpu"), 1), (("frog",), 2)])
def test_the_exit_code_is_of_the_parts_that_were_asked_for(parts, code, monkeypatch, without_cuda, capsys):
    checks = {**doctor._CHECKS, "cpu": ("compiles", lambda: "all", str), "pictures": ("draws", lambda: "all", str)}
    monkeypatch.setattr(doctor, "_CHECKS", checks)
    assert main(["doctor", *parts]) == code
    if code != 2:
        out = capsys.readouterr().out
        assert "libcudart.so.13: cannot open shared object file" in out and "pip install 'graphc[cuda" in out and "more" not in out


def test_a_missing_tool_is_an_error_that_names_the_command(without_cuda):
    with pytest.raises(TargetError, match=r"needs numba-cuda, which compiles kernels.*libcudart.so.13.*pip install 'graphc\[cuda13\]'"):
        toolkit.require()
    with pytest.raises(TargetError, match="needs nvJitLink"):
        toolkit.tool("cuda.bindings.nvjitlink")


def test_the_target_that_numba_has_built_in_is_refused(monkeypatch):
    monkeypatch.setattr(toolkit.importlib, "import_module", lambda name: types.SimpleNamespace(implementation="CUDA Simulator"))
    assert "deprecated" in toolkit._probe("numba-cuda", "", toolkit._numba_cuda).problem
