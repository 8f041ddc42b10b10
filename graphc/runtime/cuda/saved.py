"""A program of graphc, compiled for CUDA and saved. It needs CuPy and nothing else (and ml_dtypes, for bfloat16).

    import sys
    sys.path.append("the folder that this folder is in")
    import this_folder
    results = this_folder.call(X=X, W=W)            # CuPy arrays by name; inputs are arrays of CuPy or NumPy, and numbers

    kernels.py       the kernels as they were generated, to read
    host.py          the host program, which launches them
    saved.json       inputs, outputs, and the file of each kernel
    *.cubin, *.ptx   machine code for some architectures, and what a driver makes machine code of for later ones

Kernels are those of the sizes that the program was saved for, and of all others that need no other kernels.
"""

import importlib
import json
import threading
from pathlib import Path
from typing import Any

from .products import Products, multiply

FOLDER = Path(__file__).parent
BLOCK = 256
_lock = threading.Lock()
_devices: dict[int, Any] = {}


def key_of(name: str, types: Any, constants: Any) -> str:
    """How the table calls a kernel."""
    return f"{name}({', '.join(types)}) {', '.join(f'{k}={v}' for k, v in sorted(constants.items()))}".strip()


def known(dtype: str) -> str:
    """The name of a dtype that NumPy knows: bfloat16 when ml_dtypes has told it."""
    if dtype == "bfloat16":
        importlib.import_module("ml_dtypes")
    return dtype


class Device(Products):
    """What the host program computes with, on the current device and stream of CuPy."""

    converted = "converted"

    def __init__(self, table: Any):
        self.cp: Any = importlib.import_module("cupy")
        self.table, self.functions = table, dict[str, Any]()
        self.arch = int(self.cp.cuda.Device().compute_capability)
        self.wrong = self.empty((1,), "uint8")

    def empty(self, shape: Any, dtype: str) -> Any:
        return self.cp.ndarray(shape, known(dtype))

    def launch(self, kernel: str, blocks: int, threads: int, *args: Any, **constants: Any) -> None:
        if not blocks:
            return
        words, types = [], []
        for a in args:
            is_array = isinstance(a, self.cp.ndarray)
            types.append(f"{a.dtype.name}*" if is_array else "int64")
            words.append(self.cp.uint64(a.data.ptr) if is_array else self.cp.int64(a))
        self.function(key_of(kernel, types, constants))((blocks,), (threads,), tuple(words))

    def function(self, key: str) -> Any:
        if key not in self.functions:
            found = self.table["kernels"].get(key)
            if found is None:
                raise LookupError(f"no kernel {key} was saved; save the program for these sizes, too: f.save(path, sizes=[...])")
            fitting = [a for a in map(int, found["cubin"]) if a // 10 == self.arch // 10 and a <= self.arch]
            file = found["cubin"][str(max(fitting))] if fitting else found["ptx"]
            module = self.cp.cuda.function.Module()
            module.load((FOLDER / file).read_bytes())
            self.functions[key] = module.get_function(found["entry"])
        return self.functions[key]

    def multiply(self, a: Any, b: Any, out: Any, add: bool) -> None:
        multiply(self.cp, a, b, out, add)

    def check_labels(self, name: str, labels: Any, below: int, others: tuple[int, ...] = ()) -> Any:
        """Labels in range in place of wrong ones; `wrong` says whether there were any."""
        if labels.size and not below and not others:
            raise IndexError(f"{name}: there is no label below 0")
        safe = self.empty(labels.shape, "int64")
        self.launch("fenced", min(-(-labels.size // BLOCK), 1024), BLOCK, labels, safe, self.wrong, labels.size, below, OTHERS=tuple(others) or (0,),
                    COUNT=len(others))
        return safe


def call(**given: Any) -> dict[str, Any]:
    """The results by name. Sizes that no array shows are given by name, too. IndexError names labels that are out of range."""
    table = json.loads((FOLDER / "saved.json").read_text(encoding="utf-8"))
    host = importlib.import_module(".host", __name__)
    with _lock:
        device = Device(table)
        device = _devices.setdefault(device.cp.cuda.Device().id, device)
        arrays, extents = _inputs(device.cp, host, table, given)
        shapes = host.outputs(*(extents[name] for name in table["sizes"]))
        outputs = [device.empty(shape or (1,), made) for (_, made, _), shape in zip(table["outputs"], shapes, strict=True)]
        device.wrong.data.memset_async(0, 1)
        host.run(device, *arrays, *outputs, *(extents[name] for name in table["extents"]))
        integers = [name for name, _, dtype in table["inputs"] if dtype == "int64"]
        if integers and device.wrong.get()[0]:
            raise IndexError(f"a label is out of its range, or an index runs past what it indexes: look at {', '.join(integers)}")
    found = zip(table["outputs"], outputs, shapes, strict=True)
    return {name: a.reshape(shape).astype(known(handed), copy=False) for (name, _, handed), a, shape in found}


def _inputs(cp: Any, host: Any, table: Any, given: dict[str, Any]) -> tuple[list[Any], dict[str, int]]:
    """Arrays as kernels read them, and the sizes, all checked: a kernel must not read past an array."""
    names, sizes = [name for name, _, _ in table["inputs"]], table["sizes"]
    missing, unknown = [n for n in names if n not in given], [n for n in given if n not in (*names, *sizes)]
    if missing or unknown:
        found = [f"{what}: {', '.join(which)}" for what, which in (("missing", missing), ("unknown", unknown)) if which]
        raise TypeError(f"{'; '.join(found)}. The inputs are {', '.join(names)}")
    arrays = [cp.ascontiguousarray(cp.asarray(given[name], known(dtype))) for name, _, dtype in table["inputs"]]
    extents = {n: int(given[n]) for n in sizes if n in given}
    for (name, dims, _), a in zip(table["inputs"], arrays, strict=True):
        if len(a.shape) != len(dims):
            raise ValueError(f"{name} has dims ({', '.join(dims)}), given an array of shape {a.shape}")
        extents = dict(zip(dims, a.shape, strict=True)) | extents
    if hidden := [n for n in sizes if n not in extents]:
        raise TypeError(f"no input shows the size of {', '.join(hidden)}: give it by name, as in {hidden[0]}=3")
    for (name, dims, _), a, shape in zip(table["inputs"], arrays, host.inputs(*(extents[n] for n in sizes)), strict=True):
        if a.shape != shape:
            raise ValueError(f"{name} has dims ({', '.join(dims)}) = {shape}, given an array of shape {a.shape}")
    arrays = [a.reshape(a.shape or (1,)) for a in arrays]
    return [a.copy() if a.data.ptr % 16 else a for a in arrays], extents
