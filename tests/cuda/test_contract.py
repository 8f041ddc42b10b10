"""Products that a difference takes, in the text of PTX."""

from __future__ import annotations

import pytest

from graphc.codegen.cudalib.contract import fused

PRODUCT = "\tmul.f32 \t%f3, %f1, %f2;"


def text(*lines):
    return "\n".join((PRODUCT, *lines, "\tst.global.f32 \t[%rd1], %f5;"))


@pytest.mark.parametrize("difference, expected", [
    ("\tsub.f32 \t%f5, %f4, %f3;", "\tneg.f32 \t%f3, %f1;\n\tfma.rn.f32 \t%f5, %f3, %f2, %f4;"),
    ("\tsub.f32 \t%f5, %f3, 0f3F800000;", "\tneg.f32 \t%f3, 0f3F800000;\n\tfma.rn.f32 \t%f5, %f1, %f2, %f3;")])
def test_a_difference_of_a_product(difference, expected):
    assert fused(text(difference)) == text(difference).replace(PRODUCT + "\n", "").replace(difference, expected)


@pytest.mark.parametrize("lines", [
    ("\tsub.f32 \t%f5, %f4, %f3;", "\tst.global.f32 \t[%rd1], %f3;"),                              # the product is wanted besides
    ("\tmov.f32 \t%f1, %f6;", "\tsub.f32 \t%f5, %f4, %f3;"),                                       # a factor has changed
    ("\tld.global.v2.f32 \t{%f7, %f2}, [%rd2];", "\tsub.f32 \t%f5, %f4, %f3;"),
    ("\t@%p1 bra \t$L__BB0_2;", "\tsub.f32 \t%f5, %f4, %f3;"),                                     # another stretch
    ("$L__BB0_2:", "\tsub.f32 \t%f5, %f4, %f3;"),
    ("\tsub.f32 \t%f5, %f3, %f3;",)])
def test_what_stays(lines):
    assert fused(text(*lines)) == text(*lines)


def test_products_that_are_rounded_stay():
    given = text("\tsub.f32 \t%f5, %f4, %f3;").replace("mul.f32", "mul.rn.f32")
    assert fused(given) == given
