# SPDX-License-Identifier: Apache-2.0
"""The failure zoo: one function per path, each fails in another way. See zoo.py for what must come of it."""

import builtins
import contextlib
import ctypes
import faulthandler
import gc
import locale
import mmap
import os
import resource
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

SCRATCH = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "scratch")
BLOCK = b"x" * 70000
KEPT = []


class Base(BaseException):
    """No Exception."""


def answer(start_response, body=b"whole", headers=()):
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(body))), *headers])
    return [body]


def stream(start_response, last):
    """Two blocks, then `last` is called."""
    start_response("200 OK", [("Content-Type", "text/plain")])
    yield BLOCK
    yield BLOCK
    last()
    yield BLOCK


class Closing:
    """A whole body, and a close() that does something."""

    def __init__(self, body, act):
        self.body, self.act = body, act

    def __iter__(self):
        return iter(self.body)

    def close(self):
        self.act()


def throw(error):
    raise error


def crash():
    ctypes.string_at(0)


def kill():
    os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(30)  # it comes to another thread


# ---- ends of the process -----------------------------------------------------------------


def do_segfault(start_response):
    crash()


def do_segfault_quiet(start_response):
    faulthandler.disable()
    crash()


def do_segfault_own(start_response):
    """The application has enabled faulthandler itself."""
    faulthandler.enable(file=2)
    crash()


def do_segfault_thread(start_response):
    thread = threading.Thread(target=crash)
    thread.start()
    thread.join()


def do_bus(start_response):
    with tempfile.TemporaryFile() as file:
        file.truncate(4096)
        with mmap.mmap(file.fileno(), 4096) as memory:
            file.truncate(0)
            return answer(start_response, memory[:1])


def do_fpe(start_response):
    signal.raise_signal(signal.SIGFPE)


def do_ill(start_response):
    signal.raise_signal(signal.SIGILL)


def do_abort(start_response):
    os.abort()


def do_fatal(start_response):
    ctypes.pythonapi.Py_FatalError(b"on purpose")


def do_exit(start_response):
    os._exit(3)


def do_exit_zero(start_response):
    os._exit(0)


def do_exit_as_launch(start_response):
    """The status of a process that could not be executed."""
    os._exit(74)


def do_kill(start_response):
    kill()


def do_term(start_response):
    os.kill(os.getpid(), signal.SIGTERM)
    return answer(start_response)


def do_overflow(start_response):
    """The stack of the thread is used up in C."""
    class Deep:
        def __getattr__(self, name):
            return getattr(self, name)
    sys.setrecursionlimit(10**9)
    limit = sys.version_info >= (3, 12)
    return crash() if limit else Deep().name


def do_kill_stream(start_response):
    return stream(start_response, kill)


def do_exit_stream(start_response):
    return stream(start_response, lambda: os._exit(3))


def do_segfault_stream(start_response):
    return stream(start_response, crash)


# ---- exceptions --------------------------------------------------------------------------


def do_sys_exit(start_response):
    sys.exit(3)


def do_raise(start_response):
    raise ValueError("on purpose")


def do_raise_stream(start_response):
    return stream(start_response, lambda: throw(ValueError("on purpose")))


def do_raise_close(start_response):
    return Closing(answer(start_response), lambda: throw(ValueError("on purpose")))


def do_base(start_response):
    raise Base("on purpose")


def do_interrupt(start_response):
    raise KeyboardInterrupt("on purpose")


def do_generator_exit(start_response):
    raise GeneratorExit("on purpose")


def do_stop_iteration(start_response):
    raise StopIteration("on purpose")


def do_memory_error(start_response):
    return answer(start_response, b"x" * (1 << 60))


def do_recursion(start_response):
    return do_recursion(start_response)


def do_import_missing(start_response):
    import no_such_module_anywhere  # noqa: F401


# ---- responses ---------------------------------------------------------------------------


def do_huge_header(start_response):
    return answer(start_response, headers=[("X-Huge", "x" * 100_000)])


def do_bad_header(start_response):
    return answer(start_response, headers=[("X-Bad", "one\r\nX-Injected: two")])


def do_endless(start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return Closing(iter(lambda: BLOCK, None), lambda: KEPT.append("closed"))


def do_gigabyte(start_response):
    return answer(start_response, bytes(1 << 30))


# ---- what a process is made of -------------------------------------------------------------


def do_fork_twice(start_response):
    """The child comes back out of the application, too."""
    pid = os.fork()
    if pid:
        os.waitpid(pid, 0)
    return answer(start_response)


def do_fork_exec(start_response):
    subprocess.run(["/bin/sh", "-c", "exit 3"], check=False)
    pid = os.fork()
    if not pid:
        os.execv("/bin/sh", ["sh", "-c", "exit 3"])
    os.waitpid(pid, 0)
    return answer(start_response)


def do_fork_crash(start_response):
    pid = os.fork()
    if not pid:
        crash()
    os.waitpid(pid, 0)
    return answer(start_response)


def do_close_std(start_response):
    for number in (1, 2):
        os.close(number)
    return answer(start_response)


def do_close_all(start_response):
    os.closerange(0, 1024)
    return answer(start_response)


def do_close_listener(start_response):
    os.close(4)
    return answer(start_response)


def do_close_control(start_response):
    os.close(3)
    return answer(start_response)


def do_garbage_control(start_response):
    os.write(3, b"garbage" * 100)
    return answer(start_response)


def own_connection():
    """The descriptor that this request came through: a connected stream that has no name of its own."""
    for name in os.listdir("/proc/self/fd"):
        with contextlib.suppress(OSError), socket.socket(fileno=os.dup(int(name))) as copy:
            if copy.family == socket.AF_UNIX and copy.type == socket.SOCK_STREAM and int(name) > 4:
                copy.getpeername()
                return int(name)
    raise LookupError("no connection")


def do_garbage_connection(start_response):
    os.write(own_connection(), b"garbage" * 100)
    return answer(start_response)


def do_close_connection(start_response):
    socket.socket(fileno=os.dup(own_connection())).shutdown(socket.SHUT_RDWR)
    return answer(start_response)


def do_directory(start_response):
    """The working directory is removed."""
    os.chdir(tempfile.mkdtemp(dir=SCRATCH))
    os.rmdir(os.getcwd())
    return answer(start_response)


def do_settings(start_response):
    os.umask(0o777)
    locale.setlocale(locale.LC_ALL, "C")
    os.environ.clear()
    sys.path.clear()
    return answer(start_response)


def do_block_signals(start_response):
    signal.pthread_sigmask(signal.SIG_BLOCK, set(range(1, 64)))
    return answer(start_response)


def do_limits(start_response):
    for name, limit in ((resource.RLIMIT_CORE, 0), (resource.RLIMIT_NOFILE, 32), (resource.RLIMIT_FSIZE, 4096)):
        resource.setrlimit(name, (limit, limit))
    return answer(start_response)


def do_descriptors(start_response):
    """None is left."""
    resource.setrlimit(resource.RLIMIT_NOFILE, (256, 256))
    with contextlib.suppress(OSError):
        while True:
            KEPT.append(open("/dev/null"))
    return answer(start_response)


def do_threads(start_response):
    """Ten thousand, at most a few hundred at a time."""
    old = threading.stack_size(65536)
    for _ in range(40):
        threads = [threading.Thread(target=time.sleep, args=(0.001,)) for _ in range(250)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    threading.stack_size(old)
    return answer(start_response)


def do_thread_left(start_response):
    threading.Thread(target=time.sleep, args=(3600,), daemon=True).start()
    return answer(start_response)


def do_kill_parent(start_response):
    try:
        os.kill(os.getppid(), signal.SIGTERM)
    except PermissionError:
        return answer(start_response, b"refused")
    return answer(start_response)


# ---- what Python is made of ----------------------------------------------------------------


def do_modules(start_response):
    """All are forgotten but this script."""
    for name in set(sys.modules) - {__name__, "sys", "builtins"}:
        del sys.modules[name]
    return answer(start_response)


def do_builtins(start_response):
    for name in ("open", "print", "isinstance", "getattr", "__import__"):
        setattr(builtins, name, None)
    return answer(start_response)


def do_gc_off(start_response):
    gc.disable()
    return answer(start_response)


def do_streams(start_response):
    sys.stdout = sys.stderr = sys.stdin = None
    return answer(start_response)


def do_leak(start_response):
    KEPT.append(bytearray(10 << 20))
    return answer(start_response)


# ---- what takes long -----------------------------------------------------------------------


def do_sleep(start_response):
    time.sleep(5)
    return answer(start_response)


def do_nap(start_response):
    time.sleep(1)
    return answer(start_response)


def do_sleep_in_c(start_response):
    """The GIL is held."""
    ctypes.PyDLL(None).sleep(4)
    return answer(start_response)


def do_stuck_import(start_response):
    """A module whose import waits for another thread's import of it."""
    folder = tempfile.mkdtemp(dir=SCRATCH)
    with open(os.path.join(folder, "stuck_module.py"), "w") as out:
        out.write(
            "import threading\n"
            "t = threading.Thread(target=__import__, args=('stuck_module',), daemon=True)\n"
            "t.start()\n"
            "t.join()\n"
        )
    sys.path.insert(0, folder)
    import stuck_module  # noqa: F401
    return answer(start_response)


def do_fine(start_response):
    return answer(start_response, b"fine")


def application(environ, start_response):
    return globals()["do_" + environ["PATH_INFO"].strip("/")](start_response)
