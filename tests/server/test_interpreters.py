# SPDX-License-Identifier: Apache-2.0
"""Application groups: each runs in an interpreter of its own, whatever thread serves it."""

from __future__ import annotations

import random

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from harness import Layout, Server

GROUPS = ("%{GLOBAL}", "one", "two", "three", "four")


VALIDATED = True


def configure(layout: Layout) -> str:
    """The same script in the main interpreter and in four others of the same process."""
    aliases = "\n".join(
        f"WSGIScriptAlias /{number} {layout.apps}/interpreter.wsgi application-group={group}"
        for number, group in enumerate(GROUPS)
    )
    return layout.delegate(options="threads=6") + aliases


def ask(site: Server, number: int) -> dict[str, Any]:
    """What the interpreter of a group says about itself."""
    found: dict[str, Any] = site.get(f"/{number}").json()
    group = "" if number == 0 else GROUPS[number]
    assert (found["wanted"], found["loaded_in"], found["running_in"]) == (group, group, group)
    return found


@pytest.mark.core
@pytest.mark.ours("D501: 6.1.1 runs %{GLOBAL} in the interpreter that a thread met first (Python 3.11)")
def test_groups_never_mix(site: Server) -> None:
    """All orders in which a thread can meet the interpreters, from many clients at once."""
    numbers = list(range(len(GROUPS))) * 40
    random.Random(7).shuffle(numbers)
    with ThreadPoolExecutor(6) as pool:
        found = list(pool.map(lambda number: (number, ask(site, number)), numbers))
    by_process: dict[tuple[int, int], set[str]] = {}
    for number, facts in found:
        by_process.setdefault((facts["pid"], number), set()).add(facts["mark"])
    assert all(len(marks) == 1 for marks in by_process.values()), "one interpreter for each group"
    for pid in {pid for pid, _ in by_process}:
        marks = [next(iter(by_process[key])) for key in by_process if key[0] == pid]
        assert len(marks) == len(set(marks)), "no two groups share an interpreter"


@pytest.mark.ours("D501: 6.1.1 runs %{GLOBAL} in the interpreter that a thread met first (Python 3.11)")
@pytest.mark.parametrize("order", [(0, 1), (1, 0), (1, 2, 0, 2, 1), (0, 1, 0, 2, 0)])
def test_order_in_which_one_thread_meets_them(new_server: Any, order: tuple[int, ...]) -> None:
    """One worker thread: what it met first must not decide where the next request runs."""
    server = new_server(lambda layout: configure(layout).replace("threads=6", "threads=1"), mode="daemon").start()
    for number in order * 2:
        ask(server, number)


def test_thread_state_survives_requests(new_server: Any) -> None:
    """threading.local of a worker is the same in the next request."""
    server = new_server(lambda layout: configure(layout).replace("threads=6", "threads=1"), mode="daemon").start()
    for number in (0, 1):
        assert [ask(server, number)["seen_by_thread"] for _ in range(3)] == [1, 2, 3]


# ---- what is set per interpreter -----------------------------------------------------------

LOOK = """
import json, os, signal, sys, time


def read(stream):
    try:
        return stream.writable()
    except OSError as problem:
        return str(problem)


def is_intercepted():
    try:
        return signal.signal(signal.SIGUSR2, read) is read
    except ValueError:  # the real one: only in the main thread
        return False


def application(environ, start_response):
    found = {
        "stdin": read(sys.stdin), "stdout": read(sys.stdout), "path": sys.path,
        "signal": is_intercepted(), "interval": sys.getswitchinterval(),
        "settings": os.environ.setdefault("DJANGO_SETTINGS_MODULE", environ["SCRIPT_NAME"][1:] + ".settings"),
        "eggs": os.environ.get("PYTHON_EGG_CACHE"), "timezone": time.tzname[0],
    }
    if environ["QUERY_STRING"]:
        os.environ["TZ"] = environ["QUERY_STRING"]
        time.tzset()
    start_response("200 OK", [("Content-Type", "application/json")])
    return [json.dumps(found).encode()]
"""


def configure_sections(layout: Layout) -> str:
    """Sections of all kinds; `process-group=%{GLOBAL}` is embedded."""
    script = layout.write_app("look.wsgi", LOOK)
    for name in ("any", "process", "one", "other"):
        (layout.apps / name).mkdir(mode=0o755)
    process = "app" if layout.mode == "daemon" else "%{GLOBAL}"
    return f"""
{layout.delegate(options="threads=4 python-eggs=/var/eggs")}
WSGIPythonEggs /var/eggs
WSGIRestrictStdin On
<WSGIInterpreterOptions>
    WSGIPythonPath {layout.apps}/any
</WSGIInterpreterOptions>
<WSGIInterpreterOptions process-group={process} application-group=one>
    WSGIRestrictStdout On
    WSGIRestrictSignal Off
    WSGIPythonPath {layout.apps}/one
</WSGIInterpreterOptions>
<WSGIInterpreterOptions process-group={process}>
    WSGIPythonPath {layout.apps}/process
    WSGISwitchInterval 0.02
    WSGIRestrictStdin Off
</WSGIInterpreterOptions>
<WSGIInterpreterOptions process-group=no-such-group>
    WSGIRestrictStdin On
    WSGIPythonPath {layout.apps}/other
</WSGIInterpreterOptions>
WSGIScriptAlias /main {script} application-group=%{{GLOBAL}}
WSGIScriptAlias /one {script} application-group=one
WSGIScriptAlias /two {script} application-group=two
"""


@pytest.mark.parametrize("mode", ["embedded", "daemon"])
def test_sections(new_server: Any, mode: str) -> None:
    """Each directive is decided by the most specific section; paths of all that match count."""
    server = new_server(configure_sections, mode=mode).start()
    found = {name: server.get(f"/{name}").json() for name in ("main", "two", "one")}
    apps = server.layout.apps
    base = [f"{apps}/process", f"{apps}/any"]
    assert found["main"]["path"][:2] == base
    assert found["two"]["path"][:2] == base
    assert found["one"]["path"][:3] == [f"{apps}/one", *base]
    assert f"{apps}/other" not in found["one"]["path"]
    assert [found[name]["stdin"] for name in ("main", "two", "one")] == [False] * 3
    assert found["two"]["stdout"] is True
    assert found["one"]["stdout"].startswith("sys.stdout access restricted by mod_wsgi")
    assert [found[name]["signal"] for name in ("main", "two", "one")] == [True, True, False]
    assert {found[name]["interval"] for name in found} == {0.02}
    assert {found[name]["eggs"] for name in found} == {"/var/eggs"}


@pytest.mark.ours("D505: in 6.1.1 the second interpreter inherits what the first has put into os.environ")
@pytest.mark.parametrize("mode", ["embedded", "daemon"])
def test_settings_of_sites_stay_apart(new_server: Any, mode: str) -> None:
    """S6: os.environ.setdefault() in application groups of one process."""
    server = new_server(configure_sections, mode=mode, mpm="prefork" if mode == "embedded" else "event").start()
    for name in ("main", "one", "two", "one", "main"):
        assert server.get(f"/{name}").json()["settings"] == f"{name}.settings"


def test_time_zone_of_one_group(new_server: Any) -> None:
    """S6: TZ set in one daemon group leaves the other alone."""

    def configure(layout: Layout) -> str:
        script = layout.write_app("look.wsgi", LOOK)
        return "".join(
            f"WSGIDaemonProcess {name} threads=1\n"
            f"WSGIScriptAlias /{name} {script} process-group={name} application-group=%{{GLOBAL}}\n"
            for name in ("a", "b")
        )

    server = new_server(configure).start()
    before = server.get("/b").json()["timezone"]
    server.get("/a?Asia/Tokyo")
    assert server.get("/a").json()["timezone"] == "JST"
    assert server.get("/b").json()["timezone"] == before


@pytest.mark.ours("D512: 6.1.1 says so when it reads the directive, and skips switch intervals, too")
def test_what_this_python_cannot_do(new_server: Any) -> None:
    """One line each, when the process starts; all else takes effect."""

    def configure(layout: Layout) -> str:
        return configure_sections(layout) + "WSGIFreeThreading On\nWSGIRestrictEmbedded On\n"

    server = new_server(configure, mode="daemon").start()
    assert server.get("/one").json()["interval"] == 0.02
    server.expect("WSGI0200: WSGIFreeThreading On has no effect")


# ---- children of an application ------------------------------------------------------------

CHILDREN = """
import json, multiprocessing, os, signal, subprocess, sys

SHOW = '''
import json, os, signal
names = [n for n in ("SIGTERM", "SIGINT", "SIGHUP", "SIGUSR1", "SIGUSR2", "SIGCHLD", "SIGALRM")
         if signal.getsignal(getattr(signal, n)) not in (signal.SIG_DFL, signal.default_int_handler)]
fds = {}
for fd in os.listdir("/proc/self/fd"):
    try:
        fds[fd] = os.readlink("/proc/self/fd/" + fd)
    except OSError:
        pass
print(json.dumps([names, fds]))
'''


def run():
    return subprocess.run([sys.executable, "-c", SHOW], stdout=subprocess.PIPE, check=True).stdout


def inherit():
    return subprocess.run([sys.executable, "-c", SHOW], stdout=subprocess.PIPE, check=True, close_fds=False).stdout


def fork():
    out, into = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.dup2(into, 1)
        os.execv(sys.executable, [sys.executable, "-c", SHOW])
    os.close(into)
    with os.fdopen(out, "rb") as stream:
        text = stream.read()
    assert os.waitpid(pid, 0)[1] == 0
    return text


def spawn():
    context = multiprocessing.get_context("spawn")
    with context.Pool(1) as pool:
        return json.dumps([[], {"sum": pool.apply(sum, ([1, 2],))}]).encode()


def application(environ, start_response):
    body = globals()[environ["QUERY_STRING"]]()
    start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
    return [body]
"""


def configure_children(layout: Layout) -> str:
    """The same in the main interpreter and in another."""
    script = layout.write_app("children.wsgi", CHILDREN)
    return (
        layout.delegate(options="threads=2")
        + f"WSGIScriptAlias /main {script} application-group=%{{GLOBAL}}\nWSGIScriptAlias /sub {script} application-group=sub\n"
    )


@pytest.mark.ours("D504: in 6.1.1 a process forked in a sub-interpreter aborts")
@pytest.mark.parametrize("mode", ["embedded", "daemon"])
@pytest.mark.parametrize("group", ["main", "sub"])
@pytest.mark.parametrize("how", ["run", "inherit", "fork", "spawn"])
def test_children(new_server: Any, mode: str, group: str, how: str) -> None:
    """R4: processes that an application starts; no listener, no daemon socket, default handlers."""
    server = new_server(configure_children, mode=mode).start()
    reply = server.get(f"/{group}?{how}")
    if (group, how) == ("sub", "fork"):
        assert reply.status == 500
        server.expect("WSGI1022: Python does not do this in sub-interpreter 'sub': run the application in the main")
        server.log().expect_traceback("RuntimeError: fork not supported for subinterpreters")
        server.expect_code(174, "RuntimeError", besides=(1022,))
        return
    assert reply.status == 200, server.log().tail()
    handled, descriptors = reply.json()
    assert handled == []
    if how == "spawn":
        assert descriptors == {"sum": 3}
        return
    held = {number: target for number, target in descriptors.items() if target.startswith(("socket:", "anon_inode:"))}
    assert not held, f"{descriptors}"
    assert not [target for target in descriptors.values() if "memfd" in target], f"{descriptors}"
