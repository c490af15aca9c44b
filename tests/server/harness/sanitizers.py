# SPDX-License-Identifier: Apache-2.0
"""A build of the module with AddressSanitizer and UBSan under the tests; `make sanitize`.

With WSGI_TEST_SANITIZE=1 the harness builds front and engines so, every httpd and `httpd -t` gets the
runtime libraries, and a report of theirs fails the test in which it was written.
"""

from __future__ import annotations

import functools
import os

from collections.abc import Mapping
from pathlib import Path

from harness.places import places, run

SHOWN = 6000

# Leaks that are not ours to end: each a pattern of a function or of a library in the stack of the allocation, and why.
SUPPRESSIONS = {
    "python3": "CPython keeps interned strings, static types and caches for the life of the process",
    "libpython": "the same, when it is embedded",
    "libapr": "httpd's pools: freed by the end of the process",
    "apache2": "httpd's own data of the configuration and of its modules",
    "httpd": "the same where the program has this name",
    "libexpat": "kept by the XML parser of apr-util",
    "libcrypto": "kept by OpenSSL for the life of the process",
    "libssl": "the same",
    "_dl_": "what the loader keeps of libraries that stay loaded",
    "dlopen": "the same",
}


# Tests that cannot hold under AddressSanitizer, by name, and why.
EXCLUDED = {
    "test_daemon_options.py::test_priority_and_limits": "it reserves terabytes of address space: no limit of memory",
    "test_daemon_options.py::test_a_limit_that_cannot_be_set_is_told_once": "the same",
    "test_timeouts.py::test_limits[memory]": "the same",
    "test_identity.py::test_the_line_at_the_start_is_true": "the same",
    "test_zoo.py::test_row_in_a_daemon[memory_error]": "it says that it refused to allocate what the row asks for",
    "test_zoo.py::test_row_embedded[memory_error]": "the same",
    "test_supervisor.py::test_restarts_leave_nothing_in_the_parent": "it keeps what was freed: memory grows",
    "test_chroot.py": "its runtime libraries would have to be inside",
    "test_adversity.py::test_many_groups": "240 such processes take more time than a start has",
}


def excluded(node: str) -> str:
    """Why the test is not run against such a build; "" when it is."""
    return next((reason for name, reason in EXCLUDED.items() if wanted() and name in node), "")


def wanted() -> bool:
    """Whether the tests run against such a build."""
    return os.environ.get("WSGI_TEST_SANITIZE") == "1"


def leaks_wanted() -> bool:
    """Whether leaks at the end of a process are reports, too."""
    return os.environ.get("WSGI_TEST_LEAKS") == "1"


@functools.cache
def reports() -> Path:
    """Where the sanitizers write; every user of a test may."""
    directory = places().cache / "sanitizers" / str(os.getpid())
    directory.mkdir(mode=0o755, parents=True, exist_ok=True)
    directory.chmod(0o1777)
    return directory


def _suppressions() -> Path:
    """The file with what is not ours."""
    path = reports().parent / "leaks.supp"
    path.write_text("".join(f"# {reason}\nleak:{pattern}\n" for pattern, reason in SUPPRESSIONS.items()))
    path.chmod(0o644)
    return path


@functools.cache
def _variables() -> tuple[tuple[str, str], ...]:
    """What the loader and the sanitizers have to know."""
    libraries = [run("gcc", f"-print-file-name=lib{name}.so").strip() for name in ("asan", "ubsan")]
    leaks = int(leaks_wanted())
    return (
        ("LD_PRELOAD", ":".join(libraries)),
        # The daemons' own crashes are tests: a signal is not caught, its status is what is tested.
        (
            "ASAN_OPTIONS",
            f"detect_leaks={leaks}:verify_asan_link_order=0:handle_segv=0:handle_abort=0:handle_sigbus=0:"
            f"handle_sigfpe=0:handle_sigill=0:allocator_may_return_null=1:log_path={reports()}/asan",
        ),
        ("UBSAN_OPTIONS", f"print_stacktrace=1:log_path={reports()}/ubsan"),
        ("LSAN_OPTIONS", f"suppressions={_suppressions()}:print_suppressions=0"),
        ("PYTHONMALLOC", "malloc"),
    )


def command(environment: Mapping[str, str]) -> list[str]:
    """What goes before the command line of an httpd, so that it has more variables; nothing unless it is wanted."""
    given = {**dict(_variables()), **environment} if wanted() else {}
    return ["env", *(f"{name}={value}" for name, value in given.items())] if given else []


def preload(library: str | Path) -> dict[str, str]:
    """The variable that makes an httpd load a library of a test, behind what it loads anyway."""
    before = dict(_variables())["LD_PRELOAD"] if wanted() else ""
    return {"LD_PRELOAD": f"{before}:{library}" if before else str(library)}


def check() -> None:
    """No report; those that there are belong to this test and are shown once."""
    if not wanted():
        return
    found = []
    for path in sorted(reports().iterdir()):
        found.append(f"{path.name}:\n{path.read_text(errors='replace')[:SHOWN]}")
        path.unlink()
    assert not found, "reports of the sanitizers:\n" + "\n".join(found)
