"""Calls by plan and bound calls: the same results and the same refusals as the first call, which checks everything."""

import numpy as np
import pytest

import graphc as gc

RNG = np.random.default_rng(5)
X, Y, W, lam = gc.tensor("X", "n d"), gc.tensor("Y", "n c"), gc.param("W", "d c"), gc.scalar("lam")
f = gc.compile(gc.sum((X @ W - Y) ** 2) + lam * gc.sum(abs(W)))
OK = dict(X=RNG.normal(size=(7, 3)), W=RNG.normal(size=(3, 5)), Y=RNG.normal(size=(7, 5)), lam=0.5)


def expected(X, W, Y, lam):
    return ((X @ W - Y) ** 2).sum() + lam * abs(W).sum(), 2 * X.T @ (X @ W - Y) + lam * np.sign(W)


def check(result, data, rtol=1e-12):
    value, gradient = expected(**data)
    np.testing.assert_allclose(result[0], value, rtol=rtol)
    np.testing.assert_allclose(result[1]["W"], gradient, rtol=rtol, atol=rtol)


def test_every_later_call_is_checked_as_the_first():
    """What differs from a known call in one dtype, extent, layout or type of number is seen."""
    single = {k: np.float32(v) for k, v in OK.items()}
    for _ in range(2):
        check(f(**OK), OK)
        check(f(*OK.values()), OK)
        for lam_ in (0.5, np.float64(0.5), np.array(0.5), np.float32(0.5)):
            check(f(**{**OK, "lam": lam_}), OK)
        check(f(**{**OK, "lam": 2}), {**OK, "lam": 2})
        assert f(**single)[0].dtype == np.float32 and f(**{**single, "X": OK["X"]})[0].dtype == np.float64
        check(f(**{**OK, "X": np.asfortranarray(OK["X"])}), OK)
        for wrong in (dict(X=OK["X"][:, :2]), dict(X=OK["X"].astype(int)), dict(lam=True), dict(lam=[0.5]), dict(X=OK["X"][None])):
            with pytest.raises(gc.BindingError):
                f(**{**OK, **wrong})
        with pytest.raises(gc.BindingError, match="missing: lam; unknown: mu"):
            f(X=OK["X"], W=OK["W"], Y=OK["Y"], mu=0.5)


def test_many_signatures():
    for n in range(300):
        data = {**OK, "X": np.ones((n, 3)), "Y": np.ones((n, 5))}
        check(f(**data), data)


def test_a_bound_call_follows_its_arrays():
    data = {**{k: np.copy(v) for k, v in OK.items()}, "lam": np.array(0.5)}
    step = f.bind(**data)
    first = step()
    check(first, data)
    data["X"] *= 2
    data["W"][0] = -3
    data["lam"][()] = 7
    second = step()
    check(second, data)
    assert second[1]["W"] is first[1]["W"] and first[0] != second[0]


def test_a_bound_call_writes_where_it_is_told():
    value, gradient = np.empty(()), np.empty((3, 5))
    step = f.bind(*OK.values(), out=(value, {"W": gradient}))
    result = step()
    assert result[0] is value and result[1]["W"] is gradient
    check(result, OK)


def test_a_bound_call_keeps_its_shapes():
    data = {k: np.copy(v) for k, v in OK.items()}
    step = f.bind(**data)
    with pytest.raises(ValueError, match="referenced|references"):
        data["X"].resize((1, 3))
    check(step(), data)


@pytest.mark.parametrize("wrong", [lambda x: x.tolist(), np.asfortranarray, lambda x: x.astype(np.float32)])
def test_bind_copies_nothing(wrong):
    with pytest.raises(gc.BindingError, match=r"X\[n, d\] would be copied"):
        f.bind(**{**OK, "X": wrong(OK["X"])})


def test_bind_reads_read_only_memory():
    x = OK["X"].copy()
    shown = x.view()
    shown.flags.writeable = False
    step = f.bind(**{**OK, "X": shown})
    x[0] = 1
    check(step(), {**OK, "X": x})


def labelled(**options):
    t = gc.labels("t", "n", below="c", **options)
    return gc.compile(gc.losses.cross_entropy(gc.param("y", "n c"), t))


@pytest.mark.parametrize("options", [{}, {"ignore": (-100, -1)}])
def test_labels_are_checked_where_they_change(options):
    g = labelled(**options)
    y, t = RNG.normal(size=(7, 5)), np.array([0, 4, 2, 1, 3, 0, 4])
    step = g.bind(y=y, t=t)
    good = step()[0]
    assert good == g(y=y, t=t)[0]
    for bad in (5, -2, 2**40):
        t[3] = bad
        for call in (step, lambda: g(y=y, t=t)):
            with pytest.raises(gc.BindingError, match=rf"t\[3\] = {bad} is not in \[0, c = 5\)"):
                call()
    t[3] = 1
    assert step()[0] == good
    if options:
        t[3] = -100
        assert np.isfinite(step()[0])


def test_a_label_without_axes_is_checked():
    x, k = gc.tensor("x", "n"), gc.labels("k", "", below="n")
    g = gc.compile(x[k] * 2)
    for _ in range(2):
        assert g(x=np.arange(3.0), k=2) == 4
        with pytest.raises(gc.BindingError, match=r"k = 3 is not in \[0, n = 3\)"):
            g(x=np.arange(3.0), k=3)


def test_a_bound_that_no_input_shows_is_given_by_name():
    t = gc.labels("t", "n", below="c")
    g = gc.compile(gc.sum(gc.where(t == 2, 1.0, 0.0)))
    assert g(t=np.array([2, 9])) == 1
    with pytest.raises(gc.BindingError, match=r"t\[1\] = 9 is not in \[0, c = 5\)"):
        g(t=np.array([2, 9]), c=5)


def test_many_buffers_are_kept_apart():
    tensors = [gc.param(f"p{k}", "n") for k in range(5)]
    g = gc.compile([2 * p for p in tensors])
    data, buffers = {f"p{k}": np.arange(3.0) + k for k in range(5)}, [np.empty(3) for _ in range(5)]
    for k, b in enumerate(g(**data, out=buffers)):
        np.testing.assert_array_equal(b, 2 * data[f"p{k}"])
    row = np.empty(12)
    g(**data, out=[row[3 * k:3 * k + 3] for k in range(4)] + [None])
    with pytest.raises(gc.BindingError, match="two buffers of out= share memory"):
        g(**data, out=[row[2 * k:2 * k + 3] for k in range(4)] + [None])
    with pytest.raises(gc.BindingError, match="shares memory with an input"):
        g(**data, out=[*buffers[:4], data["p0"]])


def test_a_deep_net_calls_its_layers_from_python():
    """A long host program is Python that calls what repeats in it: the same values, and the same refusals."""
    x, t = gc.tensor("x", "n d0"), gc.labels("t", "n", below="d17")
    widths = [2, 3, 5, 7, 11, 13] * 3
    data = {"x": RNG.normal(size=(7, widths[0])), "t": np.array([0, 12, 3, 5, 7, 1, 2])}
    h = x
    for k in range(17):
        h = gc.tanh(h @ gc.param(f"W{k}", f"d{k} d{k + 1}") + gc.param(f"b{k}", f"d{k + 1}"))
        data |= {f"W{k}": RNG.normal(size=widths[k:k + 2]), f"b{k}": RNG.normal(size=widths[k + 1])}
    loss = gc.losses.cross_entropy(h, t) / gc.scalar("s")
    data["s"] = 2.0
    g = gc.compile(loss)
    assert "\ndef run(" in g.source and "cache=True)\ndef run(" not in g.source
    assert g.source.count("@section") == 3 and g.source.count("    section_2(") == 16          # zeros, forwards, backwards
    value, grads = g(**data)
    np.testing.assert_allclose(value, gc.evaluate(loss, **data), rtol=1e-13)
    for name in ("W0", "b0", "W9", "b16"):
        np.testing.assert_allclose(grads[name], gc.evaluate(gc.grad(loss, name), **data), rtol=1e-11, atol=1e-15)
    assert np.isinf(g(**{**data, "s": 0.0})[0])
    out = {name: np.empty_like(b) for name, b in grads.items()}
    again, same = g(**data, out=out)
    assert again == value and all(same[name] is out[name] and (out[name] == b).all() for name, b in grads.items())
    with pytest.raises(gc.BindingError, match="of shape"):
        g(**data, out=out | {"b3": np.empty((7, 1))})
    with pytest.raises(gc.BindingError, match="two buffers"):
        g(**data, out=out | {"b5": out["b11"]})
    with pytest.raises(gc.BindingError, match="memory with an input"):
        g(**data, out=out | {"b5": data["b5"]})
    data["t"][4] = 13
    with pytest.raises(gc.BindingError, match=r"t\[4\] = 13"):
        g(**data)


def view_of(a):
    return np.empty((2, *a.shape))[1]


@pytest.mark.parametrize("buffer, problem", [
    (lambda data: np.empty((3, 5)), None), (lambda data: view_of(data["W"]), None), (lambda data: np.ma.zeros((3, 5)), None),
    (lambda data: np.empty((5, 3)), "of shape"), (lambda data: np.empty((5, 3)).T, "of shape"), (lambda data: np.empty((3, 5), np.float32), "float32"),
    (lambda data: [0.0], "given list"), (lambda data: np.frombuffer(bytes(120)).reshape(3, 5), "writable"),
    (lambda data: data["W"], "shares memory with an input"), (lambda data: data["W"][:], "shares memory with an input")])
def test_buffers_are_looked_at_in_every_call(buffer, problem):
    """Where a known call finds at once that its buffers fit, and where it has to look closer."""
    given = buffer(OK)
    for out in ({"W": given}, (None, {"W": given}), [None, {"W": given}]):
        for _ in range(2):
            f(**OK)
            if problem:
                with pytest.raises(gc.BindingError, match=problem):
                    f(**OK, out=out)
            else:
                value, grads = f(**OK, out=out)
                np.testing.assert_allclose(value, expected(**OK)[0], rtol=1e-12)
                np.testing.assert_allclose(given, expected(**OK)[1], rtol=1e-12)
                assert np.shares_memory(grads["W"], given)
    with pytest.raises(gc.BindingError, match="keys among"):
        f(**OK, out={"V": given})


def test_keys_of_any_kind_keep_their_places():
    x = gc.tensor("x", "n")
    keys = ["y", 2, (3, "z"), None, 0.5]
    g = gc.compile({key: x * k for k, key in enumerate(keys)})
    for _ in range(2):
        result = g(x=np.arange(3.0))
        assert list(result) == keys and all((result[key] == k * np.arange(3)).all() for k, key in enumerate(keys))
    buffers = {key: np.empty(3) for key in keys}
    again = g(x=np.ones(3), out=buffers)
    assert all(again[key] is buffers[key] and (buffers[key] == k).all() for k, key in enumerate(keys))


def test_sections_with_tiles_of_their_own():
    """What repeats may be a loop over tiles, with its buffers."""
    w = gc.tensor("w", "n n")
    h, expected = gc.tensor("h", "n n"), RNG.normal(size=(37, 37))
    data = {"h": expected, "w": RNG.normal(size=(37, 37))}
    for _ in range(40):
        h, expected = gc.tanh(w @ h.T) / 37, np.tanh(data["w"] @ expected.T) / 37
    f = gc.compile(h)
    assert f.source.count("@section") == 1 and f.source.split("@section")[1].split("def run")[0].count("np.empty") == 1
    np.testing.assert_allclose(f(**data), expected, rtol=1e-10)
