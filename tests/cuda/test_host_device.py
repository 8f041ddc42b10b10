"""The CuPy device, with a stand-in for CuPy: what it is asked for, in which order and on which stream. Kernels are executed by the emulator."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import numpy as np
import pytest

pytest.importorskip("numba_cuda", reason="numba-cuda is not installed (cuda)")

from cupy_standin import CUDARuntimeError, standing_in

import graphc as gc
from graphc.runtime.cuda.program import device_of

RNG = np.random.default_rng(5)
N = 1009
HOST = dict(x=RNG.normal(size=N).astype(np.float32), y=RNG.normal(size=N).astype(np.float32))
GRADIENT = 2 * (HOST["x"] - HOST["y"]) / N


@pytest.fixture(scope="module")
def loss():
    return gc.losses.mse(gc.param("x", "n"), gc.tensor("y", "n"))


@pytest.fixture
def cp(monkeypatch):
    with standing_in(monkeypatch) as found:
        yield found


def sent(cp, **arrays):
    return {k: cp.asarray(a) for k, a in arrays.items()}


def right(found, kind=None):
    value, grads = found
    value, x = (a.host if hasattr(a, "host") else a for a in (value, grads["x"]))
    np.testing.assert_allclose(value, ((HOST["x"] - HOST["y"]) ** 2).mean(), rtol=1e-6)
    np.testing.assert_allclose(x, GRADIENT, rtol=1e-6)
    assert kind is None or isinstance(grads["x"], kind) and grads["x"].dtype == np.float32


def addresses(cp):
    return [a for entry in cp.log if entry[0] == "launch" for a in entry[2]]


def test_arrays_of_the_device_are_used_in_place_and_nothing_waits(loss, cp):
    f, on_device = gc.compile(loss, target="cuda"), sent(cp, **HOST)
    right(f(**on_device), cp.ndarray)
    cp.log.clear()
    value, grads = f(**on_device)
    assert value.shape == () and on_device["x"].data.ptr in addresses(cp) and grads["x"].data.ptr in addresses(cp)
    assert [cp.counted(what) for what in ("send", "copy", "wait")] == [0, 0, 0]


def test_a_steady_loop_allocates_its_results_alone_and_nothing_with_out(loss, cp):
    f, on_device = gc.compile(loss, target="cuda"), sent(cp, **HOST)
    f(**on_device)
    cp.log.clear()
    f(**on_device)
    assert cp.counted("allocate") == 2
    buffers = (cp.ndarray((), np.float32), {"x": cp.ndarray((N,), np.float32)})
    cp.log.clear()
    value, grads = f(**on_device, out=buffers)
    assert cp.counted("allocate") == 0 and value is buffers[0] and grads["x"] is buffers[1]["x"]
    right((value, grads))


def test_numpy_in_numpy_out(loss, cp):
    f = gc.compile(loss, target="cuda")
    f(**HOST)
    cp.log.clear()
    right(f(**HOST), np.ndarray)
    assert [cp.counted(what) for what in ("send", "allocate", "copy")] == [2, 0, 0]
    assert isinstance(f(**HOST)[0], np.float32)
    buffer = np.empty(N, np.float32)
    right(f(**HOST, out={"x": buffer}))
    np.testing.assert_allclose(buffer, GRADIENT, rtol=1e-6)


def test_a_buffer_on_the_device_takes_results_of_numpy_without_a_detour(loss, cp):
    f, buffers = gc.compile(loss, target="cuda"), (cp.ndarray((), np.float32), {"x": cp.ndarray((N,), np.float32)})
    for _ in range(2):
        cp.log.clear()
        right(f(**HOST, out=buffers), cp.ndarray)
        assert [cp.counted(what) for what in ("send", "wait", "copy")] == [2, 0, 0]


def test_one_array_on_the_device_keeps_results_there(loss, cp):
    right(gc.compile(loss, target="cuda")(x=HOST["x"], y=cp.asarray(HOST["y"])), cp.ndarray)


def test_a_number_is_sent_once(cp):
    x, lam = gc.param("x", "n"), gc.scalar("lam")
    f, on_device = gc.compile(lam * gc.sum(x**2), target="cuda"), cp.asarray(HOST["x"])
    f(x=on_device, lam=0.5)
    cp.log.clear()
    value, grads = f(x=on_device, lam=0.5)
    assert cp.counted("send") == 0
    np.testing.assert_allclose(grads["x"].host, HOST["x"], rtol=1e-6)
    np.testing.assert_allclose(f(x=on_device, lam=2)[1]["x"].host, 4 * HOST["x"], rtol=1e-6)
    assert cp.counted("send") == 1
    f(x=on_device, lam=2, stream=41)                           # nothing orders this stream with the one that the number went to
    assert cp.counted("send") == 2
    np.testing.assert_allclose(f(x=on_device, lam=cp.asarray(np.float32(2)))[1]["x"].host, 4 * HOST["x"], rtol=1e-6)


# --- streams

def test_work_goes_to_the_stream_that_is_asked_for(loss, cp):
    f, on_device = gc.compile(loss, target="cuda"), sent(cp, **HOST)
    for stream, handle in ((41, 41), (SimpleNamespace(ptr=42), 42), (SimpleNamespace(cuda_stream=43), 43),
                           (SimpleNamespace(handle=SimpleNamespace(value=44)), 44), (SimpleNamespace(__cuda_stream__=lambda: (0, 45)), 45)):
        cp.log.clear()
        right(f(**on_device, stream=stream))
        assert {entry[-1] for entry in cp.log if entry[0] == "launch"} == {handle}
    with cp.cuda.Stream.from_external(SimpleNamespace(__cuda_stream__=lambda: (0, 46))):
        cp.log.clear()
        f(**on_device)
    assert {entry[-1] for entry in cp.log if entry[0] == "launch"} == {46}
    with pytest.raises(gc.BindingError, match="stream= is a CUDA stream of CuPy, PyTorch or Numba, or its address, given str"):
        f(**on_device, stream="default")
    with pytest.raises(gc.BindingError, match="or its address, given -1"):
        f(**on_device, stream=-1)


def test_streams_do_not_share_scratch_memory(loss, cp):
    f, on_device = gc.compile(loss, target="cuda"), sent(cp, **HOST)
    parts = []
    for stream in (41, 42, 41, 42):
        f(**on_device, stream=stream)
        cp.log.clear()
        f(**on_device, stream=stream)
        parts.append(next(entry for entry in cp.log if entry[1] == "finish")[2][0])
    assert parts[0] == parts[2] != parts[1] == parts[3]


def test_numba_arrays_come_by_their_interface_and_are_waited_for_on_the_device(loss, cp):
    a = cp.asarray(HOST["x"])
    theirs = SimpleNamespace(__cuda_array_interface__={"shape": (N,), "typestr": "<f4", "data": (a.data.ptr, False), "version": 3, "stream": 77},
                             kept=a)
    f, y = gc.compile(loss, target="cuda"), cp.asarray(HOST["y"])
    cp.log.clear()
    right(f(x=theirs, y=y), cp.ndarray)
    assert ("event", 77) in cp.log and ("wait event", 77, 0) in cp.log and a.data.ptr in addresses(cp)
    assert cp.counted("wait") == 0


def test_tensors_of_other_libraries_come_by_dlpack(loss, cp):
    arrays = sent(cp, **HOST)
    on_device = {k: SimpleNamespace(ours=a, __dlpack_device__=lambda: (2, 0)) for k, a in arrays.items()}
    f = gc.compile(loss, target="cuda")
    right(f(**on_device, stream=9), cp.ndarray)
    assert cp.log.count(("dlpack", 9)) == 2 and arrays["x"].data.ptr in addresses(cp)


def test_tensors_of_torch_bring_their_stream(loss, cp, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", SimpleNamespace(cuda=SimpleNamespace(current_stream=lambda device: SimpleNamespace(cuda_stream=55))))

    class Tensor:
        __module__, is_cuda, device = "torch", True, "cuda:0"

        def __init__(self, ours):
            self.ours = ours

        def detach(self):
            return Tensor(self.ours)

        def __dlpack_device__(self):
            return 2, 0
    f = gc.compile(loss, target="cuda")
    right(f(**{k: Tensor(a) for k, a in sent(cp, **HOST).items()}))
    assert {entry[-1] for entry in cp.log if entry[0] == "launch"} == {55}


def test_threads_may_call_one_program(loss, cp):
    f, on_device = gc.compile(loss, target="cuda"), sent(cp, **HOST)
    with ThreadPoolExecutor(3) as pool:
        for found in [pool.submit(f, **on_device) for _ in range(9)]:
            right(found.result())


def test_empty_arrays(cp):
    x = gc.param("x", "n")
    value, grads = gc.compile(gc.sum(x**2), target="cuda")(x=cp.ndarray((0,), np.float32))
    assert value.host == 0 and grads["x"].shape == (0,)


# --- layouts and dtypes

def test_what_kernels_cannot_read_in_place_is_copied_on_the_device(loss, cp):
    f, y = gc.compile(loss, target="cuda"), cp.asarray(HOST["y"])
    strided = cp.asarray(np.repeat(HOST["x"], 2))[::2]
    off = cp.asarray(np.concatenate([HOST["x"][:1], HOST["x"]]))[1:]
    for x in (strided, off):
        cp.log.clear()
        right(f(x=x, y=y), cp.ndarray)
        assert cp.counted("copy") == 1 and x.data.ptr not in addresses(cp)
    assert off.data.ptr % 16                                   # vector loads want multiples of 16
    wide = f(x=cp.asarray(HOST["x"].astype(np.float64)), y=y)
    assert wide[1]["x"].dtype == np.float64
    np.testing.assert_allclose(wide[1]["x"].host, GRADIENT, rtol=1e-6)


def test_half_precision_is_stored_and_not_computed(loss, cp):
    f, half = gc.compile(loss, target="cuda"), {k: a.astype(np.float16) for k, a in HOST.items()}
    value, grads = f(**sent(cp, **half))
    x, y = (half[k].astype(np.float32) for k in "xy")
    assert (value.dtype, grads["x"].dtype) == (np.float32, np.float16)
    np.testing.assert_allclose(value.host, ((x - y) ** 2).mean(), rtol=1e-6)
    np.testing.assert_array_equal(grads["x"].host, (2 * (x - y) / np.float32(N)).astype(np.float16))


def test_labels_of_any_width_are_read_in_place(cp):
    f = gc.compile(gc.sum(gc.param("w", "k")[gc.labels("t", "n", below="k")]), target="cuda")
    w, t = RNG.normal(size=7).astype(np.float32), RNG.integers(0, 7, 31)
    for kind in (np.int64, np.int32, np.uint8):
        labels = cp.asarray(t.astype(kind))
        cp.log.clear()
        value, _ = f(w=cp.asarray(w), t=labels)
        np.testing.assert_allclose(value.host, w[t].sum(), rtol=1e-6)
        assert labels.data.ptr in addresses(cp) and cp.counted("copy") == 0


# --- CUDA graphs

def test_capture_records_in_the_second_call_and_repeats_from_then_on(loss, cp):
    f, on_device, out = gc.compile(loss, target="cuda", capture=True), sent(cp, **HOST), {"x": cp.ndarray((N,), np.float32)}
    for graphs, launches in ((0, 2), (1, 2), (1, 0), (1, 0)):
        cp.log.clear()
        right(f(**on_device, out=out))
        assert (cp.counted("graph"), cp.counted("launch")) == (graphs, launches)
    on_device["x"].set(HOST["y"])
    assert abs(f(**on_device, out=out)[0].host) == 0          # what lies there now


def test_an_array_that_moves_is_copied_from_then_on(loss, cp):
    f, fixed = gc.compile(loss, target="cuda", capture=True), cp.asarray(HOST["y"])
    for _ in range(6):
        cp.log.clear()
        right(f(x=cp.asarray(HOST["x"]), y=fixed))
    assert (cp.counted("graph"), cp.counted("launch")) == (1, 0)
    assert sorted(entry[1] for entry in cp.log if entry[0] == "copy") == [4, HOST["x"].nbytes, HOST["x"].nbytes]     # x in; the value and x_bar out


def test_captured_results_are_not_overwritten_by_later_calls(loss, cp):
    f, on_device = gc.compile(loss, target="cuda", capture=True), sent(cp, **HOST)
    found = [f(**on_device) for _ in range(4)]
    on_device["x"].set(HOST["y"])
    f(**on_device)
    for each in found:
        right(each)


def test_a_captured_program_takes_numpy_too(loss, cp):
    f = gc.compile(loss, target="cuda", capture=True)
    for _ in range(4):
        cp.log.clear()
        right(f(**HOST), np.ndarray)
    assert (cp.counted("graph"), cp.counted("launch"), cp.counted("send"), cp.counted("allocate")) == (1, 0, 2, 0)


def test_signatures_have_recordings_of_their_own(loss, cp):
    f = gc.compile(loss, target="cuda", capture=True)
    short = {k: a[:31] for k, a in HOST.items()}
    for _ in range(3):
        right(f(**HOST))
        value, _ = f(**short)
        np.testing.assert_allclose(value, ((short["x"] - short["y"]) ** 2).mean(), rtol=1e-6)


def test_captured_programs_share_numbers_and_do_not_write_over_them(cp):
    """What another number is copied into is the recording's own, not the array that other programs read 0.5 from."""
    x, lam = gc.param("x", "n"), gc.scalar("lam")
    f, g = (gc.compile(lam * gc.sum(x**k), wrt=(), target="cuda", capture=True) for k in (1, 2))
    on_device = cp.asarray(np.ones(31, np.float32))
    for value in (0.5, 0.5, 0.5, 2, 3, 4, 0.5, 0.25):
        assert (float(f(x=on_device, lam=value).host), float(g(x=on_device, lam=0.5).host)) == (31 * value, 15.5)
    for value in range(300):                                   # more numbers than a device remembers
        f(x=on_device, lam=value)
    assert float(g(x=on_device, lam=0.5).host) == 15.5


def test_small_results_of_a_captured_call_are_copied_at_once(cp, loss):
    f, short = gc.compile(loss, target="cuda", capture=True), {k: cp.asarray(a[:31]) for k, a in HOST.items()}
    found = []
    for _ in range(4):
        cp.log.clear()
        found.append(f(**short))
    assert [cp.counted(what) for what in ("graph", "copy", "allocate")] == [1, 1, 1]
    short["x"].set(HOST["y"][:31])
    assert f(**short)[0].host == 0
    for value, grads in found:
        np.testing.assert_allclose(value.host, ((HOST["x"][:31] - HOST["y"][:31]) ** 2).mean(), rtol=1e-6)
        np.testing.assert_allclose(grads["x"].host, 2 * (HOST["x"][:31] - HOST["y"][:31]) / 31, rtol=1e-6)


def test_a_repeated_call_still_keeps_buffers_and_inputs_apart(cp, loss):
    f, on_device = gc.compile(loss, target="cuda", capture=True), sent(cp, **HOST)
    buffer = cp.ndarray((N,), np.float32)
    for _ in range(4):
        right(f(**on_device, out={"x": buffer}))
    for x in (buffer, on_device["x"]):
        with pytest.raises(gc.BindingError, match="a buffer of out= shares memory with an input"):
            f(x=x, y=on_device["y"], out={"x": x})
    right(f(**on_device, out={"x": buffer}))


@pytest.mark.parametrize("capture", [False, True])
def test_a_bound_call_reads_and_writes_in_place(loss, cp, capture):
    f, on_device = gc.compile(loss, target="cuda", capture=capture), sent(cp, **HOST)
    step = f.bind(**on_device)
    first = step()
    right(first, cp.ndarray)
    for _ in range(3):
        cp.log.clear()
        value, grads = step()
        assert grads["x"] is first[1]["x"] and cp.counted("allocate") == cp.counted("copy") == cp.counted("wait") == 0
    assert cp.counted("launch") == (0 if capture else 2)
    on_device["x"].set(HOST["y"])
    assert step(stream=8)[0].host == 0 and cp.log[-1][-1] == 8


@pytest.mark.parametrize("capture", [False, True])
def test_a_bound_call_writes_into_the_arrays_of_out(loss, cp, capture):
    """Also into one that kernels cannot write in place: it begins at no multiple of 16 bytes."""
    f, on_device = gc.compile(loss, target="cuda", capture=capture), sent(cp, **HOST)
    for buffer in (cp.ndarray((N,), np.float32), cp.ndarray((N + 1,), np.float32)[1:]):
        step = f.bind(**on_device, out={"x": buffer})
        for _ in range(4):
            buffer.host.fill(0)
            found = step()
            right(found)
            np.testing.assert_allclose(buffer.host, GRADIENT, rtol=1e-6)
            assert found[1]["x"].data.ptr == buffer.data.ptr


def test_bind_refuses_what_it_would_copy(loss, cp):
    f = gc.compile(loss, target="cuda")
    with pytest.raises(gc.BindingError, match=r"x\[n\] would be copied: give a C-contiguous float32 array on the device"):
        f.bind(x=HOST["x"], y=cp.asarray(HOST["y"]))


# --- errors

@pytest.mark.parametrize("capture", [False, True])
def test_a_label_out_of_range_is_named_and_the_process_goes_on(cp, capture):
    f = gc.compile(gc.sum(gc.param("w", "k")[gc.labels("t", "n", below="k")]), target="cuda", capture=capture)
    w, t = cp.asarray(RNG.normal(size=7).astype(np.float32)), RNG.integers(0, 7, 31)
    labels = cp.asarray(t)
    for _ in range(3):
        f(w=w, t=labels)
    t[13] = 7
    labels.set(t)
    for _ in range(2):
        with pytest.raises(gc.BindingError, match=r"t\[13\] = 7 is not in \[0, k = 7\)"):
            f(w=w, t=labels)
    t[13] = 6
    labels.set(t)
    np.testing.assert_allclose(f(w=w, t=labels)[0].host, w.host[t].sum(), rtol=1e-6)


def test_programs_without_labels_do_not_wait_for_those_of_others(loss, cp):
    f = gc.compile(gc.sum(gc.param("w", "k")[gc.labels("t", "n", below="k")]), target="cuda")
    f(w=cp.asarray(HOST["x"]), t=cp.asarray(np.arange(31)))
    g, on_device = gc.compile(loss, target="cuda"), sent(cp, **HOST)
    cp.log.clear()
    g(**on_device)
    assert cp.counted("wait") == 0


def test_out_of_memory_frees_and_can_be_tried_again(loss, cp):
    f, on_device = gc.compile(loss, target="cuda"), sent(cp, **HOST)
    cp.limit = 1000
    with pytest.raises(gc.DeviceError, match="Stand-in: out of memory: free arrays"):
        f(**on_device)
    assert ("free all",) in cp.log
    cp.limit = 1 << 20
    right(f(**on_device))


class CUDADriverError(CUDARuntimeError):
    pass


class CUBLASError(CUDARuntimeError):
    pass


FAILURES = [
    (CUDADriverError, 2, gc.DeviceError, "out of memory: free arrays"), (CUDARuntimeError, 2, gc.DeviceError, "out of memory: free arrays"),
    (CUBLASError, 3, gc.DeviceError, "out of memory: free arrays"), (CUBLASError, 13, gc.DeviceError, "cuBLAS refused a matrix product"),
    (CUDARuntimeError, 35, gc.TargetError, "the driver is older than the CUDA runtime"), (CUDADriverError, 209, gc.TargetError, "no code for this device"),
    (CUDADriverError, 222, gc.TargetError, "PTX is of a newer toolkit"), (CUDADriverError, 400, gc.DeviceError, "the stream is none of this device"),
    (CUDARuntimeError, 900, gc.DeviceError, "the stream is being captured by the caller"), (CUDADriverError, 701, gc.DeviceError, "a bug of graphc"),
    (CUDARuntimeError, 719, gc.DeviceError, "the context is lost after a kernel that failed"), (CUDADriverError, 999, gc.DeviceError, "the device refused"),
]


@pytest.mark.parametrize("kind, status, ours, text", FAILURES)
def test_what_the_device_reports_is_an_error_of_graphc_and_the_next_call_goes_through(loss, cp, kind, status, ours, text):
    f, on_device, do = gc.compile(loss, target="cuda"), sent(cp, **HOST), cp.do

    def failing(step, *note):
        raise kind(status, "cudaErrorOfSome: kind\nof text")
    for plain in (False, True):                                 # in the first call, and where all is prepared
        cp.do = failing
        with pytest.raises(ours, match=f"Stand-in: .*{text}.*cudaErrorOfSome: kind of text"):
            f(**on_device)
        cp.do = do
        right(f(**on_device))
        assert plain or (("free all",) in cp.log) == ("memory" in text)


def test_without_memory_recordings_go_and_are_made_again(loss, cp):
    f, on_device = gc.compile(loss, target="cuda", capture=True), sent(cp, **HOST)
    for _ in range(3):
        right(f(**on_device))
    held, limit, cp.limit = len(cp.blocks), cp.limit, 8
    with pytest.raises(gc.DeviceError, match="out of memory"):
        f(**on_device)
    assert len(cp.blocks) < held
    cp.limit = limit
    for graphs in (0, 1, 1):
        cp.log.clear()
        right(f(**on_device))
        assert cp.counted("graph") == graphs


def test_a_recording_that_breaks_off_leaves_its_cause(loss, cp):
    f, on_device = gc.compile(loss, target="cuda", capture=True), sent(cp, **HOST)
    right(f(**on_device))
    launch = device_of(None).launch
    lane = next(iter(f._plans.values())).lanes[0]
    for error in (CUDADriverError(701, "too many resources"), KeyboardInterrupt()):
        def failing(*_, error=error):
            raise error
        lane.launch = lambda *args, failing=failing, **constants: failing()
        with pytest.raises(gc.DeviceError if isinstance(error, Exception) else KeyboardInterrupt):
            f(**on_device)
        assert cp.current is cp.null and cp.null.tape is None
    lane.launch = launch
    for _ in range(3):
        right(f(**on_device))


def test_without_cublas_a_product_says_what_is_missing(cp):
    class Missing(SimpleNamespace):
        @property
        def cublas(self):
            raise ImportError('Failure finding "libcublas.so.13"\nmore')
    cp.cuda = Missing(**{k: v for k, v in vars(cp.cuda).items() if k != "cublas"})
    f = gc.compile(gc.sum((gc.tensor("X", "n d") @ gc.param("W", "d c")) ** 2), target="cuda")
    with pytest.raises(gc.TargetError, match=r"matrix products are cuBLAS's, .*libcublas.so.13.*pip install 'graphc\[cuda13\]'"):
        f(X=RNG.normal(size=(11, 3)), W=RNG.normal(size=(3, 13)))


def test_an_array_that_its_library_keeps_is_named(loss, cp):
    def refuses(value):
        raise BufferError("sparse tensors have no strides")
    cp.from_dlpack = refuses
    with pytest.raises(gc.BindingError, match="x: types does not hand this array over .sparse tensors have no strides.; give one of CuPy or NumPy"):
        gc.compile(loss, target="cuda")(x=SimpleNamespace(__dlpack_device__=lambda: (2, 0)), y=HOST["y"])


def test_numpy_buffers_and_inputs_are_kept_apart(loss, cp):
    f = gc.compile(loss, target="cuda")
    for x in (HOST["x"], np.concatenate([HOST["x"], HOST["x"]])[3:N + 3]):
        buffer = x.base[:N] if x.base is not None else x
        with pytest.raises(gc.BindingError, match="a buffer of out= shares memory with an input"):
            f(x=x, y=HOST["y"], out={"x": buffer})


def test_the_stand_in_has_nothing_that_cupy_lacks(cp):
    """Names that `import cupy` brings, without a device; of cuBLAS, its loader."""
    def names(value, path):
        for name, part in vars(value).items():
            if not name.startswith("_") and name not in ("log", "blocks", "limit", "capability", "broken", "null", "current", "cublas", "do"):
                yield f"{path}.{name}"
                yield from names(part, f"{path}.{name}") if isinstance(part, SimpleNamespace) else ()
    asked = [n for n in names(cp, "cupy") if n != "cupy.device"]
    script = "import cupy, sys\nfor name in sys.argv[1:]:\n    eval(name)"
    done = subprocess.run([sys.executable, "-c", script, *asked], capture_output=True, text=True)
    if "No module named 'cupy'" in done.stderr:
        pytest.skip("CuPy is not installed (cuda)")
    assert len(asked) > 12 and not done.returncode, done.stderr


def test_a_lost_context_is_said_to_be_lost(loss, cp):
    f, on_device = gc.compile(loss, target="cuda"), sent(cp, **HOST)
    cp.broken = 700
    with pytest.raises(gc.DeviceError, match="the context is lost after an address that is not the program's .*start a new one"):
        f(**on_device)
    right(gc.compile(loss)(**HOST))


def test_a_device_that_cannot_run_the_code_is_a_target_error(loss, cp, monkeypatch):
    from graphc.runtime.cuda import gpu
    monkeypatch.setattr(gpu, "machine_code", lambda ptx: b"\x7fELF")
    with pytest.raises(gc.TargetError, match="no code for this device's architecture; usually the driver is older"):
        gc.compile(loss, target="cuda")(**sent(cp, **HOST))


def test_there_are_so_many_devices(loss, monkeypatch):
    with standing_in(monkeypatch, devices=2) as cp:
        f = gc.compile(loss, target="cuda", device=1)
        with pytest.raises(gc.BindingError, match=r"x\[n\]: an array is on device 0, and the program runs on device 1"):
            f(**sent(cp, **HOST))
        with cp.cuda.Device(1):
            on_device = sent(cp, **HOST)
        right(f(**on_device))
        step = gc.compile(loss, target="cuda", device=1, capture=True).bind(**on_device)
        for _ in range(3):
            right(step())                                      # the current device is another
        with pytest.raises(gc.BindingError, match=r"x\[n\]: an array is on device 0"):
            f(**sent(cp, **HOST))                              # of the same signature but for the device
        right(gc.compile(loss, target="cuda", device=0)(**HOST))
        with pytest.raises(gc.BindingError, match="a buffer of out=: an array is on device 0, and the program runs on device 1"):
            f(**on_device, out={"x": cp.ndarray((N,), np.float32)})
        with pytest.raises(gc.TargetError, match="device=2: this machine has 2 CUDA devices, counted from 0"):
            gc.compile(loss, target="cuda", device=2)(**HOST)


@pytest.mark.parametrize("buffer, given", [(lambda cp: cp.ndarray((N,), np.float64), r"float64 \(1009,\)"), (lambda cp: np.empty(N, np.float32), "float32"),
                                           (lambda cp: cp.ndarray((N + 1,), np.float32), r"float32 \(1010,\)"), (lambda cp: [0.0] * N, "list")])
def test_a_buffer_that_does_not_fit(loss, cp, buffer, given):
    with pytest.raises(gc.BindingError, match=f"a buffer of out= must be a writable C-contiguous float32 array of the device of shape .*given {given}"):
        gc.compile(loss, target="cuda")(**sent(cp, **HOST), out={"x": buffer(cp)})


def test_a_buffer_is_no_input(loss, cp):
    on_device = sent(cp, **HOST)
    with pytest.raises(gc.BindingError, match="shares memory with an input"):
        gc.compile(loss, target="cuda")(**on_device, out={"x": on_device["x"]})


def test_errors_that_are_not_the_devices_pass_through(loss, cp):
    with pytest.raises(gc.BindingError, match="dim n is 1009 in x"):
        gc.compile(loss, target="cuda")(x=cp.asarray(HOST["x"]), y=cp.asarray(HOST["y"][:-1]))
    with pytest.raises(gc.BindingError, match=r"x\[n\] needs float32 or float64, given int32"):
        gc.compile(loss, target="cuda")(x=cp.asarray(HOST["x"].astype(np.int32)), y=cp.asarray(HOST["y"]))
    assert issubclass(CUDARuntimeError, RuntimeError) and issubclass(gc.DeviceError, RuntimeError)
