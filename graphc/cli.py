"""The command line.

    graphc COMMAND TARGET [NAME=DIMS ...] [options]

    command ::= render    the picture of a formula                 source     its generated kernels
             |  explain   every stage of the pipeline as text      check      its values and gradients against mathematics
             |  range     which node can overflow, underflow, be NaN or lose its digits
             |  demo      the lecture's losses, through all of the above
             |  doctor    what works on this machine, and what mends the rest
    target  ::= a formula, with a declaration for each of its tensors: X=n,d W=d,c t=n,int,below,c lam=
             |  FILE.py or FILE.py:NAME, a Python file, which is run as any script; NAME is a tensor or a program in it

Exit codes: 0 done, 1 a check failed, 2 wrong usage or an error in the input, 3 a bug of graphc.
"""

from __future__ import annotations

import argparse
import os
import re
import sys
import traceback
from collections.abc import Sequence
from typing import Any

from graphc.errors import GraphcError
from graphc.frontend.origin import places

__all__ = ["main", "parse_arguments", "EXAMPLES"]

OK, FAILED, USAGE, BUG, INTERRUPTED = 0, 1, 2, 3, 130
TEXT_FORMATS = ("dot", "svg")
FORMATS = (*TEXT_FORMATS, "png", "pdf")
_DECLARATION = re.compile(r"([^\W\d]\w*)=(.*)\Z", re.DOTALL)
_MINUS_FORMULA = re.compile(r"-(?!-?\w[\w-]*=).*[(@*]", re.DOTALL)

EXAMPLES = {
    "render": """examples:
  graphc render "sum((X@W - Y)**2) + lam*sum(abs(W))" X=n,d W=d,c Y=n,c lam= -o loss.svg
  graphc render "sum((X@W - Y)**2)" X=n,d W=d,c Y=n,c --wrt W --backward -o both.png
  graphc render train.py:loss --backward -o - --format svg > loss.svg
  graphc render "sum(x**2)" x=n | dot -Tpdf -o x.pdf""",
    "source": """examples:
  graphc source "sum((X@W - Y)**2) + lam*sum(abs(W))" X=n,d W=d,c Y=n,c lam= --wrt W
  graphc source "mean(logsumexp(y, axis=1) - y[arange('n'), t])" y=n,c t=n,int,below,c --wrt y --dtype float32 -o kernels.py
  graphc source train.py:f""",
    "explain": """examples:
  graphc explain "sum((X@W - Y)**2)" X=n,d W=d,c Y=n,c --wrt W
  graphc explain train.py:loss""",
    "check": """examples:
  graphc check "sum((X@W - Y)**2) + lam*sum(abs(W))" X=n,d W=d,c Y=n,c lam= --wrt W
  graphc check "mean(log(1 + exp(-y*(X@w))))" X=n,d w=d y=n --data batch.npz --digits 80
  graphc check "mean(softplus(x) - t*x)" x=n t=n --wrt x --in t=0,1
  graphc check train.py:loss --dtype float32""",
    "range": """examples:
  graphc range "mean(log(sum(exp(y), axis=1)))" y=n,c --in y=-1e4,1e4
  graphc range "sum(exp(x))" x=n --in x=-100,100 --size n=1000 --as-written
  graphc range train.py:loss --grad --dtype float64""",
    "demo": """examples:
  graphc demo
  graphc demo -o out""",
    "doctor": """examples:
  graphc doctor
  graphc doctor cuda gpu""",
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command; its exit code."""
    arguments = [" " + a if _MINUS_FORMULA.match(a) else a for a in (sys.argv[1:] if argv is None else argv)]   # -sum(x) is no option
    args = parse_arguments(arguments)
    try:
        with places(shown=False):
            code = args.run(args)
        sys.stdout.flush()
        return int(code)
    except GraphcError as error:
        return _complain(error, args)
    except BrokenPipeError:      # the reader had enough; nothing more may be written at exit either
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return OK
    except OSError as error:
        return _complain(error, args)
    except KeyboardInterrupt:
        return INTERRUPTED
    except Exception:
        traceback.print_exc()
        print(f"graphc {args.command}: this is a bug of graphc; please report it with the formula", file=sys.stderr)
        return BUG


def _complain(error: Exception, args: argparse.Namespace) -> int:
    if args.traceback or os.environ.get("GRAPHC_DEBUG"):
        traceback.print_exc()
    else:
        print(f"graphc {args.command}: {error}", file=sys.stderr)
    return USAGE


# --- arguments --------------------------------------------------------------------------------------------------------

def parse_arguments(argv: Sequence[str]) -> argparse.Namespace:
    """Parsed arguments; declarations may stand after options too."""
    parser = _parser()
    args, rest = parser.parse_known_args(argv)
    strange = [a for a in rest if not _DECLARATION.match(a) or not hasattr(args, "declarations")]
    if strange:
        parser.error(f"unrecognized arguments: {' '.join(strange)}")
    if hasattr(args, "declarations"):
        args.declarations += rest
    return args


def _parser() -> argparse.ArgumentParser:
    import graphc
    parser = argparse.ArgumentParser(
        prog="graphc", formatter_class=argparse.RawDescriptionHelpFormatter,
        description="Losses as mathematics: draw a formula, read its kernels, check its gradient.",
        epilog="examples:\n  graphc render \"sum((X@W - Y)**2)\" X=n,d W=d,c Y=n,c -o loss.svg\n  graphc demo -o out\n"
               "More with graphc COMMAND --help.")
    parser.add_argument("--version", action="version", version=f"graphc {graphc.__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    render = _command(commands, "render", _render, "the picture of a formula")
    render.add_argument("-o", "--output", metavar="FILE", default="-", help="where to write, in its suffix's format; - is standard output (default)")
    render.add_argument("--format", choices=FORMATS, help="dot on standard output without it")
    render.add_argument("--backward", action="store_true", help="draw the gradient's graph beside it")
    render.add_argument("--data", metavar="FILE.npz", help="show the values that these arrays give")

    source = _command(commands, "source", _source, "the generated kernels")
    source.add_argument("--dtype", choices=("float32", "float64"), default="float64")
    source.add_argument("-o", "--output", metavar="FILE", default="-", help="where to write; - is standard output (default)")

    _command(commands, "explain", _explain, "every stage of the pipeline as text")

    check = _command(commands, "check", _check, "values and gradients of the kernels against mathematics in many digits")
    check.add_argument("--data", metavar="FILE.npz", help="arrays by name: one more point, besides random and extreme ones")
    check.add_argument("--seed", type=int, default=0, help="of random data (default 0)")
    check.add_argument("--digits", type=_digits, default=50, help="to begin with (default 50)")
    check.add_argument("--dtype", choices=("float32", "float64"), help="both without it")
    check.add_argument("--no-extreme", action="store_true", help="random and given points only")

    several: Any = dict(type=_interval, action="append", default=[])
    check.add_argument("--in", dest="intervals", metavar="NAME=LOW,HIGH", help="the interval of an input; any number without it", **several)

    ranges = _command(commands, "range", _range, "which node can overflow, underflow, be NaN or lose its digits")
    ranges.add_argument("--in", dest="intervals", metavar="NAME=LOW,HIGH", help="the interval of an input; any finite number without it", **several)
    ranges.add_argument("--size", dest="sizes", metavar="DIM=N[,M]", help="the size of a dim, or the least and greatest", **several)
    ranges.add_argument("--dtype", choices=("float32", "float64"), default="float32")
    ranges.add_argument("--grad", action="store_true", help="the gradients too, by all parameters or those of --wrt")
    ranges.add_argument("--as-written", action="store_true", help="the formula itself instead of its stable form")

    demo = _command(commands, "demo", _demo, "the lecture's losses: kernels, gradients, pictures", target=False)
    demo.add_argument("-o", "--output", metavar="FOLDER", default="out", help="where pictures and sources go (default out)")

    doctor = _command(commands, "doctor", _doctor, "what works on this machine, and what mends the rest", target=False)
    doctor.add_argument("parts", metavar="PART", nargs="*", help="what must work: cpu, threads, cache (default), pictures, cuda, gpu")
    return parser


def _command(commands: Any, name: str, run: Any, text: str, target: bool = True) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = commands.add_parser(name, help=text, description=f"graphc {name}: {text}.", epilog=EXAMPLES[name],
                                                          formatter_class=argparse.RawDescriptionHelpFormatter)
    if target:
        parser.add_argument("target", metavar="TARGET", help='a formula, as in "sum(x**2)", or FILE.py[:NAME]')
        parser.add_argument("declarations", metavar="NAME=DIMS", nargs="*",
                            help="a tensor of the formula: X=n,d, lam= for a scalar; then param, float32, float64, int, int,below,c or bool")
        parser.add_argument("--wrt", metavar="NAMES", help="differentiate by these tensors (W or W,b); without it by those declared param")
    parser.add_argument("--traceback", action="store_true", help="show where in graphc an error arose (GRAPHC_DEBUG=1 does too)")
    parser.set_defaults(run=run)
    return parser


def _digits(text: str) -> int:
    if not (text.isascii() and text.isdigit() and 30 <= int(text) <= 1000):
        raise argparse.ArgumentTypeError(f"a whole number from 30 to 1000, not {text!r}")
    return int(text)


def _interval(text: str) -> tuple[str, tuple[float, float]]:
    name, _, ends = text.partition("=")
    try:
        numbers = [float(e) if "." in e or "e" in e else int(e) for e in ends.split(",")]
    except ValueError:
        numbers = []
    if len(numbers) not in (1, 2):
        raise argparse.ArgumentTypeError(f"NAME=LOW,HIGH or NAME=NUMBER, not {text!r}")
    return name, (numbers[0], numbers[-1])


def _wrt(args: argparse.Namespace) -> list[str] | None:
    return [name.strip() for name in args.wrt.split(",") if name.strip()] if args.wrt is not None else None


# --- commands ---------------------------------------------------------------------------------------------------------

def _tensor(args: argparse.Namespace) -> Any:
    from graphc.frontend.tensor import Tensor
    from graphc.target import UsageError, load_target
    found = load_target(args.target, args.declarations)
    if not isinstance(found, Tensor):
        raise UsageError(f"{args.target} is a compiled Program; {args.command} takes the tensor that it was compiled from")
    return found


def _program(args: argparse.Namespace, dtype: str | None) -> Any:
    from graphc.compiler import compile
    from graphc.frontend.tensor import Tensor
    from graphc.target import UsageError, load_target
    found = load_target(args.target, args.declarations)
    if isinstance(found, Tensor):
        return compile(found, wrt=_wrt(args), dtype=dtype)
    if args.wrt is not None:
        raise UsageError(f"{args.target} is a compiled Program, whose gradients are chosen already; --wrt goes with a tensor")
    return found


def _render(args: argparse.Namespace) -> int:
    from graphc.render import render
    from graphc.target import load_data
    values = load_data(args.data) if args.data else None
    path = None if args.output == "-" else args.output
    picture = render(_tensor(args), path, wrt=_wrt(args), backward=args.backward, values=values, format=args.format if path else None)
    if path is None:
        _write_picture(picture, args.format or "dot")
    return OK


def _write_picture(picture: Any, format: str) -> None:
    from graphc.target import UsageError
    if format not in TEXT_FORMATS and sys.stdout.isatty():
        raise UsageError(f"{format} is binary and standard output is a terminal; name a file with -o")
    content = str(picture).encode() if format == "dot" else picture.bytes(format)
    sys.stdout.flush()
    sys.stdout.buffer.write(content if format not in TEXT_FORMATS or content.endswith(b"\n") else content + b"\n")


def _source(args: argparse.Namespace) -> int:
    text = _program(args, args.dtype).source
    if args.output == "-":
        sys.stdout.write(text)
    else:
        with open(args.output, "w", encoding="utf-8", newline="\n") as file:
            file.write(text)
    return OK


def _explain(args: argparse.Namespace) -> int:
    print(_program(args, None).explain())
    return OK


def _check(args: argparse.Namespace) -> int:
    from graphc.analysis.certificate.certificate import check
    from graphc.target import load_data, load_target
    report = check(load_target(args.target, args.declarations), load_data(args.data) if args.data else None, wrt=_wrt(args), seed=args.seed,
                   digits=args.digits, dtype=args.dtype, extreme=not args.no_extreme, within=dict(args.intervals))
    print(report)
    return OK if report.ok else FAILED


def _range(args: argparse.Namespace) -> int:
    from graphc.analysis.ranges.ranges import range
    found = range(_tensor(args), dtype=args.dtype, sizes=dict(args.sizes), grad=_wrt(args) or args.grad, as_written=args.as_written,
                  **dict(args.intervals))
    print(found)
    return OK if found.ok else FAILED


def _demo(args: argparse.Namespace) -> int:
    from graphc.demo import demo
    return OK if demo(args.output) else FAILED


def _doctor(args: argparse.Namespace) -> int:
    from graphc.doctor import NEEDED, PARTS, examine, report
    from graphc.target import UsageError
    if unknown := [part for part in args.parts if part not in PARTS]:
        raise UsageError(f"there is no part {', '.join(unknown)}; choose among {', '.join(PARTS)}")
    findings = examine()
    print(report(findings))
    return FAILED if any(f.problem and f.part in (args.parts or NEEDED) for f in findings) else OK
