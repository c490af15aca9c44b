# SPDX-License-Identifier: Apache-2.0
"""WSGILogOptions: the levels of what applications print and log, and records of several lines (O1, O6)."""

from __future__ import annotations

import json

from typing import Any

import pytest

from harness import Layout, Line, Server, prove, request, wait_until

pytestmark = pytest.mark.ours("D123: WSGILogOptions is ours")

PORTS = 3
IDEAL = "WSGILogOptions stdout=info stderr=error logging=On records=whole"
JSON = (
    'ErrorLogFormat "{\\"ts\\":\\"%{cu}t\\",\\"level\\":\\"%-l\\",\\"vhost\\":\\"%-v\\",'
    '\\"request_id\\":\\"%-L\\",\\"pid\\":\\"%-P\\",\\"message\\":\\"%-M\\"}"'
)
LEVELS = [(10, "debug"), (20, "info"), (25, "info"), (30, "warn"), (40, "error"), (50, "crit"), (60, "crit")]


def hosts(layout: Layout) -> str:
    """Three virtual hosts: one sees everything, one what is a warning, one writes JSON."""
    lines = ["LogLevel wsgi:debug", "LogLevel wsgi:warn", f"LogLevel wsgi:info\n{JSON}"]
    return layout.delegate() + "".join(
        f"""
<VirtualHost *:{port}>
    ServerName {name}.invalid
    ErrorLog {layout.logs}/{name}.log
    {line}
    WSGIScriptAlias / {layout.apps}/options.wsgi application-group=shared
</VirtualHost>
"""
        for name, port, line in zip(("all", "some", "json"), layout.ports, lines, strict=True)
    )


def configure(layout: Layout) -> str:
    """What the site role sets."""
    return f"{IDEAL}\n{hosts(layout)}"


def said(site: Server, how: str, text: str, log: str = "all", *, status: int = 200) -> list[Line]:
    """What one request wrote, all of it; the module's own lines at debug and info are not counted."""
    site.allow("wsgi:(debug|info)", log="all")
    site.allow('"level":"info"', log="json")
    port = site.layout.ports[("all", "some", "json").index(log)]
    assert request(port, "GET", f"/{how}?text={text}").status == status
    request(port, "GET", f"/print?text=mark-{text}")
    found = site.log(log)
    wait_until(lambda: found.matching(f"mark-{text} errors"), f"the lines are in:\n{found.tail()}")
    site.allow(f"mark-{text}", log=log)
    return [line for _, line in found.matching(text) if f"mark-{text}" not in line.text]


def levels_of(lines: list[Line]) -> list[tuple[int, str]]:
    """The number behind each record and the level it got."""
    return [(int(line.message.rsplit(" ", 1)[1]), line.level) for line in lines]


def take(site: Server, log: str, pattern: str) -> None:
    """These lines were looked at."""
    site.allow(pattern, log=log)


# ---- levels --------------------------------------------------------------------------------


@pytest.mark.core
@pytest.mark.parametrize("how", ["levels", "wsgi_errors", "subclass", "own", "wrapped"])
def test_records_keep_their_level(site: Server, how: str) -> None:
    """O1: logging.debug ... critical become the levels of Apache, and its LogLevel decides."""
    lines = said(site, how, f"TEXT-{how}".upper())
    assert levels_of(lines) == LEVELS
    assert {line.module for line in lines} == {"wsgi"}
    take(site, "all", f"TEXT-{how}".upper())
    site.forget_logs()
    lines = said_warn(site, how, f"WARN-{how}".upper())
    assert levels_of(lines) == LEVELS[3:]
    take(site, "some", f"WARN-{how}".upper())


def said_warn(site: Server, how: str, text: str) -> list[Line]:
    """What the host that logs warnings has of a request: stdout is hidden there."""
    port = site.layout.ports[1]
    assert request(port, "GET", f"/{how}?text={text}").status == 200
    request(port, "GET", f"/print?text=mark-{text}")
    log = site.log("some")
    wait_until(lambda: log.matching(f"mark-{text} errors"), f"the lines are in:\n{log.tail()}")
    assert not log.matching("stdout")
    log.allow(f"mark-{text}")
    return [line for _, line in log.matching(text) if f"mark-{text}" not in line.text]


def test_other_ways_to_log(site: Server) -> None:
    """What nobody configured, the root functions, warnings, other threads."""
    lines = said(site, "unconfigured", "lazy")
    assert [(line.level, line.message.split("] ")[-1]) for line in lines] == [
        ("warn", "lazy warning"),
        ("error", "lazy error"),
    ]
    (line,) = said(site, "root", "rooted")
    assert (line.level, line.message.split("] ")[-1]) == ("warn", "WARNING:root:rooted by root")
    (line,) = said(site, "captured", "caught")
    assert line.level == "warn"
    take(site, "all", "lazy|rooted|caught")


def test_records_of_a_thread_without_a_request(site: Server) -> None:
    """They have their level in the log of the process, too."""
    site.allow("wsgi:", log="all")
    assert site.get("/thread?text=threaded").status == 200
    logs = site.all_logs()
    wait_until(lambda: any(each.matching("threaded 60") for each in logs), "the last one is there")
    # The main log is at warn; a level that only a virtual host wants goes there.
    found = [line for _, line in site.log().matching("threaded ")]
    assert levels_of(found) == LEVELS[3:]
    for each in logs:
        each.allow("threaded")


def test_only_what_is_logged_has_its_level(site: Server) -> None:
    """A handler that writes to a file, an error inside logging, a print: the level of the stream."""
    (line,) = said(site, "elsewhere", "far")
    assert (line.level, line.message.split("] ")[-1]) == ("error", "far printed")
    (line,) = said(site, "broken", "wrong")
    assert line.level == "error"
    assert "--- Logging error ---\\nTraceback" in line.message
    assert "number is required, not str\\nCall stack:" in line.message
    lines = said(site, "print", "shown")
    assert [(line.level, line.message.split("] ")[-1]) for line in lines] == [
        ("info", "shown stdout\\nsecond 3"),
        ("error", "shown stderr\\nsecond 3"),
        ("error", "shown errors\\nsecond 3"),
    ]
    take(site, "all", "far|wrong|shown")


def test_a_record_does_not_mix_with_unfinished_text(site: Server) -> None:
    lines = said(site, "mixed", "mix")
    assert [(line.level, line.message.split("] ", 1)[1]) for line in lines] == [
        ("error", "mix begin "),
        ("warn", "[WARNING] mix record\\nits second line"),
    ]
    site.expect("error.*end$", log="all")
    take(site, "all", "mix")
    lines = said(site, "buffered", "part")
    assert [(line.level, line.message.split("] ")[-1]) for line in lines] == [
        ("info", f"part {number}\\nsecond line") for number in range(3)
    ]


def levels_only(layout: Layout) -> str:
    return f"WSGILogOptions logging=on stdout=NOTICE stderr=warn\n{hosts(layout)}"


@pytest.mark.parametrize("mode", ["embedded", "daemon"])
def test_levels_without_whole_records(new_server: Any, mode: str) -> None:
    """Each line is a record, as without the directive."""
    site = new_server(levels_only, mode=mode, ports=PORTS).start()
    site.allow("wsgi:", log="all")
    assert site.get("/mixed?text=mix").status == 200
    assert site.get("/print?text=shown").status == 200
    log = site.log("all")
    wait_until(lambda: log.matching("shown errors"), f"the lines are in:\n{log.tail()}")
    wait_until(lambda: len(log.matching("second 3")) == 3, f"the lines are in:\n{log.tail()}")
    found = [
        (line.level, line.message.split("] ", 1)[1]) for line in log.lines() if line.level not in ("debug", "info")
    ]
    assert found == [
        ("warn", "mix begin "),
        ("warn", "[WARNING] mix record"),
        ("warn", "its second line"),
        ("warn", "end"),
        ("notice", "shown stdout"),
        ("notice", "second 3"),
        ("warn", "shown stderr"),
        ("warn", "second 3"),
        ("warn", "shown errors"),
        ("warn", "second 3"),
    ]


@pytest.mark.parametrize("mode", ["embedded", "daemon"])
def test_without_the_directive_all_is_as_in_mod_wsgi_6(new_server: Any, mode: str) -> None:
    """Every line a record at error; what logging does not change is not imported."""
    site = new_server(hosts, mode=mode, ports=PORTS).start()
    site.allow("wsgi:", log="all")
    assert site.get("/mixed?text=mix").status == 200
    log = site.log("all")
    wait_until(lambda: log.matching("end$"), f"the lines are in:\n{log.tail()}")
    found = [line.message.split("] ", 1)[1] for line in log.lines() if line.level == "error"]
    assert found == ["mix begin [WARNING] mix record", "its second line", "end"]


# ---- whole records -------------------------------------------------------------------------


def records(site: Server, how: str, text: str, *, status: int = 200) -> list[dict[str, str]]:
    """What one request left in the host that writes JSON: every line of it has to be an object."""
    site.log("json").forget()
    said(site, how, text, "json", status=status)
    lines = [line.text for line in site.log("json").lines()]
    site.log("json").allow("^{")
    return [each for each in map(json.loads, lines) if "mark-" not in each["message"] and each["level"] != "info"]


@pytest.mark.core
def test_a_traceback_is_one_object_of_json(site: Server) -> None:
    """O1, O6: 20 lines, with quotes, backslashes and other letters, of the module, of logging and of print_exc()."""
    traceback, line = records(site, "raise", "whatever", status=500)
    assert traceback["message"].startswith("Traceback (most recent call last):\n")
    assert traceback["message"].count("\n") >= 20
    assert "ValueError: the 'deepest'\nof all \\ caf\\u00e9 \\ud83d\\ude00 \\x0b" in traceback["message"]
    assert line["message"].startswith("WSGI0174: ")
    assert traceback["request_id"] == line["request_id"]
    assert line["message"].endswith(f", request {line['request_id']}")
    assert traceback["vhost"] == "json.invalid"
    (logged,) = records(site, "logged_traceback", "logged")
    assert logged["level"] == "error"
    assert logged["message"].startswith("[ERROR] logged\n['quoted']\nTraceback (most")
    (printed,) = records(site, "printed_traceback", "printed")
    assert printed["message"].startswith("Traceback (most")
    assert "direct cause of the following" in printed["message"]
    assert printed["message"].endswith("KeyError: 'printed'")
    (stack,) = records(site, "stack", "stack")
    assert stack["message"].count("\n") >= 3


def test_tracebacks_that_python_prints_itself(site: Server) -> None:
    """In a thread, and of what cannot be raised: one record, behind the line that introduces it."""
    *_, last = [each["message"] for each in records(site, "unraisable", "ignored")]
    assert last.startswith("Traceback (most recent call last):\n")
    assert last.endswith("ValueError: ignored")
    site.allow("wsgi:", log="all")
    assert site.get("/failing_thread?text=fails").status == 200
    logs = site.all_logs()
    wait_until(lambda: any(each.matching("ValueError: fails") for each in logs), "it is in a log")
    (text,) = [line.text for each in logs for _, line in each.matching("ValueError: fails")]
    assert "Traceback (most recent call last):\\n" in text
    for each in logs:
        each.allow("fails|Exception in thread")


def test_what_httpd_cannot_write_in_one_record_is_cut_and_complete(site: Server) -> None:
    found = records(site, "long", "row")
    lines = "\n".join(each["message"] for each in found).split("\n")
    assert [line.split()[1] for line in lines] == [f"{number:05}" for number in range(400)]
    assert all(line.endswith("x" * 80) for line in lines)
    assert len(found) <= 6
    (text,) = ["".join(each["message"] for each in records(site, "wide", "far"))]
    assert text == "far" + "\\u6f22" * 4000 + "end"
    (zero,) = records(site, "nul", "zero")
    assert zero["message"] == "zero before\\x00after"


def test_a_load_that_fails_outside_of_a_request_is_one_record(new_server: Any) -> None:
    """The traceback of a preloaded script comes by the pipe of the supervisor: more than it writes at once."""

    def preload(layout: Layout) -> str:
        layout.write_app(
            "preload.wsgi",
            "def f(n):\n"
            "    if n: exec(compile(f'f({n - 1})' + '\\n' * n, f'<{\"x\" * 70}{n}>', 'exec'))\n"
            "    raise ValueError('no \"more\"')\n"
            "import sys\n"
            "sys.stderr.write('\\n'.join(f'{n:04}' + 'y' * 70 for n in range(95)) + '\\n')\n"
            "f(16)\n",
        )
        return f"""
{IDEAL}
<VirtualHost *:{layout.port}>
    ServerName own.invalid
    ErrorLog {layout.logs}/own.log
    {JSON}
    WSGIDaemonProcess own threads=2
    WSGIScriptAlias / {layout.apps}/preload.wsgi process-group=own application-group=%{{GLOBAL}}
</VirtualHost>
"""

    site = new_server(preload).start()
    log = site.log("own")
    wait_until(lambda: log.matching("WSGI0110"), f"the load fails:\n{log.tail()}")
    written, traceback, line = [json.loads(each.text)["message"] for each in log.lines()]
    assert written.split("\n") == [f"{number:04}" + "y" * 70 for number in range(95)]
    assert traceback.startswith("Traceback (most recent call last):\n")
    assert traceback.endswith("ValueError: no 'more'")
    assert line.startswith("WSGI0110: ")
    log.allow("^{")
    site.expect(f"process group 'own' of virtual host own.invalid has trouble, see its error log {log.path}")


# ---- the directive -------------------------------------------------------------------------

BAD = {
    "": ["names no option", "stdout=<level>", "remove the line"],
    "colour=red": ['"colour" is not an option', "stdout, stderr, logging and records"],
    "stdout=loud": ['option stdout: "loud" is not a level', "emerg", "debug"],
    "stderr=trace1": ['option stderr: "trace1"', "emerg"],
    "stderr=": ['option stderr: ""', "emerg"],
    "logging=maybe": ['option logging: "maybe" is neither On nor Off'],
    "records=all": ['option records: "all" is neither lines nor whole'],
    "stdout=info stdout=info": ["option stdout: is given twice"],
    "stdout info": ['"stdout" is not an option', "name=value"],
}


@pytest.mark.parametrize("line", BAD)
def test_bad_options_are_refused(line: str) -> None:
    proof = prove(f"WSGILogOptions {line}")
    assert proof.status != 0
    for words in ["httpd.conf:", "WSGILogOptions", *BAD[line]]:
        assert words in proof.output


def test_once_in_the_main_server() -> None:
    proof = prove("WSGILogOptions stdout=info\nWSGILogOptions stderr=info")
    assert proof.status != 0
    assert "WSGILogOptions: is there already (" in proof.output
    assert "httpd.conf:" in proof.output.split("already")[1]
    proof = prove("<VirtualHost *:1>\nServerName x.invalid\nWSGILogOptions stdout=info\n</VirtualHost>")
    assert proof.status != 0
    assert "WSGILogOptions" in proof.output
    good = prove('WSGILogOptions STDOUT="info"'.replace("STDOUT", "stdout") + " stderr=Warn LOGGING=Off".lower())
    assert good.status == 0, good.output
