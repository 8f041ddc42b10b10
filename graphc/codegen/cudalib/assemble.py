"""PTX to machine code, for a card that need not be there, and what the assembler says of it: registers, spills, shared memory.

    cubin = assemble(ptx, "sm_90");   cubin.registers, cubin.spills, cubin.shared, cubin.stack

nvJitLink does it in this process; without it, the program ptxas.
"""

from __future__ import annotations

import re
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from graphc.codegen.cudalib.toolkit import parts, require, tool
from graphc.errors import TargetError

__all__ = ["Cubin", "assemble"]


@dataclass(frozen=True)
class Cubin:
    """Machine code of one architecture, and what a thread of its kernel uses; sizes in bytes."""

    code: bytes
    arch: str
    registers: int
    spills: int                 # bytes stored and loaded because registers ran out
    stack: int                  # local memory of a thread
    shared: int                 # shared memory of a block, without what a launch adds
    log: str


def assemble(ptx: str, arch: str) -> Cubin:
    """Machine code for an architecture such as "sm_90". TargetError where no assembler works, or it refuses the PTX."""
    if parts()["nvJitLink"].problem and not parts()["ptxas"].problem:
        code, log = _ptxas(ptx, arch)
    else:
        require("nvJitLink")
        code, log = _nvjitlink(ptx, arch)
    return Cubin(code, arch, _greatest(r"[Uu]sed (\d+) registers", log),
                 _greatest(r"(\d+) bytes spill stores", log) + _greatest(r"(\d+) bytes spill loads", log),
                 _greatest(r"(\d+) bytes stack frame", log), _greatest(r"(\d+) bytes smem", log), log)


def _greatest(pattern: str, log: str) -> int:
    return max((int(number) for number in re.findall(pattern, log)), default=0)


def _nvjitlink(ptx: str, arch: str) -> tuple[bytes, str]:
    linker = tool("cuda.bindings.nvjitlink")
    text, handle = ptx.encode(), linker.create(3, [f"-arch={arch}", "-verbose", "-Xptxas=-v"])
    try:
        linker.add_data(handle, linker.InputType.PTX, text, len(text), "kernel.ptx")
        linker.complete(handle)
        code = bytearray(linker.get_linked_cubin_size(handle))
        linker.get_linked_cubin(handle, code)
        log = bytearray(linker.get_info_log_size(handle))
        linker.get_info_log(handle, log)
    except linker.nvJitLinkError as error:
        said = bytearray(linker.get_error_log_size(handle))
        linker.get_error_log(handle, said)
        raise TargetError(f"nvJitLink refuses the kernel for {arch}: {said.decode().strip(chr(0)).strip() or error}. "
                          "Usually the PTX is of a newer toolkit than the linker, or the architecture has a different name") from None
    finally:
        linker.destroy(handle)
    return bytes(code), log.decode().strip("\0").strip()


def _ptxas(ptx: str, arch: str) -> tuple[bytes, str]:
    with tempfile.TemporaryDirectory(prefix="graphc-ptxas-") as folder:
        source, target = Path(folder, "kernel.ptx"), Path(folder, "kernel.cubin")
        source.write_text(ptx, encoding="utf-8")
        done = subprocess.run([parts()["ptxas"].version, "-v", f"-arch={arch}", str(source), "-o", str(target)], capture_output=True, text=True)
        if done.returncode:
            raise TargetError(f"ptxas refuses the kernel for {arch}: {done.stderr.strip()}. Usually ptxas is of an older toolkit than NVVM")
        return target.read_bytes(), done.stderr.strip()
