"""All that wants a card, in one call of ten minutes: `python -m tests.cuda.gpu [--parts times,tests,sanitizer] [--minutes 9.5] [--out FILE] [NAME ...]`.

    times      what a call takes of the processor; the rates of this card; value and gradient of each workload, by events (tests/cuda/gpu_rows.py)
    tests      tests/cuda/test_gpu.py
    sanitizer  compute-sanitizer (memcheck, racecheck, initcheck) on some of them, if it is installed

Each line goes to FILE (gpu.txt in $OUT, or here) as soon as it is known; docs/performance.md keeps it. A part that fails, hangs or runs out of time costs
itself alone: workloads run in a process of their own, which begins again behind one that took the device with it.

Not yet run: no machine that has built this so far had a card.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import queue
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path

from graphc.runtime.cache import cache_folder
from graphc.runtime.cuda.gpu import cards
from tests.cuda.gpu_rows import HEAD, chosen

SHARE = {"times": 0.6, "tests": 0.75, "sanitizer": 1.0}       # of the time that is left when a part begins
ROW, FIRST = 75.0, 60.0             # seconds that a workload may take, and more for the first, which imports
FEW = ["-k", "extents and (33 or 4100) and float32 or linear or gathered or embedding or halves"]


class Log:
    """Lines, to the screen and to a file at once."""

    def __init__(self, path: Path):
        self.path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("")

    def __call__(self, line: str) -> None:
        print(line, flush=True)
        with self.path.open("a", encoding="utf-8") as file:
            file.write(line + "\n")


def main() -> int:
    options = arguments()
    if not cards():
        print("this machine has no CUDA device")
        return 1
    os.environ.setdefault("GRAPHC_CACHE", str(cache_folder()))         # one for all processes, so that kernels are compiled once
    log, end = Log(options.out), time.monotonic() + 60 * options.minutes
    failed = 0
    for part in options.parts.split(","):
        until = time.monotonic() + SHARE[part] * (end - time.monotonic()) if part != options.parts.split(",")[-1] else end
        log(f"\n== {part} ==")
        try:
            failed |= {"times": times, "tests": tests, "sanitizer": sanitizer}[part](options, log, until)
        except Exception as error:                     # whatever it is, the next part has its turn
            log(f"{part} broke off: {type(error).__name__}: {error}")
            failed = 1
    log(f"\n{'something failed: see above' if failed else 'all went well'}; {60 * options.minutes - (end - time.monotonic()):.0f} s")
    return failed


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.cuda.gpu", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help="parts of workload names; all without")
    parser.add_argument("--parts", default="times,tests,sanitizer")
    parser.add_argument("--minutes", type=float, default=9.5)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--out", type=Path, default=Path(os.environ.get("OUT", "."), "gpu.txt"))
    return parser.parse_args()


# --- times

def times(options: argparse.Namespace, log: Log, until: float) -> int:
    """The table, row by row, each from a process that ends with its last row or its first disaster."""
    names, failed = [w.name for w in chosen(options.names)], 0
    log(HEAD)
    done = 0
    while done < len(names):
        command = [sys.executable, "-m", "tests.cuda.gpu_rows", str(options.rounds), str(done), *names[done:]]
        before = done
        for line in lines(command, until, lambda: ROW + FIRST * (done == before)):
            log(line)
            done += line.startswith("| ")
        if time.monotonic() >= until:
            log(f"out of time; not measured: {', '.join(names[done:]) or 'nothing'}")
            return failed
        if done < len(names):
            log(f"| {names[done]} | broke off |")
            done, failed = done + 1, 1
    return failed


def lines(command: list[str], until: float, patience: Callable[[], float]) -> Iterator[str]:
    """What a process says, line by line, until it ends, says nothing for too long, or the time is up: then it is killed."""
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True)
    said: queue.Queue[str | None] = queue.Queue()

    def read() -> None:
        assert process.stdout is not None
        for line in process.stdout:
            said.put(line.rstrip("\n"))
        said.put(None)
    threading.Thread(target=read, daemon=True).start()
    try:
        while True:
            line = said.get(timeout=max(min(patience(), until - time.monotonic()), 0.1))
            if line is None:
                return
            yield line
    except queue.Empty:
        yield "(no word for too long, or out of time)"
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, 9)
        process.wait()


# --- tests

def tests(options: argparse.Namespace, log: Log, until: float) -> int:
    """In several processes: kernels are compiled by the processor, and one that loses its device is replaced."""
    workers = ["-n", str(min(os.cpu_count() or 1, 8))] if find_spec("xdist") else []
    return run([*pytest(), *workers], log, until)


def pytest() -> list[str]:
    return [sys.executable, "-m", "pytest", "-q", "--tb=short", "-m", "gpu", "-p", "no:cacheprovider", "tests/cuda/test_gpu.py"]


def run(command: list[str], log: Log, until: float) -> int:
    last = ""
    for line in lines(command, until, lambda: until - time.monotonic()):
        log(line)
        last = line or last
    return int(" failed" in last or " error" in last or " passed" not in last)


def sanitizer(options: argparse.Namespace, log: Log, until: float) -> int:
    tool = shutil.which("compute-sanitizer")
    if tool is None:
        log("compute-sanitizer is not installed: not run")
        return 0
    failed = 0
    for check in ("memcheck", "racecheck", "initcheck"):
        code = run([tool, "--tool", check, "--error-exitcode", "9", "--target-processes", "all", *pytest(), *FEW], log, until)
        log(f"compute-sanitizer {check}: {'see above' if code else 'clean'}")
        failed |= code
    return failed


if __name__ == "__main__":
    sys.exit(main())
