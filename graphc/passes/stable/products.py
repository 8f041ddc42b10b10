"""Products and powers of exponentials."""

from __future__ import annotations

from typing import Any

import sympy as sp

from graphc.passes.parts import parts_of
from graphc.passes.stable.table import Sides, differentiated_as, row, rule
from graphc.passes.subject import Subject, symbols, unfold
from graphc.passes.unify import Match
from graphc.scalar.symbols import OverIndex
from graphc.scalar.table import op

__all__: list[str] = []


def no_matrix_product(m: Match) -> bool:
    """Whether exp(x + y) is no exponential for each term of a product of matrices, which takes one for each of their elements."""
    x, y = symbols(m.wild("x")), symbols(m.wild("y"))
    return x <= y or y <= x or not any(isinstance(s, OverIndex) for s in x & y)


@rule()
def exp_affine_times_exp(gc: Any, x: Any, y: Any, z: Any, w: Any) -> Sides:
    """exp(w + y z) exp(x) = exp(x + w + y z), the product in twice the precision"""
    return row("exp_affine", w, y, z) * gc.exp(x), row("exp_affine", x + w, y, z)


@rule(varies="x y", when=no_matrix_product)
def exp_times_exp(gc: Any, x: Any, y: Any) -> Sides:
    """exp(x) exp(y) = exp(x + y), the sum in twice the precision"""
    return gc.exp(x) * gc.exp(y), row("exp_sum", x, y)


@rule()
def square_times_exp(gc: Any, x: Any, y: Any) -> Sides:
    """x^2 exp(y) = (x exp(y / 2))^2: neither factor alone has to fit the format"""
    return x**2 * gc.exp(y), row("grouped", x * gc.exp(y / 2))**2


@rule()
def cube_times_exp(gc: Any, x: Any, y: Any) -> Sides:
    """x^3 exp(y) = x (x exp(y / 2))^2"""
    return x**3 * gc.exp(y), x * row("grouped", x * gc.exp(y / 2))**2


@rule()
def fourth_power_times_exp(gc: Any, x: Any, y: Any) -> Sides:
    """x^4 exp(y) = (x exp(y / 4))^4"""
    return x**4 * gc.exp(y), row("grouped", x * gc.exp(y / 4))**4


@rule()
def power_of_exp(gc: Any, x: Any, y: Any) -> Sides:
    """exp(x)^y = exp(x y), the product in twice the precision"""
    return gc.exp(x)**y, row("exp_affine", 0.0, x, y)


@rule()
def root_of_exp(gc: Any, x: Any) -> Sides:
    """sqrt(exp(x)) = exp(x / 2)"""
    return gc.sqrt(gc.exp(x)), gc.exp(x / 2)


# --- one minus a product of what is nearly one: noisy or ---------------------------------------------------------------

def of_complements(m: Match) -> bool:
    """Whether w is a product of differences 1 - y."""
    return all(isinstance(f, sp.Add) and f.args[0] == 1 for f in factors(m.wild("w")))


def of_sigmoids(m: Match) -> bool:
    """Whether w is a product of sigmoids."""
    return all(isinstance(f, op("sigmoid")) for f in factors(m.wild("w")))


def factors(s: Subject) -> list[sp.Expr]:
    """The factors of a value, as the rules see them."""
    number, found = parts_of(sp.Mul, s)
    return [unfold(f).expr for f in found] + ([] if number == 1 else [number])


def where_nearly_one(gc: Any, x: Any, small: Any, otherwise: Any) -> Any:
    """A function of 1 - Π (1 - x): of -expm1(Σ log1p(-x)), with the product's derivatives, where that is small, and else of the product"""
    product, total = row("grouped", gc.prod(1 - x, "d")), gc.sum(gc.log1p(-x), "d")
    return gc.where((gc.abs(total) < 0.5) & (total != 0), small(differentiated_as(1 - product, -gc.expm1(total))), otherwise(product))


@rule(x="n d")
def log_one_minus_product_of_complements(gc: Any, x: Any) -> Sides:
    """log(1 - Π (1 - x)) = log(1 - exp(Σ log(1 - x))) where the product is nearly one"""
    return gc.log(1 - gc.prod(1 - x, "d")), where_nearly_one(gc, x, gc.log, lambda product: gc.log1p(-product))


@rule(x="n d")
def log1p_of_minus_product_of_complements(gc: Any, x: Any) -> Sides:
    """log1p(-Π (1 - x)) = log(1 - Π (1 - x))"""
    return gc.log1p(-gc.prod(1 - x, "d")), gc.log(1 - gc.prod(1 - x, "d"))


@rule(x="n d")
def one_minus_product_of_complements(gc: Any, x: Any) -> Sides:
    """1 - Π (1 - x) = 1 - exp(Σ log(1 - x)) where the product is nearly one"""
    return 1 - gc.prod(1 - x, "d"), where_nearly_one(gc, x, lambda small: small, lambda product: 1 - product)


@rule()
def one_minus_two_complements(gc: Any, x: Any, y: Any) -> Sides:
    """1 - (1 - x)(1 - y) = x + (1 - x) y: no term is negative for probabilities"""
    return 1 - (1 - x) * (1 - y), x + row("grouped", 1 - x) * y


@rule(when=of_complements)
def one_minus_few_complements(gc: Any, x: Any, w: Any) -> Sides:
    """1 - (1 - x) w = x + (1 - x)(1 - w), where w is a product of such"""
    return 1 - (1 - x) * w, x + row("grouped", 1 - x) * row("grouped", 1 - w)


@rule()
def one_minus_square_of_sigmoid(gc: Any, x: Any) -> Sides:
    """1 - σ(x)^2 = 1 - exp(2 log σ(x))"""
    return 1 - gc.sigmoid(x)**2, -gc.expm1(2 * gc.logsigmoid(x))


@rule(when=of_sigmoids)
def one_minus_few_sigmoids(gc: Any, x: Any, w: Any) -> Sides:
    """1 - σ(x) w = 1 - exp(log σ(x) + log w), where w is a product of sigmoids"""
    return 1 - gc.sigmoid(x) * w, -gc.expm1(gc.logsigmoid(x) + gc.log(w))


@rule(x="n d")
def log_one_minus_product_of_exp(gc: Any, x: Any) -> Sides:
    """log(1 - Π exp(x)) = log(1 - exp(Σ x))"""
    return gc.log1p(-gc.prod(gc.exp(x), "d")), row("log1mexp", -gc.sum(x, "d"))


@rule(x="n d")
def one_minus_product_of_exp(gc: Any, x: Any) -> Sides:
    """1 - Π exp(x) = 1 - exp(Σ x)"""
    return 1 - gc.prod(gc.exp(x), "d"), -gc.expm1(gc.sum(x, "d"))
