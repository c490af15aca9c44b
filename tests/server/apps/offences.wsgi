# SPDX-License-Identifier: Apache-2.0
"""One function per path: each breaks one rule of PEP 3333, of Python, or of good manners."""

import contextlib
import os
import sys
import threading

sys.path.append(os.path.dirname(__file__))
import journal

PLAIN = [("Content-Type", "text/plain")]
SCRATCH = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "scratch")


class Nothing(BaseException):
    """No Exception."""


class Dumb(Exception):
    """Cannot be shown in any way."""

    def __str__(self):
        raise RuntimeError("no str")

    __repr__ = __str__


class Loop:
    """An iterable made of functions."""

    def __init__(self, step=lambda: b"", begin=None, close=None, end=None):
        self.step, self.begin, self.shut, self.end = step, begin, close, end

    def __iter__(self):
        return self.begin() if self.begin else self

    def __next__(self):
        return self.step()

    def close(self):
        if self.shut:
            self.shut()

    def __del__(self):
        if self.end:
            self.end()


def raiser(error):
    def throw(*_):
        raise error
    return throw


ERRORS = {
    "exception": lambda: ValueError("on purpose"),
    "base": lambda: Nothing("on purpose"),
    "generator_exit": lambda: GeneratorExit("on purpose"),
    "interrupt": lambda: KeyboardInterrupt("on purpose"),
    "system_exit": lambda: SystemExit("on purpose"),
    "memory": lambda: MemoryError("on purpose"),
    "stop": lambda: StopIteration("on purpose"),
    "dumb": lambda: Dumb("on purpose"),
    "broken_pipe": lambda: BrokenPipeError(32, "on purpose"),
}


def do_raise(environ, start_response, where, what):
    """ERRORS[what] from one place."""
    error = ERRORS[what]()
    if where == "call":
        raise error
    write = start_response("200 OK", PLAIN)
    if where == "started":
        raise error
    if where == "written":
        write(b"x" * 70000)
        raise error
    if where == "iter":
        return Loop(begin=raiser(error))
    if where == "next":
        return Loop(raiser(error))
    blocks = iter([b"whole"])
    if where == "later":
        blocks = iter([b"x" * 70000])
        return Loop(lambda: next(blocks, None) or raiser(error)())
    if where == "close":
        return Loop(lambda: next(blocks), close=raiser(error))
    if where == "del":
        return Loop(lambda: next(blocks), end=raiser(error))
    raise AssertionError(where)


# ---- what is returned ----------------------------------------------------------------------------


class NoIterator:
    def __iter__(self):
        return 5


class Liar(list):
    """Says another length, iterates over something else."""

    def __len__(self):
        return 1

    def __iter__(self):
        return iter([b"one", b"two", b"three"])


class Sulky(list):
    def __len__(self):
        raise ValueError("no length")


class Block(bytes):
    """A block that lies about itself."""

    def __len__(self):
        return 10 ** 9

    def __bytes__(self):
        return b"lie"


class Descriptor:
    """close is there and is no function."""

    close = 5

    def __iter__(self):
        return iter([b"whole"])


class Trap:
    """Looking for close fails."""

    def __getattr__(self, name):
        raise ValueError("no " + name)

    def __iter__(self):
        return iter([b"whole"])


def growing():
    blocks = [b"start"]

    def step():
        if len(blocks) < 1000:
            blocks.append(b"more")
        return blocks
    for _ in step():
        step()
        yield b"."


def cyclic():
    blocks = []
    blocks.append(blocks)
    return blocks


def shrinking():
    blocks = [b"0", b"1", b"2", b"3"]

    class Shrink(bytes):
        pass

    def loop():
        for block in blocks:
            del blocks[-1]
            yield block
    return loop()


RESULTS = {
    "none": lambda e, s: None,
    "number": lambda e, s: 5,
    "text": lambda e, s: "text",
    "bytes": lambda e, s: b"bytes",
    "true": lambda e, s: True,
    "environ": lambda e, s: e,
    "itself": lambda e, s: application,
    "start_response": lambda e, s: s,
    "input": lambda e, s: e["wsgi.input"],
    "errors": lambda e, s: e["wsgi.errors"],
    "module": lambda e, s: sys,
    "class": lambda e, s: Loop,
    "error": lambda e, s: ValueError("returned"),
    "no_iterator": lambda e, s: NoIterator(),
    "next_none": lambda e, s: Loop(lambda: None),
    "next_text": lambda e, s: Loop(lambda: "text"),
    "next_number": lambda e, s: Loop(lambda: 0),
    "list_none": lambda e, s: [None],
    "list_text": lambda e, s: [b"first", "second"],
    "list_lists": lambda e, s: [[b"inner"]],
    "cyclic": lambda e, s: cyclic(),
    "bytearray": lambda e, s: [bytearray(b"x")],
    "memoryview": lambda e, s: [memoryview(b"x")],
    "liar": lambda e, s: Liar([b"other"]),
    "sulky": lambda e, s: Sulky([b"whole"]),
    "block": lambda e, s: [Block(b"whole")],
    "set": lambda e, s: {b"whole"},
    "dict": lambda e, s: {b"whole": 1},
    "growing": lambda e, s: growing(),
    "shrinking": lambda e, s: shrinking(),
    "many": lambda e, s: (b"" for _ in range(200000)),
    "close_number": lambda e, s: Descriptor(),
    "close_trap": lambda e, s: Trap(),
    "wrapper_none": lambda e, s: e["wsgi.file_wrapper"](None),
    "wrapper_text": lambda e, s: e["wsgi.file_wrapper"](open(os.devnull)),  # noqa: SIM115
    "wrapper_bad": lambda e, s: e["wsgi.file_wrapper"](Loop()),
}


def do_return(environ, start_response, what):
    start_response("200 OK", PLAIN)
    return RESULTS[what](environ, start_response)


# ---- start_response ------------------------------------------------------------------------------


class Headers(list):
    """A subclass that iterates over something else."""

    def __iter__(self):
        return iter([("X-Injected", "a\r\nb: c")])


class Changing(str):
    """A text whose methods lie."""

    __slots__ = ()

    def encode(self, *_):
        return b"X-Injected: yes\r\n\r\n"

    def __str__(self):
        return "a\r\nb: c"


STARTS = {
    "nothing": (),
    "status_only": ("200 OK",),
    "four": ("200 OK", [], None, 5),
    "status_number": (200, []),
    "status_bytes": (b"200 OK", []),
    "status_none": (None, []),
    "status_empty": ("", []),
    "status_words": ("OK", []),
    "status_short": ("20 OK", []),
    "status_long": ("2000 OK", []),
    "status_line": ("200 OK\r\nX-Injected: yes", []),
    "status_nul": ("200 OK\0", []),
    "status_euro": ("200 \u20ac", []),
    "status_099": ("099 Early", []),
    "status_100": ("100 Continue", []),
    "status_surrogate": ("200 \udc80", []),
    "headers_none": ("200 OK", None),
    "headers_tuple": ("200 OK", (("X-A", "b"),)),
    "headers_dict": ("200 OK", {"X-A": "b"}),
    "headers_text": ("200 OK", "X-A: b"),
    "headers_generator": ("200 OK", (pair for pair in [("X-A", "b")])),
    "item_list": ("200 OK", [["X-A", "b"]]),
    "item_text": ("200 OK", ["ab"]),
    "item_none": ("200 OK", [None]),
    "item_one": ("200 OK", [("X-A",)]),
    "item_three": ("200 OK", [("X-A", "b", "c")]),
    "name_bytes": ("200 OK", [(b"X-A", "b")]),
    "name_number": ("200 OK", [(1, "b")]),
    "name_empty": ("200 OK", [("", "b")]),
    "name_blank": ("200 OK", [("X A", "b")]),
    "name_colon": ("200 OK", [("X-A: b\r\nX-Injected", "c")]),
    "name_euro": ("200 OK", [("X-\u20ac", "b")]),
    "name_nul": ("200 OK", [("X-A\0", "b")]),
    "value_bytes": ("200 OK", [("X-A", b"b")]),
    "value_number": ("200 OK", [("X-A", 5)]),
    "value_none": ("200 OK", [("X-A", None)]),
    "value_crlf": ("200 OK", [("X-A", "b\r\nX-Injected: yes")]),
    "value_lf": ("200 OK", [("X-A", "b\nX-Injected: yes")]),
    "value_cr": ("200 OK", [("X-A", "b\rX-Injected: yes")]),
    "value_nul": ("200 OK", [("X-A", "b\0c")]),
    "value_euro": ("200 OK", [("X-A", "\u20ac")]),
    "value_surrogate": ("200 OK", [("X-A", "\udc80")]),
    "length_words": ("200 OK", [("Content-Length", "many")]),
    "length_negative": ("200 OK", [("Content-Length", "-5")]),
    "length_plus": ("200 OK", [("Content-Length", "+5")]),
    "length_huge": ("200 OK", [("Content-Length", "9" * 40)]),
    "length_list": ("200 OK", [("Content-Length", "5, 5")]),
    "length_twice": ("200 OK", [("Content-Length", "5"), ("content-length", "6")]),
    "length_short": ("200 OK", [("Content-Length", "2")]),
    "length_long": ("200 OK", [("Content-Length", "500")]),
    "many_headers": ("200 OK", [(f"X-{number}", "y") for number in range(1001)]),
    "huge_header": ("200 OK", [("X-A", "y" * (5 << 20))]),
    "exc_info_text": ("200 OK", [], "text"),
    "exc_info_short": ("200 OK", [], (ValueError,)),
    "exc_info_nones": ("200 OK", [], (None, None, None)),
    "exc_info_numbers": ("200 OK", [], (1, 2, 3)),
    "list_subclass": ("200 OK", Headers([("X-A", "b")])),
    "text_subclass": (Changing("200 OK"), [(Changing("X-A"), Changing("b"))]),
    "hop_by_hop": ("200 OK", [("Transfer-Encoding", "chunked"), ("Connection", "Upgrade"), ("Upgrade", "h2c")]),
}


def do_start(environ, start_response, what):
    start_response(*STARTS[what])
    return [b"whole"]


def do_never(environ, start_response):
    return [b"no head"]


def do_never_empty(environ, start_response):
    return []


def do_twice(environ, start_response):
    start_response("200 OK", PLAIN)
    start_response("201 Again", PLAIN)
    return [b"whole"]


def do_twice_written(environ, start_response):
    start_response("200 OK", PLAIN)(b"written")
    start_response("201 Again", PLAIN)
    return [b"never"]


def do_thread_start(environ, start_response):
    """PEP 3333 does not forbid it."""
    thread = threading.Thread(target=start_response, args=("200 OK", PLAIN))
    thread.start()
    thread.join()
    return [b"whole"]


def do_thread_write(environ, start_response):
    thread = threading.Thread(target=start_response("200 OK", PLAIN), args=(b"who",))
    thread.start()
    thread.join()
    return [b"le"]


KEPT = {}


def do_keep(environ, start_response):
    """Keeps what belongs to this request only."""
    KEPT.update(start=start_response, write=start_response("200 OK", PLAIN), environ=environ)
    return [b"whole"]


def do_use_kept(environ, start_response):
    """What was kept is dead, whoever uses it, and does nothing to this request."""
    found = []
    uses = (
        lambda: KEPT["start"]("500 Evil", [("X-Injected", "yes")]),
        lambda: KEPT["write"](b"evil"),
        lambda: KEPT["environ"]["wsgi.input"].read(),
        lambda: KEPT["environ"]["wsgi.input"].readline(),
        lambda: list(KEPT["environ"]["wsgi.input"]),
    )
    for use in uses:
        try:
            use()
            found.append("fine")
        except Exception as error:  # noqa: BLE001 which one it is, is the answer
            found.append(type(error).__name__)
    start_response("200 OK", PLAIN)
    return [" ".join(found).encode()]


def do_write_text(environ, start_response):
    start_response("200 OK", PLAIN)("text")
    return [b"never"]


def do_write_none(environ, start_response):
    start_response("200 OK", PLAIN)(None)
    return [b"never"]


def do_write_caught(environ, start_response):
    """The error of write() is caught, and the application goes on as if nothing were wrong."""
    write = start_response("200 OK", PLAIN)
    for wrong in ("text", None, 5, bytearray(b"x")):
        try:
            write(wrong)
        except TypeError:
            write(b".")
    return [b"whole"]


# ---- environ and streams -------------------------------------------------------------------------


def whole(start_response):
    start_response("200 OK", PLAIN)
    return [b"whole"]


def do_environ_clear(environ, start_response):
    environ.clear()
    return whole(start_response)


def do_environ_junk(environ, start_response):
    for key in list(environ):
        environ[key] = object()
    environ[5] = environ
    return whole(start_response)


def do_close_input(environ, start_response):
    environ["wsgi.input"].close()
    with contextlib.suppress(OSError, ValueError, RuntimeError):
        environ["wsgi.input"].read()
    return whole(start_response)


def do_close_errors(environ, start_response):
    environ["wsgi.errors"].close()
    with contextlib.suppress(RuntimeError):
        environ["wsgi.errors"].write("said after close\n")
    return whole(start_response)


def do_close_streams(environ, start_response):
    """Of the whole process; those that come later print as before."""
    for stream in (sys.stdout, sys.stderr):
        stream.close()
    return whole(start_response)


def do_stderr_none(environ, start_response):
    kept, sys.stderr = sys.stderr, None
    try:
        raise ValueError("nowhere to go")
    finally:
        sys.stderr = kept


def do_detach_errors(environ, start_response):
    environ["wsgi.errors"].detach()
    return whole(start_response)


def do_say(environ, start_response):
    """A healthy request that logs."""
    environ["wsgi.errors"].write("said to wsgi.errors\n")
    sys.stderr.write("said to stderr\n")
    return whole(start_response)


def do_recursion(environ, start_response):
    return do_recursion(environ, start_response)


def do_deep_repr(environ, start_response):
    """An exception whose text is itself too deep."""
    nested = []
    for _ in range(100000):
        nested = [nested]
    raise ValueError(nested)


def do_chain(environ, start_response):
    """A chain of exceptions that leads back to its begin."""
    first, second = ValueError("first"), KeyError("second")
    first.__context__, second.__context__ = second, first
    raise first


def do_long_text(environ, start_response):
    raise ValueError("x" * 1000000)


def do_nested_call(environ, start_response):
    """Calls itself with the same environ and start_response: middleware may."""
    environ["PATH_INFO"] = "/return/sulky"
    return application(environ, start_response)


def do_hooks(environ, start_response):
    """A hook that fails while an exception is reported."""
    sys.excepthook = raiser(ValueError("in the hook"))
    try:
        raise ValueError("on purpose")
    finally:
        sys.excepthook = sys.__excepthook__


def do_threads_left(environ, start_response):
    """Threads that go on after the request, one of which raises."""
    threading.excepthook = lambda *_: None
    gate = os.path.join(SCRATCH, "threads-gate")
    for _ in range(5):
        threading.Thread(target=journal.pass_gate, args=(gate,), daemon=True).start()
    thread = threading.Thread(target=raiser(SystemExit("in a thread")))
    thread.start()
    thread.join()
    return whole(start_response)


def do_trace(environ, start_response):
    """A tracer that fails."""
    sys.settrace(raiser(ValueError("on purpose")))
    try:
        return whole(start_response)
    finally:
        sys.settrace(None)


def do_generator_ignores_exit(environ, start_response):
    """Goes on after close()."""
    start_response("200 OK", PLAIN)
    for number in range(3):
        try:
            yield b"x" * 70000
        except GeneratorExit:
            yield b"more"
        if number == 1:
            raise ValueError("on purpose")


def do_generator_close(environ, start_response):
    start_response("200 OK", PLAIN)
    try:
        yield b"whole"
    finally:
        raise ValueError("on purpose")


# ---- the process: only where it may die ----------------------------------------------------------


def do_exit(environ, start_response):
    os._exit(7)


def do_abort(environ, start_response):
    os.abort()


def do_kill(environ, start_response):
    os.kill(os.getpid(), 9)


def do_exit_late(environ, start_response):
    start_response("200 OK", PLAIN)
    yield b"x" * 70000
    os._exit(7)


def do_overflow(environ, start_response):
    """C's stack, by a parser that recurses, or by dereferencing nothing when Python is careful."""
    import ctypes
    sys.setrecursionlimit(10 ** 9)
    class Deep:
        def __getattr__(self, name):
            return getattr(self, name + "x")
    with contextlib.suppress(RecursionError, MemoryError):
        Deep().x  # noqa: B018
    ctypes.string_at(1)


def do_closerange(environ, start_response):
    os.closerange(3, 1024)
    return whole(start_response)


def do_close_each(environ, start_response):
    for number in range(1024, 2, -1):
        with contextlib.suppress(OSError):
            os.close(number)
    start_response("200 OK", PLAIN)
    return [b"x" * 100000]


def do_close_std(environ, start_response):
    for number in (0, 1, 2):
        os.close(number)
    return whole(start_response)


def do_dup2(environ, start_response):
    """Other files over all descriptors, those of the process's own connections among them."""
    null = os.open(os.devnull, os.O_RDWR)
    for number in range(64):
        if number != null:
            os.dup2(null, number)
    return whole(start_response)


def do_no_descriptors(environ, start_response):
    import resource
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, 0))
    return whole(start_response)


def do_signals(environ, start_response):
    """Every signal blocked in this thread, every handler changed that may be."""
    import signal
    signal.pthread_sigmask(signal.SIG_BLOCK, set(signal.Signals))
    for number in signal.Signals:
        with contextlib.suppress(OSError, ValueError):
            signal.signal(number, signal.SIG_IGN)
    return whole(start_response)


def do_settings(environ, start_response):
    """What belongs to the whole process."""
    import locale
    os.chdir("/")
    os.umask(0o777)
    os.environ.clear()
    sys.path.clear()
    try:
        locale.setlocale(locale.LC_ALL, "C")
    finally:
        sys.setswitchinterval(10)
    return whole(start_response)


def do_stop_self(environ, start_response):
    os.kill(os.getpid(), 15)
    return whole(start_response)


def do_thread_forever(environ, start_response):
    """A thread that never ends, and is waited for at the end of a process."""
    threading.Thread(target=threading.Event().wait).start()
    return whole(start_response)


def do_atexit(environ, start_response):
    import atexit
    atexit.register(raiser(ValueError("at the end")))
    atexit.register(os.kill, os.getpid(), 11)
    return whole(start_response)


def do_fine(environ, start_response):
    return whole(start_response)


def application(environ, start_response):
    name, *rest = environ["PATH_INFO"].strip("/").split("/")
    return globals()["do_" + name](environ, start_response, *rest)
