# SPDX-License-Identifier: Apache-2.0
"""1.2 and 1.5: what the directives for Python change inside an interpreter."""

from __future__ import annotations

from dataclasses import replace

from parity.model import DAEMON, EMBEDDED, Ask, Case, Site
from parity.scripts import FACTS, codes_since_start

MOUNT = "WSGIScriptAlias /f @ROOT@/facts.wsgi application-group=one\n"
LIBRARY = {
    "facts.wsgi": FACTS,
    "lib/one/a.pth": "@ROOT@/lib/more\n",
    "lib/more/": "",
    "lib/two/": "",
    "lib/three/": "",
    "lib/four/": "",
    "eggs/": "",
}

GLOBALS = f"""
@DELEGATE@
WSGIDontWriteBytecode On
WSGIPythonWarnings ignore::ResourceWarning
WSGIPythonWarnings error::SyntaxWarning
WSGIPythonOptimize 1
WSGIPythonHashSeed 7
WSGISwitchInterval 0.1
WSGIPythonPath @ROOT@/lib/two:@ROOT@/lib/one:@ROOT@/lib/not-there
WSGIPythonEggs @ROOT@/eggs
WSGIRestrictStdin On
WSGIRestrictStdout On
WSGIRestrictSignal Off
WSGIServerMetrics On
WSGIDestroyInterpreter Off
WSGIVerboseDebugging On
WSGISlowRequests 10
WSGITelemetryOptions None
{MOUNT}
"""

# fact -> the directive it shows
SHOWN = {
    "flags": "WSGIPythonOptimize",
    "bytecode": "WSGIDontWriteBytecode",
    "warnoptions": "WSGIPythonWarnings",
    "hash": "WSGIPythonHashSeed",
    "switch": "WSGISwitchInterval",
    "path": "WSGIPythonPath",
    "added": "WSGIPythonPath",
    "eggs": "WSGIPythonEggs",
    "stdin": "WSGIRestrictStdin",
    "stdout": "WSGIRestrictStdout",
    "signal": "WSGIRestrictSignal",
    "metrics": "WSGIServerMetrics",
    "prefix": "WSGIPythonHome",
    "argv": "WSGIVerboseDebugging",
    "size": "WSGISlowRequests",
    "groups": "WSGITelemetryOptions",
}

HOME = (
    """
@DELEGATE@
WSGIPythonHome @VENV@
WSGIDestroyInterpreter On
"""
    + MOUNT
)

SECTIONS = """
WSGIDaemonProcess one threads=2
WSGIDaemonProcess two threads=2 switch-interval=0.05
WSGISwitchInterval 0.02
WSGIPythonPath @ROOT@/lib/four
<WSGIInterpreterOptions>
    WSGIPythonPath @ROOT@/lib/one
    WSGIRestrictStdin On
</WSGIInterpreterOptions>
<WSGIInterpreterOptions process-group=one>
    WSGIPythonPath @ROOT@/lib/two
    WSGIRestrictStdout On
    WSGISwitchInterval 0.03
    WSGICaseSensitivity Off
</WSGIInterpreterOptions>
<WSGIInterpreterOptions Application-Group=special>
    WSGIRestrictStdin Off
    WSGIRestrictStdout Off
    WSGISwitchInterval 0.04
</WSGIInterpreterOptions>
<WSGIInterpreterOptions process-group=one application-group=special>
    WSGIPythonPath @ROOT@/lib/three
    WSGIRestrictStdout On
    WSGIRestrictSignal Off
</WSGIInterpreterOptions>
<WSGIInterpreterOptions process-group=one application-group=special>
    WSGIRestrictSignal On
</WSGIInterpreterOptions>
<WSGIInterpreterOptions process-group=%{GLOBAL} application-group=%{GLOBAL}>
    WSGIPythonPath @ROOT@/lib/three
    WSGIRestrictSignal Off
</WSGIInterpreterOptions>
<WSGIInterpreterOptions application-group=%{SERVER}>
    WSGIPythonPath @ROOT@/lib/three
</WSGIInterpreterOptions>
<WSGIInterpreterOptions application-group=first.invalid:@PORT0@>
    WSGIPythonPath @ROOT@/lib/two
</WSGIInterpreterOptions>
<WSGIInterpreterOptions process-group=two>
    WSGIPerInterpreterGIL Off
    WSGIFreeThreading Off
</WSGIInterpreterOptions>
ServerName first.invalid
WSGIScriptAlias /one @ROOT@/facts.wsgi process-group=one application-group=x
WSGIScriptAlias /special @ROOT@/facts.wsgi process-group=one application-group=special
WSGIScriptAlias /two @ROOT@/facts.wsgi process-group=two application-group=x
WSGIScriptAlias /Two-special @ROOT@/facts.wsgi process-group=two application-group=special
WSGIScriptAlias /embedded @ROOT@/facts.wsgi process-group=%{GLOBAL} application-group=x
WSGIScriptAlias /server @ROOT@/facts.wsgi process-group=two application-group=%{SERVER}
WSGIScriptAlias /Resource @ROOT@/environ.wsgi process-group=two
"""

MAIN = """
<WSGIInterpreterOptions process-group=%{GLOBAL} application-group=%{GLOBAL}>
    WSGIPythonPath @ROOT@/lib/three
    WSGIRestrictSignal Off
    WSGIRestrictStdin On
</WSGIInterpreterOptions>
WSGIScriptAlias /main @ROOT@/facts.wsgi process-group=%{GLOBAL} application-group=%{GLOBAL}
"""

SITES = (
    Site("python-globals", GLOBALS, files=LIBRARY),
    Site("python-defaults", f"@DELEGATE@\n{MOUNT}", files=LIBRARY),
    Site("python-random", f"@DELEGATE@\nWSGIPythonHashSeed random\n{MOUNT}", files=LIBRARY),
    Site("python-optimize", f"@DELEGATE@\nWSGIPythonOptimize 7\n{MOUNT}", files=LIBRARY),
    Site("python-home", HOME, files=LIBRARY),
    Site(
        "python-sections",
        SECTIONS.replace("@ROOT@/environ.wsgi", "@APPS@/environ.wsgi"),
        modes=DAEMON,
        files=LIBRARY,
    ),
    Site("python-main", MAIN, modes=EMBEDDED, files=LIBRARY),
    Site("python-gil", f"@DELEGATE@\nWSGIPerInterpreterGIL On\nWSGIFreeThreading On\n{MOUNT}", files=LIBRARY),
)


def _globals() -> list[Case]:
    made = []
    for site in ("python-globals", "python-defaults", "python-home"):
        for fact, directive in SHOWN.items():
            if site == "python-home" and fact not in ("prefix", "path", "argv"):
                continue
            if (site, fact) in (("python-defaults", "hash"), ("python-globals", "path"), ("python-globals", "metrics")):
                continue
            case = Case(f"1.2-{site}-{fact}", (f"1.2-{directive}",), site, Ask(f"/f?k={fact}"), said=fact == "stdout")
            made += _size(case) if fact == "size" else [case]
    return made


def _size(case: Case) -> list[Case]:
    """How many processes there are: Apache's children are counted in another way, daemons are not."""
    return [
        replace(
            case,
            id=f"{case.id}-embedded",
            modes=EMBEDDED,
            accepted={"body:size": "D606"},
            ours={"body:size": [2, 24]},
        ),
        replace(case, id=f"{case.id}-daemon", modes=DAEMON),
    ]


def _sections() -> list[Case]:
    made = []
    for mount, fact, rows in (
        ("one", "added", ("no-selector", "one-selector", "path-layers")),
        ("one", "stdin", ("no-selector", "seven-directives")),
        ("one", "stdout", ("one-selector",)),
        ("one", "switch", ("one-selector", "base")),
        ("special", "added", ("two-selectors", "path-layers", "most-specific")),
        ("special", "stdin", ("most-specific", "selector-case")),
        ("special", "stdout", ("most-specific",)),
        ("special", "signal", ("later-wins",)),
        ("two", "switch", ("base",)),
        ("two", "added", ("no-selector", "path-layers")),
        ("two", "signal", ("base",)),
        ("two", "stdout", ("base",)),
        ("Two-special", "switch", ("switch-skipped",)),
        ("Two-special", "stdin", ("one-selector", "selector-case")),
        ("embedded", "added", ("no-selector", "path-layers", "base")),
        ("embedded", "switch", ("base",)),
        ("server", "added", ("literal-values",)),
    ):
        made.append(
            Case(
                f"1.5-{mount}-{fact}",
                tuple(f"1.5-{row}" for row in rows) + ("1.2-<WSGIInterpreterOptions>",),
                "python-sections",
                Ask(f"/{mount}?k={fact}"),
                modes=DAEMON,
                # The warning about the skipped interval comes when the interpreter is made.
                skip=("log",),
            )
        )
    made.append(
        Case(
            "1.5-other",
            ("1.5-other-directives",),
            "python-sections",
            Ask("/Resource"),
            modes=DAEMON,
            shows=("@PORT0@|/resource",),
        )
    )
    made += [
        Case(
            f"1.5-main-{fact}",
            ("1.5-global-selector", "1.5-two-selectors"),
            "python-main",
            Ask(f"/main?k={fact}"),
            modes=EMBEDDED,
        )
        for fact in ("added", "stdin")
    ]
    return made


CASES = (
    *_globals(),
    *_sections(),
    Case(
        "1.2-optimize-7",
        ("1.2-WSGIPythonOptimize",),
        "python-optimize",
        Ask("/f?k=optimize"),
        accepted={"body:optimize": "D115"},
        ours={"body:optimize": 2},
    ),
    Case("1.2-hash-random", ("1.2-WSGIPythonHashSeed",), "python-random", Ask("/f?k=hash"), accepted={"body": "D116"}),
    Case(
        "1.2-gil",
        ("1.2-WSGIPerInterpreterGIL", "1.2-WSGIFreeThreading"),
        "python-gil",
        (Ask("/f?k=groups"), codes_since_start),
        skip=("log",),
        shows=("WSGI0198", "WSGI0200"),
    ),
)
