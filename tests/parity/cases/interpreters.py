# SPDX-License-Identifier: Apache-2.0
"""Section 7: interpreters, their modules and paths, scripts as modules, finding and reloading."""

from __future__ import annotations

import re

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from harness import Server, application_venv, wait_until
from harness.log import parse

from parity.model import BOTH, DAEMON, EMBEDDED, Act, Ask, Case, Site, Step
from parity.tables import app, journal, pair, put, remove, routes, touch

FACTS = app("facts.wsgi")

# ---- scripts made here ----------------------------------------------------------------------

COUNTER = '''# SPDX-License-Identifier: Apache-2.0
"""Counts what it has served: VERSION is changed by the tests."""

import os
import sys

SERVED = 0
PART = sys.modules.setdefault("parity_part", type(sys)("parity_part"))


def application(environ, start_response):
    global SERVED
    SERVED += 1
    PART.__dict__[__file__] = PART.__dict__.get(__file__, 0) + 1
    same = PART.__dict__.get("pid") == os.getpid()
    PART.pid = os.getpid()
    body = f"version VERSION, module {SERVED}, process {PART.__dict__[__file__]}, same process {same}".encode()
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
    return [body]


EXTRA
'''


def counter(version: int, extra: str = "") -> str:
    """A version of the counting script."""
    return COUNTER.replace("VERSION,", f"{version},").replace("EXTRA\n", extra)


ACCESS = '''# SPDX-License-Identifier: Apache-2.0
"""Lets nobody in or everybody."""

ASKED = []


def reload_required(path):
    raise AssertionError("nobody asks a script that decides")


def allow_access(environ, host):
    return ALLOWED
'''

DISPATCH = '''# SPDX-License-Identifier: Apache-2.0
"""Sends requests to one group or another."""


def application_group(environ):
    return "GROUP"
'''

IMPORTED = '''# SPDX-License-Identifier: Apache-2.0
"""Notes where it was loaded."""

import os

import mod_wsgi

with open(os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "scratch", "JOURNAL"), "a") as stream:
    stream.write(f"{os.path.basename(__file__)} in {mod_wsgi.process_group!r} {mod_wsgi.application_group!r}\\n")


def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"loaded"]
'''

FINDING = '''# SPDX-License-Identifier: Apache-2.0
"""Objects that can be called, and some that cannot."""

import functools


def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain"), ("X-Called", "application")])
    return [b"application"]


def named(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"named"]


class Class:
    def __init__(self, environ, start_response):
        start_response("200 OK", [("Content-Type", "text/plain")])

    def __iter__(self):
        return iter([b"a class"])


class Instance:
    def __call__(self, environ, start_response):
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [b"an instance"]

    def method(self, environ, start_response):
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [b"a method"]


instance = Instance()
method = instance.method
partial = functools.partial(named)
bound = lambda environ, start_response: named(environ, start_response)  # noqa: E731
text = "text"
number = 5
nothing = None
module = functools
few = lambda environ: []  # noqa: E731


def generator(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    yield b"a generator"


def rebinding(environ, start_response):
    globals()["rebinding"] = named
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"the first"]


def __getattr__(name):
    return named
'''

LOADING = {
    "latin.wsgi": b"# -*- coding: latin-1 -*-\nTEXT = '\xe9'\n",
}

TAIL = """

def application(environ, start_response):
    body = repr(TEXT).encode()
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
    return [body]
"""


def location(path: str, *lines: str) -> str:
    """A <Location>."""
    return "\n".join((f"<Location {path}>", *lines, "</Location>", ""))


# 6.1.1 on Python 3.11 does not keep the main interpreter apart from the others of a process (D501), so
# that a process has either the one or the others.
MAIN = """
WSGIScriptAlias /main @ROOT@/w/facts.wsgi application-group=%{GLOBAL}
"""

GROUPS = """
WSGIScriptAlias /sub @ROOT@/w/facts.wsgi application-group=sub
WSGIScriptAlias /other @ROOT@/w/facts.wsgi application-group=other
WSGIScriptAlias /again @ROOT@/w/facts.wsgi application-group=sub
"""

NAMES = (
    *("application", "named", "Class", "instance", "method", "partial", "bound", "generator", "rebinding"),
    *("text", "number", "nothing", "module", "few", "missing", "instance.method", "__name__", "dict", "APPLICATION"),
)

SOURCES = {
    "utf8": "TEXT = 'caf\u00e9'",
    "cookie": "# -*- coding: utf-8 -*-\nTEXT = 'caf\u00e9'",
    "crlf": "TEXT = 'one'\r\n",
    "tabs": "if True:\n\tTEXT = 'tabs'",
    "marked": "\ufeffTEXT = 'byte order mark'",
    "badcookie": "# -*- coding: no-such-codec -*-\nTEXT = ''",
    "syntax": "TEXT = (",
    "raises": "raise RuntimeError('while it is loaded')",
    "imports": "import no_such_module_anywhere",
    "exits": "import sys\nsys.exit(3)",
    "interrupts": "raise KeyboardInterrupt",
    "null": "TEXT = '\\0'",
    "future": "from __future__ import annotations\nTEXT = application_annotation = 'future'",
    "empty": "",
    "docstring": "'''only this'''\nTEXT = __doc__",
    "main": "TEXT = __name__ == '__main__'",
    "import-sibling": "import facts\nTEXT = ''",
}

SECTIONS = """
<WSGIInterpreterOptions>
    WSGIPythonPath @ROOT@/p/every
</WSGIInterpreterOptions>
<WSGIInterpreterOptions application-group=sub>
    WSGIPythonPath @ROOT@/p/sub
</WSGIInterpreterOptions>
<WSGIInterpreterOptions process-group=@WHERE@>
    WSGIPythonPath @ROOT@/p/here
</WSGIInterpreterOptions>
<WSGIInterpreterOptions process-group=@WHERE@ application-group=sub>
    WSGIPythonPath @ROOT@/p/both
</WSGIInterpreterOptions>
"""

PATH_FILES = {
    "w/facts.wsgi": FACTS,
    "p/one/one.pth": "@ROOT@/p/added\nimport parity_one\n# a comment\n\n@ROOT@/p/not-there\n",
    "p/one/parity_one.py": "",
    "p/added/parity_added.py": "",
    "p/two/two.pth": "import parity_two\n../relative\n",
    "p/two/parity_two.py": "",
    "p/two/broken.pth": "import no_such_module_anywhere\n",
    "p/relative/": "",
    "p/home/": "",
    **{f"p/{name}/": "" for name in ("every", "sub", "here", "both")},
    "p/file.txt": "no directory",
}

PATHS = "@ROOT@/p/one:@ROOT@/p/two:@ROOT@/p/one:@ROOT@/p/one/"
STRANGE = "@ROOT@/p/missing:@ROOT@/p/file.txt::@ROOT@/p/one"


def apart(name: str, lines: str, **more: Any) -> tuple[Site, Site]:
    """Two sites of the same configuration: for the main interpreter and for named groups."""
    more.setdefault("files", {"w/facts.wsgi": FACTS})
    return Site(f"{name}-main", lines + MAIN, **more), Site(name, lines + GROUPS, **more)


def daemon(options: str) -> str:
    """One group for everything."""
    return f"WSGIDaemonProcess app threads=1 {options}\nWSGIProcessGroup app\n"


SITES = (
    *apart("interpreters", "@DELEGATE@\nWSGIScriptAlias /unset @ROOT@/w/facts.wsgi\n"),
    *apart(
        "environment",
        "@DELEGATE@\n",
        environment={
            "PYTHONMALLOC": "malloc",
            "PYTHONWARNINGS": "ignore::UserWarning",
            "PYTHONPATH": "/parity/from/environment",
        },
    ),
    *apart(
        "settings",
        "WSGIPythonWarnings error::ResourceWarning\nWSGIPythonWarnings ignore::FutureWarning\nWSGIPythonOptimize 2\n"
        "WSGIDontWriteBytecode On\nWSGIPythonHashSeed 42\nWSGISwitchInterval 0.25\nWSGIPythonEggs @SCRATCH@\n"
        "WSGIRestrictStdin On\nWSGIRestrictStdout On\nWSGIRestrictSignal Off\n@DELEGATE@\n",
    ),
    *apart("gil", "WSGIPerInterpreterGIL On\n@DELEGATE@\n"),
    *apart("free", "WSGIFreeThreading On\n@DELEGATE@\n"),
    *apart(
        "process",
        daemon("home=@ROOT@/p/home lang=C.UTF-8 locale=C.UTF-8 python-eggs=@SCRATCH@ switch-interval=0.25"),
        modes=DAEMON,
        files=PATH_FILES,
    ),
    *apart("one-thread", daemon(""), modes=DAEMON),
    *apart(
        "paths-embedded",
        f"WSGIPythonPath {PATHS}\n" + SECTIONS.replace("@WHERE@", "%{GLOBAL}"),
        modes=EMBEDDED,
        files=PATH_FILES,
    ),
    *apart(
        "paths-daemon",
        "WSGIPythonPath @ROOT@/p/not-for-daemons\n"
        + daemon(f"home=@ROOT@/p/home python-path={PATHS}")
        + SECTIONS.replace("@WHERE@", "app"),
        modes=DAEMON,
        files=PATH_FILES,
    ),
    *apart("strange-paths-embedded", f"WSGIPythonPath {STRANGE}\n", modes=EMBEDDED, files=PATH_FILES),
    *apart("strange-paths-daemon", daemon(f"python-path={STRANGE}"), modes=DAEMON, files=PATH_FILES),
    Site(
        "finding",
        "@DELEGATE@\nWSGIApplicationGroup %{GLOBAL}\nWSGIScriptAlias /default @ROOT@/w/finding.wsgi\n"
        + "".join(
            f"WSGIScriptAlias /by-alias-{name} @ROOT@/w/finding.wsgi callable-object={name}\n"
            f"WSGIScriptAlias /by-directive-{name} @ROOT@/w/finding.wsgi\n"
            + location(f"/by-directive-{name}", f"WSGICallableObject {name}")
            for name in NAMES
        )
        + "".join(
            f"WSGIScriptAlias /by-value-{number} @ROOT@/w/finding.wsgi\n"
            + location(
                f"/by-value-{number}", "SetEnv WHICH named", "SetEnv TOKEN %{GLOBAL}", f"WSGICallableObject {value}"
            )
            for number, value in enumerate(
                ("%{ENV:WHICH}", "%{ENV:NOBODY}", "%{GLOBAL}", "%{SERVER}", "%{ENV:TOKEN}", "x%{ENV:WHICH}")
            )
        )
        + "WSGIScriptAlias /alias-value @ROOT@/w/finding.wsgi callable-object=%{ENV:WHICH}\n",
        files={"w/finding.wsgi": FINDING},
    ),
    Site(
        "loading",
        "@DELEGATE@\nWSGIApplicationGroup %{GLOBAL}\nWSGIScriptAlias /s @ROOT@/w\n",
        files={"w/facts.wsgi": FACTS, **{f"w/{name}.wsgi": source + TAIL for name, source in SOURCES.items()}},
    ),
    Site(
        "reloading",
        "@DELEGATE@\nWSGIApplicationGroup %{GLOBAL}\nWSGIScriptAlias /s @ROOT@/w\nWSGIScriptAlias /o @ROOT@/o\n"
        "WSGIHandlerScript handles @ROOT@/w/handles.wsgi\nAddHandler handles .handled\n"
        + location("/o", "WSGIScriptReloading Off")
        + location("/s/access.wsgi", "WSGIAccessScript @ROOT@/w/access.py")
        + location("/o/access.wsgi", "WSGIAccessScript @ROOT@/w/access-off.py")
        + location("/s/dispatch.wsgi", "WSGIDispatchScript @ROOT@/w/dispatch.py"),
        files={
            **{
                f"{where}/{name}.wsgi": counter(1)
                for where in ("w", "o")
                for name in ("newer", "older", "gone", "same", "access", "dispatch", "broken", "off", "second")
            },
            "w/no-mtime.wsgi": counter(
                1, "\n\ndef reload_required(path):\n    globals().pop('__mtime__')\n    return False\n"
            ),
            "w/text-mtime.wsgi": counter(
                1, "\n\ndef reload_required(path):\n    globals()['__mtime__'] = 'text'\n    return False\n"
            ),
            "w/float-mtime.wsgi": counter(
                1, "\n\ndef reload_required(path):\n    globals()['__mtime__'] = float(__mtime__)\n    return False\n"
            ),
            "w/zero-mtime.wsgi": counter(
                1, "\n\ndef reload_required(path):\n    globals()['__mtime__'] = 0\n    return False\n"
            ),
            **{
                f"w/required-{name}.wsgi": counter(1, f"\n\ndef reload_required(path):\n    {body}\n")
                for name, body in (
                    ("true", "return True"),
                    ("one", "return 1"),
                    ("text", "return path"),
                    ("false", "return False"),
                    ("none", "return None"),
                    ("raises", "raise ValueError('not told')"),
                    ("exits", "raise SystemExit"),
                    ("second", "return SERVED == 2"),
                )
            },
            "w/required-arity.wsgi": counter(1, "\n\ndef reload_required():\n    return True\n"),
            "w/required-value.wsgi": counter(1, "\n\nreload_required = True\n"),
            "w/handles.wsgi": counter(1).replace("def application", "def handle_request"),
            "htdocs/file.handled": "",
            "w/access.py": ACCESS.replace("ALLOWED", "False"),
            "w/access-off.py": ACCESS.replace("ALLOWED", "False"),
            "w/dispatch.py": DISPATCH.replace("GROUP", "first"),
        },
    ),
    Site(
        "preloads",
        """
WSGIDaemonProcess one threads=1
WSGIDaemonProcess two processes=2 threads=1
WSGIImportScript @ROOT@/w/imported.wsgi process-group=one application-group=%{GLOBAL}
WSGIImportScript @ROOT@/w/imported.wsgi process-group=one application-group=sub
WSGIImportScript @ROOT@/w/second.wsgi process-group=one application-group=sub
WSGIImportScript @ROOT@/w/imported.wsgi process-group=%{GLOBAL} application-group=%{GLOBAL}
WSGIImportScript @ROOT@/w/imported.wsgi process-group=%{GLOBAL} application-group=in-child
WSGIImportScript @ROOT@/w/raises.wsgi process-group=one application-group=%{GLOBAL}
WSGIImportScript @ROOT@/w/missing.wsgi process-group=one application-group=%{GLOBAL}
WSGIImportScript @ROOT@/w/third.wsgi process-group=one application-group=%{GLOBAL}
WSGIScriptAlias /both @ROOT@/w/both.wsgi process-group=one application-group=of-alias
WSGIScriptAlias /many @ROOT@/w/many.wsgi process-group=two application-group=%{GLOBAL}
WSGIScriptAlias /half @ROOT@/w/half.wsgi process-group=one
WSGIScriptAliasMatch ^/fixed @ROOT@/w/fixed.wsgi process-group=one application-group=of-match
WSGIScriptAliasMatch ^/part/(.*) @ROOT@/w/$1.wsgi process-group=one application-group=of-match
WSGIScriptAlias /token @ROOT@/w/token.wsgi process-group=one application-group=%{SERVER}
WSGIScriptAlias /embedded @ROOT@/w/embedded.wsgi process-group=%{GLOBAL} application-group=of-child
""",
        modes=DAEMON,
        files={
            **{
                f"w/{name}.wsgi": IMPORTED.replace("JOURNAL", "journal")
                for name in (
                    "imported",
                    "second",
                    "third",
                    "both",
                    "many",
                    "half",
                    "fixed",
                    "part",
                    "token",
                    "embedded",
                )
            },
            "w/raises.wsgi": 'raise RuntimeError("while it is imported")\n',
        },
    ),
    Site(
        "lifecycle",
        "@DELEGATE@\n" + GROUPS + "WSGIScriptAlias /counter @ROOT@/w/counter.wsgi application-group=sub\n",
        level="warn wsgi:info",
        files={"w/facts.wsgi": FACTS, "w/counter.wsgi": counter(1)},
    ),
    Site(
        "bad-home",
        "WSGIDaemonProcess missing threads=1 python-home=@ROOT@/none\n"
        "WSGIDaemonProcess file threads=1 python-home=@ROOT@/w/facts.wsgi\nWSGIDaemonProcess none threads=1\n"
        + "".join(
            f"WSGIScriptAlias /{name} @ROOT@/w/facts.wsgi process-group={name} application-group=%{{GLOBAL}}\n"
            for name in ("missing", "file", "none")
        ),
        modes=DAEMON,
        files={"w/facts.wsgi": FACTS},
    ),
    Site(
        "homes",
        "WSGIDaemonProcess in-venv threads=1 python-home=@VENV@\nWSGIDaemonProcess prefix threads=1 python-home=/usr\n"
        "WSGIDaemonProcess none threads=1\n".replace("@VENV@", str(application_venv()))
        + "".join(
            f"WSGIScriptAlias /{name} @ROOT@/w/facts.wsgi process-group={name} application-group=%{{GLOBAL}}\n"
            for name in ("in-venv", "prefix", "none")
        ),
        modes=DAEMON,
        files={"w/facts.wsgi": FACTS},
    ),
)


# ---- cases ----------------------------------------------------------------------------------


def fact(
    name: str,
    rows: str,
    site: str,
    path: str,
    *shows: str,
    modes: tuple[str, ...] = BOTH,
    accepted: dict[str, str] | None = None,
) -> Case:
    """What facts.wsgi tells: the last word of the id is the name of its function."""
    what = name.rsplit(" ", 1)[1]
    if path == "/main" and site != "homes":
        site += "-main"
    ask = Ask(f"{path}?ask={what}")
    return Case(f"{name} {path}", tuple(rows.split()), site, ask, shows=shows, modes=modes, accepted=accepted or {})


def calls(target: str, *between: Step) -> tuple[Step, ...]:
    """Two requests, the steps, two requests."""
    return (Ask(target), Ask(target), *between, Ask(target), Ask(target))


def reload(
    name: str,
    rows: str,
    target: str,
    step: Act,
    daemon: str,
    embedded: str,
    codes: tuple[int, ...] = (),
    status: int = 200,
    differs: Iterable[str] = (),
) -> tuple[Case, ...]:
    """A change of a script, in both modes; parts of the daemon's answers that differ, by D725."""
    return tuple(
        Case(
            f"7.6 {name}, {mode}",
            (*rows.split(), f"7.6-{mode}"),
            "reloading",
            calls(target, step),
            status,
            codes,
            (shown,) if shown else (),
            (mode,),
            accepted=dict.fromkeys(differs if mode == "daemon" else (), "D725"),
        )
        for mode, shown in (("daemon", daemon), ("embedded", embedded))
    )


def steady(
    name: str, rows: str, target: str, *codes: int, shows: str = "module 4, process 4, same process True"
) -> Case:
    """No reload over four requests."""
    return Case(f"7.6 {name}", tuple(rows.split()), "reloading", calls(target), codes=codes, shows=(shows,))


def since_start(code: int) -> Act:
    """A step that waits for a numbered line, also one from before the case, and gives its level."""

    def act(server: Server) -> Any:
        path = server.layout.logs / "error.log"

        def found() -> list[str]:
            return [line for line in path.read_text().splitlines() if f"WSGI{code:04d}:" in line]

        wait_until(lambda: bool(found()), f"WSGI{code:04d} is in the log")
        return sorted({parse(line).level for line in found()})

    return act


def said_at_info(server: Server) -> Any:
    """Whether there are lines at level info about what happened; the words are each one's own."""
    lines = [
        line.message
        for log in server.all_logs()
        for line in log.lines()
        if line.module == "wsgi" and line.level == "info"
    ]
    return {
        "names the script": any("counter.wsgi" in line for line in lines),
        "names the interpreter": any(re.search(r"\bsub\b", line) for line in lines),
    }


OLD, NEW = 1_000_000_000, 2_000_000_000

CASES: tuple[Case, ...] = (
    # ---- 7.1 to 7.4: facts
    *(
        fact(f"7 {name}", rows, "interpreters", path)
        for path in ("/main", "/sub")
        for name, rows in (
            ("module", "7.4-name 7.4-attributes 7.4-no-bytecode"),
            ("path", "7.2-order"),
            ("signals", "7.3-signal"),
            ("streams", "7.3-streams"),
            ("marked", "7.2-pth"),
            ("loaded", "7.4-twice"),
            ("process", "7.3-os-environ"),
        )
    ),
    *(
        fact(
            "7 interpreter",
            "7.3-argv 7.3-main-module 7.3-flags 7.3-threading 7.1-main-at-start 7.1-sub-legacy",
            "interpreters",
            path,
            '"argv": ["mod_wsgi"]',
        )
        for path in ("/main", "/sub", "/unset")
    ),
    fact("7 executable", "7.1-main-at-start", "interpreters", "/main", accepted={"body": "D509"}),
    fact("7 embedded maximum", "7.1-main-at-start", "interpreters", "/main", modes=EMBEDDED, accepted={"body": "D606"}),
    fact("7 daemon maximum", "7.1-main-at-start", "interpreters", "/main", modes=DAEMON),
    Case(
        "7.4 twice",
        ("7.4-twice",),
        "interpreters",
        (Ask("/sub?ask=count"), Ask("/other?ask=count"), Ask("/again?ask=count"), Ask("/unset?ask=count")),
        shows=(pair("interpreter", 1),),
    ),
    *(
        Case(
            f"7.1 threading.local {path}",
            ("7.1-thread-state",),
            site,
            (Ask(f"{path}?ask=threads"), Ask(f"{path}?ask=threads"), Ask(f"{path}?ask=threads")),
            shows=(pair("seen", 3),),
            modes=DAEMON,
        )
        for path, site in (("/main", "one-thread-main"), ("/sub", "one-thread"))
    ),
    *(
        fact(f"7.1 environment {name}", rows, "environment", path, *shows)
        for path in ("/main", "/sub")
        for name, rows, shows in (
            ("interpreter", "7.1-environment", (pair("blocks", False),)),
            ("path", "7.1-environment", ("/parity/from/environment",)),
            ("process", "7.1-environment 7.3-os-environ", ("PYTHONMALLOC",)),
        )
    ),
    fact("7.3 forked", "7.3-signal-fork", "environment", "/main", " 1"),
    *(
        fact(f"7.1 settings {name}", rows, "settings", path)
        for path in ("/main", "/sub")
        for name, rows in (
            ("interpreter", "7.3-flags"),
            ("streams", "7.3-streams"),
            ("process", "7.3-os-environ"),
        )
    ),
    *(
        Case(
            f"7.1 {name} {path}",
            (row,),
            site,
            (Ask(f"{path}?ask=loaded"), since_start(code)),
            shows=("warn",),
            skip=("log",),  # the line comes when the process starts, mostly before the case
        )
        for name, row, code in (("gil", "7.1-own-gil", 198), ("free", "7.1-free-threading", 200))
        for path, site in (("/main", f"{name}-main"), ("/sub", name))
    ),
    *(
        fact(f"7.3 {name}", rows, "process", path, modes=DAEMON)
        for path in ("/main", "/sub")
        for name, rows in (("process", "7.3-os-environ"), ("interpreter", "7.3-argv 7.3-flags"))
    ),
    # ---- 7.2
    *(
        fact(f"7.2 {mode} {name}", rows, f"paths-{mode}", path, modes=(mode,))
        for mode in BOTH
        for path in ("/main", "/sub", "/other")
        for name, rows in (("path", "7.2-order 7.2-python-path"), ("marked", "7.2-pth"))
    ),
    *(
        replace(
            fact(
                f"7.2 strange {mode} path",
                "7.2-path-errors",
                f"strange-paths-{mode}",
                path,
                modes=(mode,),
                accepted={"body": "D510"},
            ),
            skip=("log",),  # our warning comes when the process starts, mostly before the case
        )
        for mode in BOTH
        for path in ("/main", "/sub")
    ),
    *(
        fact(f"7.2 {name}", row, "homes", f"/{group}", modes=DAEMON)
        for group, row in (("in-venv", "7.2-venv"), ("prefix", "7.2-prefix"), ("none", "7.2-order"))
        for name in ("path", "interpreter")
    ),
    *(
        Case(
            f"7.2 bad home, {group}",
            ("7.2-bad-home", "2.1-python-home"),
            "bad-home",
            Ask(f"/{group}", timeout=2),
            "timeout",
            # 6.1.1 starts such a process again and again: its lines come when they come, and no answer ever.
            skip=("reason", "headers", "body", "log"),
            accepted={"status": "D104"},
            ours={"status": 503},
        )
        for group in ("missing", "file")
    ),
    Case(
        "7.2 bad home of another group",
        ("7.2-bad-home",),
        "bad-home",
        (Ask("/none?ask=path"),),
        skip=("log",),
    ),
    # ---- 7.5
    Case("7.5 default", ("7.5-default-name",), "finding", Ask("/default"), shows=("application",)),
    *(
        Case(f"7.5 {how} {name}, {mode}", (row,), "finding", Ask(f"/{how}-{name}"), status, codes, modes=(mode,))
        for mode in BOTH
        for how in ("by-alias", "by-directive")
        for name in NAMES
        for row, status, codes in (
            ("7.5-missing", 404 if mode == "embedded" else 500, (89,))
            if name in ("missing", "instance.method", "dict", "APPLICATION")
            else ("7.5-not-callable", 500, (174,))
            if name in ("text", "number", "nothing", "module", "few", "__name__")
            else ("7.5-rebinding" if name == "rebinding" else "7.5-named", 200, ()),
        )
    ),
    *(
        Case(
            f"7.5 value {number}, {mode}",
            ("7.5-named", "1.2-WSGICallableObject"),
            "finding",
            Ask(f"/by-value-{number}"),
            status,
            codes,
            (text,),
            (mode,),
        )
        for mode in BOTH
        for number, (text, found) in enumerate(
            (
                ("named", True),
                ("application", True),
                ("application", True),
                ("application", True),
                ("", False),
                ("", False),
            )
        )
        for status, codes in ((200, ()) if found else (404 if mode == "embedded" else 500, (89,)),)
    ),
    Case(
        "7.5 rebound",
        ("7.5-rebinding",),
        "finding",
        (Ask("/by-alias-rebinding"), Ask("/by-alias-rebinding")),
        shows=("named",),
    ),
    # ---- 7.4
    *(
        Case(f"7.4 {name}", (row,), "loading", Ask(f"/s/{name}.wsgi"), status, codes)
        for name, row, status, codes in (
            *(
                (name, "7.4-cookie", 200, ())
                for name in ("utf8", "cookie", "crlf", "tabs", "marked", "null", "future", "docstring")
            ),
            ("main", "7.4-name", 200, ()),
            ("badcookie", "7.4-cookie", 500, (105,)),
            ("syntax", "7.4-failure", 500, (105,)),
            ("raises", "7.4-failure", 500, (109,)),
            ("imports", "7.4-failure", 500, (109,)),
            ("exits", "7.4-failure", 500, (107,)),
            ("interrupts", "7.4-failure", 500, (109,)),
            ("import-sibling", "7.2-order", 500, (109,)),
            ("empty", "7.4-failure", 500, (174,)),
        )
    ),
    *(
        Case(
            f"7.4 again, {mode}",
            ("7.4-failure",),
            "loading",
            (Ask("/s/raises.wsgi"), put("w/raises.wsgi", "TEXT = 'repaired'" + TAIL, OLD), Ask("/s/raises.wsgi")),
            200,
            (109,),
            ("repaired",),
            (mode,),
            accepted=differs,
        )
        for mode, differs in (("embedded", {}), ("daemon", {"log:exceptions": "D726"}))
    ),
    Case(
        "7.4 again with the same time",
        ("7.4-failure",),
        "loading",
        (
            touch("w/imports.wsgi", OLD),
            Ask("/s/imports.wsgi"),
            put("w/imports.wsgi", "TEXT = 'repaired'" + TAIL, OLD),
            Ask("/s/imports.wsgi"),
        ),
        200,
        (109,),
        ("repaired",),
    ),
    # ---- 7.6
    *reload(
        "newer",
        "7.6-changed",
        "/s/newer.wsgi",
        put("w/newer.wsgi", counter(2), NEW),
        "version 2, module 2, process 2, same process True",
        "version 2, module 2, process 4, same process True",
    ),
    *reload(
        "older",
        "7.6-changed",
        "/s/older.wsgi",
        put("w/older.wsgi", counter(2), OLD),
        "version 2, module 2, process 2",
        "version 2, module 2, process 4",
    ),
    *reload(
        "touched",
        "7.6-changed",
        "/s/second.wsgi",
        touch("w/second.wsgi", OLD),
        "version 1, module 2, process 2",
        "version 1, module 2, process 4",
    ),
    *reload(
        "broken",
        "7.6-changed",
        "/s/broken.wsgi",
        put("w/broken.wsgi", "TEXT = (", NEW),
        "",
        "",
        (105,),
        500,
        ("status", "reason", "body", "headers:connection", "headers:content-type", "log:codes"),
    ),
    *reload("gone", "7.6-changed", "/s/gone.wsgi", remove("w/gone.wsgi"), "", "", (135,), 404, ("body",)),
    *reload(
        "handler script",
        "7.6-changed",
        "/file.handled",
        put("w/handles.wsgi", counter(2).replace("def application", "def handle_request"), NEW),
        "version 2, module 2, process 2",
        "version 2, module 2, process 4",
    ),
    steady("off", "7.6-off", "/o/off.wsgi"),
    Case(
        "7.6 off, changed",
        ("7.6-off",),
        "reloading",
        calls("/o/newer.wsgi", put("o/newer.wsgi", counter(2), NEW)),
        shows=("version 1, module 4, process 4",),
    ),
    Case("7.6 off, gone", ("7.6-off",), "reloading", calls("/o/gone.wsgi", remove("o/gone.wsgi")), 404, (135,)),
    steady("steady", "7.6-changed", "/s/same.wsgi"),
    *(
        Case(
            f"7.6 {name}, {mode}",
            ("7.6-no-mtime", f"7.6-{mode}"),
            "reloading",
            calls(f"/s/{name}.wsgi"),
            shows=("version 1",),
            modes=(mode,),
        )
        for name in ("no-mtime", "text-mtime", "float-mtime", "zero-mtime")
        for mode in BOTH
    ),
    *(
        Case(
            f"7.6 required {name}, {mode}",
            ("7.6-reload-required", f"7.6-{mode}"),
            "reloading",
            calls(f"/s/required-{name}.wsgi"),
            shows=("version 1",),
            modes=(mode,),
        )
        for name in ("one", "text", "false", "none", "second")
        for mode in BOTH
    ),
    *(
        Case(
            f"7.6 required {name}",
            ("7.6-reload-required-fails",),
            "reloading",
            calls(f"/s/required-{name}.wsgi"),
            200,
            codes,
            ("version 1",),
            accepted={"log:codes": "D514"},
        )
        for name, codes in (("raises", (174,)), ("exits", (175,)), ("arity", (174,)), ("value", (174,)))
    ),
    Case(
        "7.6 access script",
        ("7.6-decision-scripts", "3.5-reloaded"),
        "reloading",
        (
            Ask("/s/access.wsgi"),
            put("w/access.py", ACCESS.replace("ALLOWED", "True"), OLD),
            Ask("/s/access.wsgi"),
            Ask("/s/access.wsgi"),
        ),
        200,
        (57,),
        ("module 2, process 2, same process True",),
    ),
    Case(
        "7.6 access script, off",
        ("7.6-decision-scripts", "3.5-reloaded", "7.6-off"),
        "reloading",
        (Ask("/o/access.wsgi"), put("w/access-off.py", ACCESS.replace("ALLOWED", "True"), OLD), Ask("/o/access.wsgi")),
        403,
        (57,),
    ),
    Case(
        "7.6 dispatch script",
        ("7.6-decision-scripts",),
        "reloading",
        (
            Ask("/s/dispatch.wsgi"),
            Ask("/s/dispatch.wsgi"),
            put("w/dispatch.py", DISPATCH.replace("GROUP", "second"), OLD),
            Ask("/s/dispatch.wsgi"),
        ),
        shows=("module 1, process 1",),
    ),
    # ---- preloads
    Case(
        "7.1 preloads",
        ("7.1-main-at-start", "1.3-preload", "1.3-preload-not", "1.2-WSGIImportScript"),
        "preloads",
        journal("scratch/journal", 11),
        None,
        (106, 110),
        shows=("imported.wsgi in 'one' 'sub'", "both.wsgi in 'one' 'of-alias'", "fixed.wsgi in 'one' 'of-match'"),
    ),
    *routes(
        "7.1 preloaded",
        "preloads",
        ("1.3-preload",),
        "/both 200 loaded\n/half 200 loaded\n/part/part 200 loaded\n/token 200 loaded\n/embedded 200 loaded\n/many 200 loaded",
        modes=DAEMON,
    ),
    Case("7.1 preloads and requests", ("1.3-preload-not",), "preloads", journal("scratch/journal", 14), None),
    # ---- 7.7
    Case(
        "7.7 lines",
        ("7.7-info-lines",),
        "lifecycle",
        (Ask("/counter"), said_at_info),
        None,
        shows=(pair("names the script", True),),
    ),
    Case(
        "7.7 lines of a reload",
        ("7.7-info-lines",),
        "lifecycle",
        (Ask("/counter"), put("w/counter.wsgi", counter(2), NEW), Ask("/counter"), said_at_info),
        None,
        shows=(pair("names the script", True),),
    ),
)
