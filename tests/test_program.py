"""What a Program takes, gives back, and refuses."""

import threading

import numpy as np
import pytest

import graphc as gc
from graphc.compiler import compile

RNG = np.random.default_rng(3)
X_, Y_, W_ = RNG.normal(size=(7, 3)), RNG.normal(size=(7, 5)), RNG.normal(size=(3, 5))
OK = dict(X=X_, Y=Y_, W=W_, lam=0.5)
VALUE = ((X_ @ W_ - Y_) ** 2).sum() + 0.5 * abs(W_).sum()
GRADIENT = 2 * X_.T @ (X_ @ W_ - Y_) + 0.5 * np.sign(W_)


@pytest.fixture(scope="module")
def loss():
    X, Y, W, lam = gc.tensor("X", "n d"), gc.tensor("Y", "n c"), gc.param("W", "d c"), gc.scalar("lam")
    return gc.sum((X @ W - Y) ** 2) + lam * gc.sum(abs(W))


@pytest.fixture(scope="module")
def program(loss):
    return compile(loss)


def check(result, rtol=1e-12):
    value, grads = result
    np.testing.assert_allclose(value, VALUE, rtol=rtol)
    np.testing.assert_allclose(grads["W"], GRADIENT, rtol=rtol, atol=rtol)


def read_only(a):
    a = a.copy()
    a.setflags(write=False)
    return a


LAYOUTS = {
    "contiguous": lambda a: a,
    "fortran": np.asfortranarray,
    "strided": lambda a: np.repeat(a, 2, axis=0)[::2],
    "reversed": lambda a: a[::-1][::-1],
    "read-only": read_only,
    "list": lambda a: a.tolist(),
    "subclass": lambda a: a.view(type("Sub", (np.ndarray,), {})),
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_layouts(program, layout):
    make = LAYOUTS[layout]
    check(program(X=make(X_), Y=make(Y_), W=make(W_), lam=0.5))


def test_other_byte_orders_are_converted(program):
    check(program(**{**OK, "X": X_.astype(">f8")}))


def test_inputs_are_not_modified(program):
    before = {k: np.copy(v) for k, v in OK.items()}
    program(**OK)
    for k, v in OK.items():
        np.testing.assert_array_equal(v, before[k])


def test_scalars_in_every_form(program):
    for lam in (0.5, np.float64(0.5), np.array(0.5), np.float32(0.5)):
        check(program(**{**OK, "lam": lam}))
    assert isinstance(program(**OK)[0], np.float64)


def test_float32_stays_float32(program):
    value, grads = program(**{k: v.astype(np.float32) for k, v in OK.items() if k != "lam"}, lam=0.5)
    assert value.dtype == np.float32 and grads["W"].dtype == np.float32
    check((value, grads), rtol=2e-5)


def test_mixed_precision_promotes_as_numpy_does(program):
    value, _ = program(**{**OK, "X": X_.astype(np.float32)})
    assert value.dtype == np.float64


def test_fixed_dtype(loss):
    value, grads = compile(loss, dtype="float32")(**OK)
    assert value.dtype == np.float32 and grads["W"].dtype == np.float32


def test_positional(program):
    check(program(*(OK[name] for name in program.inputs)))


def test_extents_of_zero(program):
    value, grads = program(X=np.zeros((0, 3)), Y=np.zeros((0, 5)), W=W_, lam=0.5)
    np.testing.assert_allclose(value, 0.5 * abs(W_).sum())
    np.testing.assert_allclose(grads["W"], 0.5 * np.sign(W_))


def test_new_sizes_do_not_compile_again(program):
    path = program.path
    program(X=RNG.normal(size=(11, 2)), Y=RNG.normal(size=(11, 13)), W=RNG.normal(size=(2, 13)), lam=0.0)
    assert program.path == path


def test_out_is_written_and_returned(program):
    buffer = np.empty((3, 5))
    value, grads = program(**OK, out={"W": buffer})
    assert grads["W"] is buffer
    check((value, grads))
    scalar = np.empty(())
    value, grads = program(**OK, out=(scalar, {"W": buffer}))
    assert value is scalar
    check((value, grads))


def test_results_do_not_alias_between_calls(program):
    first = program(**OK)[1]["W"]
    kept = first.copy()
    program(**{**OK, "lam": 9.0})
    np.testing.assert_array_equal(first, kept)


def test_structures(loss):
    W = gc.param("W", "d c")
    values = compile([loss, gc.grad(loss, "W"), W, W])(**OK)
    assert [np.shape(v) for v in values] == [(), (3, 5), (3, 5), (3, 5)]
    assert not np.shares_memory(values[2], W_)
    named = compile({"loss": loss, "H": gc.hessian(loss, "W")})(**OK)
    assert named["H"].shape == (3, 5, 3, 5)
    np.testing.assert_allclose(compile(loss, wrt=())(**OK), VALUE)
    value, grads = compile(loss, wrt=["X", "W"])(**OK)
    assert list(grads) == ["X", "W"]


def test_threads_share_a_program(loss):
    program, failures = compile(loss), []

    def work():
        try:
            for _ in range(20):
                check(program(**OK))
        except Exception as error:  # noqa: BLE001
            failures.append(error)
    threads = [threading.Thread(target=work) for _ in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not failures


WRONG = {
    "missing": (lambda: {k: v for k, v in OK.items() if k != "W"}, TypeError, "missing: W"),
    "extra": (lambda: {**OK, "Z": 1.0}, TypeError, "unknown: Z"),
    "extent": (lambda: {**OK, "Y": Y_[:4]}, ValueError, "dim n is 7 in X.*and 4 in Y"),
    "rank": (lambda: {**OK, "Y": Y_[0]}, ValueError, "2 axes"),
    "integers": (lambda: {**OK, "X": np.ones((7, 3), int)}, TypeError, r"astype\(float\)"),
    "complex": (lambda: {**OK, "X": X_ + 0j}, TypeError, "complex128"),
    "text": (lambda: {**OK, "X": "abc"}, TypeError, "X"),
    "nothing": (lambda: {**OK, "X": None}, TypeError, "X"),
    "ragged": (lambda: {**OK, "X": [[1.0, 2.0], [3.0]]}, TypeError, "X"),
    "out shape": (lambda: {**OK, "out": {"W": np.empty((2, 2))}}, TypeError, "shape"),
    "out alias": (lambda: {**OK, "out": {"W": W_}}, ValueError, "shares memory"),
    "out name": (lambda: {**OK, "out": {"V": W_}}, TypeError, "keys"),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_calls(program, case):
    make, kind, message = WRONG[case]
    with pytest.raises(gc.BindingError, match=message) as caught:
        program(**make())
    assert isinstance(caught.value, kind)


def test_labels_are_checked():
    y, t = gc.param("y", "n c"), gc.labels("t", "n", below="c")
    f = compile(gc.mean(gc.logsumexp(y, axis=1) - y[gc.arange("n"), t]))
    good = np.array([0, 4, 2, 1, 3, 0, 4])
    f(y=Y_, t=good.astype(np.int32))
    for bad in (5, -1):
        with pytest.raises(gc.BindingError, match=rf"t\[3\] = {bad}"):
            f(y=Y_, t=np.where(np.arange(7) == 3, bad, good))
    with pytest.raises(gc.BindingError, match="integers"):
        f(y=Y_, t=good.astype(float))


def test_a_computed_subscript_is_checked():
    y, t = gc.tensor("y", "n c"), gc.labels("t", "n", below="c")
    (s,) = gc.indices("s")
    f = compile(gc.Sum(y[s, t[s] + 1], s))
    np.testing.assert_allclose(f(y=Y_, t=np.zeros(7, int)), Y_[:, 1].sum())
    with pytest.raises(gc.BindingError, match="subscript"):
        f(y=Y_, t=np.full(7, 4))


def test_an_empty_maximum_is_refused():
    x = gc.tensor("x", "n")
    with pytest.raises(gc.BindingError, match="at least one element"):
        compile(gc.max(x))(x=np.zeros(0))


def test_a_size_that_no_array_shows_is_given_by_name():
    x = gc.tensor("x", "n")
    f = compile(gc.sum(x) / gc.size("q"))
    np.testing.assert_allclose(f(x=[1.0, 2.0], q=6), 0.5)
    with pytest.raises(gc.BindingError, match="missing: q"):
        f(x=[1.0, 2.0])


def test_nan_and_infinity_are_not_hidden():
    x = gc.tensor("x", "n")
    f = compile({"sum": gc.sum(x), "max": gc.max(x), "min": gc.min(x), "argmax": gc.argmax(x)})
    for place in range(7):
        data = np.arange(7.0)
        data[place] = np.nan
        result = f(x=data)
        assert np.isnan(result["sum"]) and np.isnan(result["max"]) and np.isnan(result["min"])
        assert result["argmax"] == place
    assert f(x=np.full(7, -np.inf))["max"] == -np.inf


def test_cuda_without_its_tools_says_what_is_missing_and_how_to_get_it(loss, monkeypatch):
    from graphc.codegen.cudalib import toolkit
    missing = {name: toolkit.Part(name, "compiles kernels", problem="No module named 'numba_cuda'") for name in ("numba-cuda", "NVVM")}
    monkeypatch.setattr(toolkit, "parts", lambda: missing)
    with pytest.raises(gc.TargetError, match=r"needs numba-cuda.*No module named 'numba_cuda'.*pip install 'graphc\[cuda13\]'(.|\n)*test_program.py:"):
        compile(loss, target="cuda")


def test_bfloat16_tensors_are_refused_by_name():
    torch = pytest.importorskip("torch", reason="torch is not installed")
    with pytest.raises(gc.BindingError, match=r"x\[n\] needs an array, given Tensor: .*BFloat16"):
        gc.compile(gc.sum(gc.param("x", "n") ** 2))(x=torch.ones(3, dtype=torch.bfloat16))


@pytest.mark.parametrize("how", [gc.compile, gc.evaluate])
def test_outputs_within_outputs_are_refused_by_name(how):
    x = gc.param("x", "n")
    L = gc.sum(x**2)
    with pytest.raises(gc.FormulaError, match=r"output 'g' is a list of tensors; give each a name or a place of its own"):
        how({"L": L, "g": [gc.grad(L, x)]})
    with pytest.raises(gc.FormulaError, match=r"output 1 is a dict of tensors"):
        how([L, {"g": gc.grad(L, x)}])


@pytest.mark.parametrize("how", [gc.evaluate, lambda outputs, **given: gc.compile(outputs)(**given)])
def test_positions_in_columns_that_are_none(how):
    x = gc.tensor("x", "n d")
    assert how(gc.argmax(x, axis=0), x=np.zeros((5, 0))).shape == (0,)
