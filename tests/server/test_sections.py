# SPDX-License-Identifier: Apache-2.0
"""<WSGIInterpreterOptions>: its grammar, whom a section means, and which of them wins."""

from __future__ import annotations

from typing import Any

import pytest

from harness import Layout, Module, prove

SECTION = "<WSGIInterpreterOptions {}>\n{}\n</WSGIInterpreterOptions>"


@pytest.mark.parametrize(
    "selectors",
    [
        "",
        "process-group=one",
        "application-group=one",
        "process-group=one application-group=two",
        "Process-Group=%{GLOBAL} APPLICATION-GROUP=%{GLOBAL}",
    ],
)
def test_selectors(selectors: str) -> None:
    """None, one or both, in any letter case."""
    proof = prove(SECTION.format(selectors, "WSGIRestrictStdin On"))
    assert proof.status == 0, proof.output


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("<WSGIInterpreterOptions process-group=one\n</WSGIInterpreterOptions>", [">"]),
        (SECTION.format("one", ""), ["one"]),
        (SECTION.format("=one", ""), ["=one"]),
        (SECTION.format("group=one", ""), ["group", "process-group", "application-group"]),
        (SECTION.format("process-group=one process-group=two", ""), ["process-group", "twice"]),
        (SECTION.format("application-group=one Application-Group=two", ""), ["Application-Group", "twice"]),
        (SECTION.format("", "WSGIRestrictStdin maybe"), ["WSGIRestrictStdin", "maybe"]),
        (SECTION.format("", "WSGISwitchInterval 0"), ["WSGISwitchInterval"]),
        (SECTION.format("", "NoSuchDirective"), ["NoSuchDirective"]),
    ],
)
def test_bad_sections_are_refused(module: Module, line: str, words: list[str]) -> None:
    """Appendix B of the reference; a bad line inside is told with its own place."""
    proof = prove(line)
    assert proof.status != 0
    if not module.peer:
        for word in words:
            assert word in proof.output, proof.output
        assert "httpd.conf" in proof.output


@pytest.mark.ours("D113: 6.1.1 takes no quotes")
def test_a_selector_may_be_quoted() -> None:
    proof = prove(SECTION.format("application-group='two words'", "WSGIRestrictStdin On"))
    assert proof.status == 0, proof.output


def test_an_empty_selector_means_what_global_means() -> None:
    proof = prove(SECTION.format("process-group=", "WSGIRestrictStdin On"))
    assert proof.status == 0, proof.output


def configure(layout: Layout) -> str:
    """Sections that overlap, and nine interpreters in three processes."""
    for name in ("base", "both", "embedded", "every", "one", "wiki"):
        (layout.scratch / name).mkdir(exist_ok=True)
    group = "WSGIScriptAlias /{0}/{1} {2}/started.wsgi process-group={0} application-group={1}"
    aliases = "\n".join(
        group.format(process, application, layout.apps)
        for process in ("one", "two", "%{GLOBAL}")
        for application in ("blog", "wiki", "%{GLOBAL}")
    ).replace("/%{GLOBAL}", "/global")
    return f"""
WSGIDaemonProcess one threads=2 python-path={layout.scratch}/base switch-interval=0.011
WSGIDaemonProcess two threads=2
WSGIPythonPath {layout.scratch}/embedded
WSGIRestrictSignal On
{aliases}
<WSGIInterpreterOptions process-group=one application-group=blog>
    WSGIPythonPath {layout.scratch}/both
    WSGIRestrictStdin On
</WSGIInterpreterOptions>
<WSGIInterpreterOptions process-group=one>
    WSGIPythonPath {layout.scratch}/one
    WSGIRestrictStdin Off
    WSGISwitchInterval 0.022
</WSGIInterpreterOptions>
<WSGIInterpreterOptions process-group=two>
    WSGISwitchInterval 0.033
</WSGIInterpreterOptions>
<WSGIInterpreterOptions application-group=wiki>
    WSGIPythonPath {layout.scratch}/wiki
    WSGIRestrictStdin On
</WSGIInterpreterOptions>
<WSGIInterpreterOptions>
    WSGIPythonPath {layout.scratch}/every
    WSGIRestrictStdin Off
    # Knows nothing of interpreters, and so acts as if it stood outside.
    SetEnv TEST_SET_INSIDE yes
</WSGIInterpreterOptions>
<WSGIInterpreterOptions process-group=%{{GLOBAL}} application-group=%{{GLOBAL}}>
    WSGIRestrictSignal Off
</WSGIInterpreterOptions>
WSGIScriptAlias /environ {layout.apps}/environ.wsgi
"""


# The thread has met the interpreter `blog` before, and so 6.1.1 serves %{GLOBAL} in it.
IN_OURS = pytest.mark.ours("D501: 6.1.1 runs %{GLOBAL} in the interpreter that a thread met first")

PATHS = (
    # process, application: directories in front of the standard path, most specific first
    ("one", "blog", ["both", "one", "every", "base"]),
    ("one", "wiki", ["wiki", "one", "every", "base"]),
    pytest.param("one", "global", ["one", "every", "base"], marks=IN_OURS),
    ("two", "blog", ["every"]),
    ("two", "wiki", ["wiki", "every"]),
    ("global", "blog", ["every", "embedded"]),
    ("global", "wiki", ["wiki", "every", "embedded"]),
)


@pytest.mark.modes("daemon")
@pytest.mark.parametrize(("process", "application", "expected"), PATHS)
def test_paths_of_all_sections_add_up(site: Any, process: str, application: str, expected: list[str]) -> None:
    """Least specific first, each before the former; what is on the process's own path comes last."""
    path = site.get(f"/{process}/{application}").json()["path"]
    ours = [entry for entry in path if entry.startswith(str(site.layout.scratch))]
    assert ours == [f"{site.layout.scratch}/{name}" for name in expected]


@pytest.mark.modes("daemon")
@pytest.mark.parametrize(
    ("process", "application", "restricted"),
    [
        ("one", "blog", True),  # both selectors beat one
        ("one", "wiki", True),  # of two with one selector the later one
        pytest.param("one", "global", False, marks=IN_OURS),
        ("two", "wiki", True),  # one selector beats none
        ("two", "blog", False),
    ],
)
def test_the_most_specific_flag_wins(site: Any, process: str, application: str, restricted: bool) -> None:
    plain = site.get("/two/blog").json()["stdin"]
    found = site.get(f"/{process}/{application}").json()["stdin"]
    assert (found != plain) == restricted


@pytest.mark.modes("daemon")
def test_switch_intervals(site: Any) -> None:
    """The option of a group stands above a section for its process; the section is for the others."""
    assert site.get("/one/global").json()["interval"] == 0.011
    assert site.get("/two/global").json()["interval"] == 0.033


@pytest.mark.modes("daemon")
def test_other_directives_act_as_if_outside(site: Any) -> None:
    assert site.get("/environ").json()["TEST_SET_INSIDE"] == "yes"
