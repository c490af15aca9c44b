# SPDX-License-Identifier: Apache-2.0
"""Every application of these tests runs inside wsgiref.validate.validator; what breaks rules is reported by it.

A file with `VALIDATED = True` runs all its tests twice, plain and validated; here are the scripts of
the other files, and the list of what breaks rules on purpose.
"""

from __future__ import annotations

import re

from pathlib import Path
from urllib.parse import quote

import pytest

from harness import Layout, Server
from harness.places import APPS

VALIDATED = "only"

SCRIPTS = sorted(str(path.relative_to(APPS)) for path in APPS.rglob("*.wsgi"))

# Scripts whose tests run validated, too.
ELSEWHERE = {
    "body.wsgi": "test_requests.py",
    "echo.wsgi": "test_requests.py",
    "environ.wsgi": "test_requests.py",
    "errors.wsgi": "test_errors.py",
    "events.wsgi": "test_wild_events.py",
    "interpreter.wsgi": "test_interpreters.py",
    "logging.wsgi": "test_logging.py",
    "pep.wsgi": "test_pep3333.py",
    "responses.wsgi": "test_responses.py",
}
# Scripts that run validated here: what is asked of them, and what the answer begins with.
HERE = {
    "around.wsgi": ("GET", "/around/show", b'{"'),
    "blocks.wsgi": ("GET", "/blocks/many?n=3&size=2000", b"<0>"),
    "calls.wsgi": ("POST", "/calls", b"<?xml"),
    "cut.wsgi": ("GET", "/cut/whole?n=2", b""),
    "fuzzed.wsgi": ("POST", "/fuzzed?x=%ff", b'{"'),
    "headers.wsgi": ("POST", "/headers/length", b"11"),
    "inprocess.wsgi": ("GET", "/inprocess?code=" + quote("r['one'] = 1"), b'{"one": 1}'),
    "input.wsgi": ("GET", "/input/none", b'{"terminated"'),
    "leaving.wsgi": ("GET", "/leaving/whole?journal=/dev/null", b"onetwo"),
    "ledger.wsgi": ("GET", "/ledger?quiet", b"noted"),
    "options.wsgi": ("GET", "/options/elsewhere?text=word", b"ok"),
    "process.wsgi": ("GET", "/process", b'{"pid"'),
    "started.wsgi": ("GET", "/started", b'{"pid"'),
    "whoami.wsgi": ("GET", "/whoami", b'{"pid"'),
    "streams.wsgi": ("POST", "/streams/upload", b"11 "),
}
FRAMEWORK = "a project's own application: what it asks of a server is not ours to correct"
# Not run by the validator, and why.
APART = {
    "broken/exits.wsgi": "has no application",
    "broken/imports.wsgi": "has no application",
    "broken/notcallable.wsgi": "has no application",
    "broken/nothing.wsgi": "has no application",
    "broken/raises.wsgi": "has no application",
    "broken/syntax.wsgi": "has no application",
    "bottle_site/site.wsgi": FRAMEWORK,
    "dav_site/dav.wsgi": FRAMEWORK,
    "falcon_site/site.wsgi": FRAMEWORK,
    "git_site/backend.wsgi": FRAMEWORK,
    "git_site/dulwich.wsgi": FRAMEWORK,
    "index_site/index.wsgi": FRAMEWORK,
    "odd.wsgi": "breaks a rule with every request: test_errors.py",
    "hostile.wsgi": "an enemy of its own process: test_hostile_daemons.py",
    "zoo.wsgi": "fails in every way there is: zoo.py",
    "offences.wsgi": "breaks a rule with every request: test_broken_applications.py",
    "flask_site/site.wsgi": "Werkzeug asks for more than PEP 3333: read() without a size",
    "pyramid_site/pyramid.wsgi": "WebOb asks for more than PEP 3333: read() without a size",
}

# What breaks a rule on purpose: target, and what the validator says of it.
BREAKS = [
    ("/responses/no_start", "start_response has not yet been called"),
    ("/responses/closed_no_start?journal=/dev/null", "start_response has not yet been called"),
    ("/responses/closed_text?journal=/dev/null", "Iterator yielded non-bytestring .'text'."),
    ("/responses/text", "Iterator yielded non-bytestring .'text, not bytes'."),
    ("/responses/bytearray", "Iterator yielded non-bytestring .bytearray"),
    ("/responses/bytes", "You should not return a string as your application iterator"),
    ("/responses/none", "The application must return an iterator"),
    ("/responses/write_text", "AssertionError"),
    ("/responses/bad_header?kind=newline", "Bad header value: 'a.*Injected: yes'"),
    ("/responses/bad_header?kind=linefeed", "Bad header value"),
    ("/responses/bad_header?kind=return", "Bad header value"),
    ("/responses/bad_header?kind=name", "Header names may not contain"),
    ("/responses/bad_header?kind=blank", "Bad header name: 'X Bad'"),
    ("/responses/bad_header?kind=empty", "Bad header name: ''"),
    ("/responses/bad_header?kind=tuple", "must be of type list"),
    ("/responses/bad_header?kind=three", "AssertionError"),
    ("/responses/bad_header?kind=list", "must be of type tuple"),
    ("/responses/bad_header?kind=bytes", "Header name must be of type str"),
    ("/responses/bad_header?kind=number", "Header value must be of type str"),
    ("/responses/bad_status?kind=words", "Status codes must be three characters: 'fine'"),
    ("/responses/bad_status?kind=two", "Status codes must be three characters: '20'"),
    ("/responses/bad_status?kind=number", "Status must be of type str"),
    ("/responses/bad_status?kind=bytes", "Status must be of type str"),
    ("/body?how=read", "AssertionError"),
]
# What the validator lets through, and ours does not.
OVERLOOKED = [
    ("/responses/bad_header?kind=wide", "UnicodeEncodeError: .* value of response header 'X-Bad' is latin-1 only"),
    ("/responses/bad_header?kind=length", "ValueError: response header 'Content-Length'"),
    ("/responses/bad_header?kind=negative", "ValueError: response header 'Content-Length'"),
    ("/responses/bad_status?kind=newline", "ValueError: the reason of the status holds a control character"),
    ("/responses/bad_status?kind=wide", "UnicodeEncodeError: .* status is latin-1 only"),
]


def configure(layout: Layout) -> str:
    """All scripts, by their names."""
    lines = [f"WSGIScriptAlias /{Path(name).stem} {layout.apps}/{name}" for name in SCRIPTS if "/" not in name]
    return layout.delegate() + "\n".join([*lines, "WSGIApplicationGroup %{GLOBAL}"])


def test_no_script_is_forgotten() -> None:
    assert sorted([*ELSEWHERE, *HERE, *APART]) == SCRIPTS
    for script, name in ELSEWHERE.items():
        text = (Path(__file__).parent / name).read_text()
        assert "\nVALIDATED = True\n" in text, name
        assert script in text, (script, name)


@pytest.mark.parametrize("script", HERE)
def test_scripts_of_other_tests(site: Server, script: str) -> None:
    method, target, begin = HERE[script]
    reply = site.request(method, target, b"eleven more" if method == "POST" else None)
    assert reply.status == 200, reply.body
    assert reply.body.startswith(begin)
    site.allow("word printed")  # by options.wsgi, whose answer says nothing


@pytest.mark.parametrize(("target", "words"), BREAKS)
def test_broken_rules_are_reported(site: Server, target: str, words: str) -> None:
    assert site.get(target).status == 500
    site.expect_code(174, "AssertionError")
    log = site.log()
    assert any(re.search(words, line.text) for line in log.lines()), log.tail()
    site.allow("")


@pytest.mark.ours("D219: 6.1.1 has no numbers of its own for these, and other words")
@pytest.mark.parametrize(("target", "words"), OVERLOOKED)
def test_broken_rules_that_the_validator_overlooks(site: Server, target: str, words: str) -> None:
    assert site.get(target).status == 500
    site.expect_code(1002)
    log = site.log()
    assert any(re.search(words, line.text) for line in log.lines()), log.tail()
    site.allow("")


def test_every_rule_breaker_is_listed() -> None:
    """The kinds of responses.wsgi are all in one of the lists."""
    text = (APPS / "responses.wsgi").read_text()
    listed = {target for target, _ in [*BREAKS, *OVERLOOKED]}
    for table, function in (("HEADERS", "bad_header"), ("STATUSES", "bad_status")):
        body = re.search(rf"(?ms)^{table} = {{(.*?)^}}", text)
        assert body
        for kind in re.findall(r'(?m)^    "(\w+)":', body.group(1)):
            if (function, kind) != ("bad_status", "empty"):  # the validator trips over it: IndexError
                assert f"/responses/{function}?kind={kind}" in listed
