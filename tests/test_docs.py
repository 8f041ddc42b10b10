"""What the pages and docstrings show is what the code does."""

from __future__ import annotations

import doctest
import importlib
import importlib.util
import inspect
import os
import pkgutil
import re
import shlex
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

import graphc as gc

ROOT = Path(__file__).parent.parent


def docs_module(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"docs_{name}", ROOT / "docs" / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


refresh = docs_module("refresh")
MODULES = sorted(m.name for m in pkgutil.walk_packages(gc.__path__, "graphc.") if not m.name.endswith("__main__"))


@pytest.mark.parametrize("path", refresh.pages(), ids=lambda p: p.stem)
def test_page_shows_what_its_code_prints(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    if "backward=True" in path.read_text(encoding="utf-8"):
        request.getfixturevalue("drawing")
    if 'target="cuda"' in path.read_text(encoding="utf-8"):
        pytest.importorskip("numba_cuda", reason="numba-cuda is not installed (cuda)")
    monkeypatch.chdir(tmp_path)
    assert refresh.refreshed(path) == path.read_text(encoding="utf-8"), "out of date: run `make docs`"


def test_function_page_is_up_to_date() -> None:
    assert docs_module("functions").page() == (ROOT / "docs" / "functions.md").read_text(encoding="utf-8"), "out of date: run `make docs`"


@pytest.mark.parametrize("name", ["graphc", *MODULES])
def test_docstring_examples(name: str) -> None:
    if name.startswith("graphc.codegen.cudalib."):
        pytest.importorskip("numba_cuda", reason="numba-cuda is not installed (cuda)")
    assert doctest.testmod(importlib.import_module(name)).failed == 0


def test_every_public_function_says_what_it_does() -> None:
    silent = [n for n in gc.__all__ if (inspect.isfunction(getattr(gc, n)) or inspect.isclass(getattr(gc, n))) and not inspect.getdoc(getattr(gc, n))]
    assert silent == []


def test_commands_of_readme(tmp_path: Path, drawing: None) -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    (tmp_path / "my_loss.py").write_text("\n".join(m["code"] for m in refresh.BLOCK.finditer(readme)), encoding="utf-8")
    shell = "\n".join(re.findall(r"^```sh\n(.*?)^```", readme, re.MULTILINE | re.DOTALL))
    commands = [line for line in shell.splitlines() if line.startswith("graphc ")]
    assert len(commands) >= 4
    for command in commands:
        words = shlex.split(command)
        subprocess.run([sys.executable, "-m", *words], cwd=tmp_path, check=True, env=os.environ | {"PYTHONPATH": str(ROOT)}, stdout=subprocess.DEVNULL)
        for output in words[words.index("-o") + 1:][:1] if "-o" in words else []:
            assert (tmp_path / output).stat().st_size > 0


LINK = re.compile(r"\]\((?!https?:)([^)#\s]+)?(?:#([^)\s]+))?\)")


def anchors(text: str) -> set[str]:
    """GitHub's anchors of a page's headings."""
    return {re.sub(r"[^\w\- ]", "", h.lower()).replace(" ", "-") for h in re.findall(r"^#+ (.+)$", text, re.MULTILINE)}


@pytest.mark.parametrize("path", [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").glob("*.md"))], ids=lambda p: p.stem)
def test_links_lead_somewhere(path: Path) -> None:
    for target, anchor in LINK.findall(path.read_text(encoding="utf-8")):
        page = path.parent / target if target else path
        assert page.exists(), f"{target} does not exist"
        if anchor:
            assert anchor in anchors(page.read_text(encoding="utf-8")), f"{target}#{anchor} does not exist"


def test_readme_names_each_folder() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    folders = [p.parent.name for p in (ROOT / "graphc").glob("*/__init__.py")]
    assert [f for f in folders if f"{f}/" not in readme] == []
