# SPDX-License-Identifier: Apache-2.0
"""chroot: a root of its own for a process group, and what has to be inside of it."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import tempfile

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from harness import Layout, Module, Server, places, wait_until
from harness.processes import is_alive

pytestmark = [pytest.mark.needs_root]

ASK = """
import json, os, sys, sysconfig
print(json.dumps([os.path.realpath(sys.executable), sysconfig.get_path("stdlib"), sysconfig.get_path("platstdlib")]))
"""


def copy(jail: Path, source: Path) -> None:
    """A file to the same path inside."""
    target = jail / source.relative_to("/")
    target.parent.mkdir(parents=True, exist_ok=True)
    if not target.exists():
        shutil.copy(source, target)


def libraries(path: Path) -> list[Path]:
    """What the loader would load, and the loader."""
    said = subprocess.run(["ldd", str(path)], capture_output=True, text=True, check=False).stdout
    return [Path(found) for found in re.findall(r"(/\S+) \(0x", said)]


@pytest.fixture(scope="module")
def jail(module: Module) -> Iterator[Path]:
    """A root with the interpreter, its standard library, the engine, and the libraries of all of them."""
    root = Path(tempfile.mkdtemp(prefix="jail-", dir="/tmp"))
    root.chmod(0o755)
    program, *standard = json.loads(
        subprocess.run([places().python, "-c", ASK], capture_output=True, text=True, check=True).stdout
    )
    skipped = shutil.ignore_patterns(
        "test", "tests", "idlelib", "site-packages", "dist-packages", "ensurepip", "lib2to3", "config-3*", "*.a"
    )
    for directory in dict.fromkeys(standard):
        shutil.copytree(directory, root / directory.lstrip("/"), ignore=skipped, symlinks=True, dirs_exist_ok=True)
    engines = [] if module.peer else sorted(module.path.resolve().parent.glob("_mod_wsgi*.so"))
    modules = [path for directory in standard for path in Path(directory).glob("lib-dynload/*.so")]
    for path in [Path(program), *engines]:
        copy(root, path)
    for path in [Path(program), *engines, *modules]:
        for library in libraries(path):
            copy(root, library)
    if module.peer:  # its engine is in httpd, so nothing inside names what glibc loads to end a thread
        for path in sorted(Path("/usr/lib").rglob("libgcc_s.so.1")):
            copy(root, Path(str(path).removeprefix("/usr")))
    (root / "srv").mkdir()
    (root / "dev").mkdir()
    try:
        yield root
    finally:
        shutil.rmtree(root)


def lines(jail: Path, options: str = "home=/srv") -> Any:
    """One application inside and one outside."""

    def configure(layout: Layout) -> str:
        for name in ("whoami.wsgi", "started.wsgi"):
            shutil.copy(layout.apps / name, jail / "srv" / name)
        (jail / "srv" / "early.py").write_text("print('imported as', __file__)\n")
        return f"""
WSGIDaemonProcess jailed threads=2 python-home=/usr chroot={jail} {options}
WSGIApplicationGroup %{{GLOBAL}}
<Directory {jail}>
    Require all granted
</Directory>
DocumentRoot {layout.htdocs}
WSGIScriptAlias /in {jail}/srv/whoami.wsgi process-group=jailed
WSGIScriptAlias /out {layout.apps}/whoami.wsgi process-group=jailed
"""

    return configure


def test_inside(new_server: Any, jail: Path) -> None:
    """The application sees its own root; script and paths have lost the prefix, DOCUMENT_ROOT is not inside."""
    server = new_server(lines(jail)).start()
    found = server.get("/in").json()
    assert found["cwd"] == "/srv"
    assert found["root"] == sorted(path.name for path in jail.iterdir())
    assert found["file"] == found["script"] == "/srv/whoami.wsgi"
    assert found["documents"] is None
    assert found["path"][0] == "/srv"
    assert server.get("/in").json()["pid"] == found["pid"], "and nothing of it looks changed"


def test_the_process_is_inside(new_server: Any, jail: Path) -> None:
    """What /proc says: root, working directory, and no descriptor that leads out."""
    server = new_server(lines(jail)).start()
    pid = server.get("/in").json()["pid"]
    assert (Path("/proc") / str(pid) / "root").readlink() == jail
    assert (Path("/proc") / str(pid) / "cwd").readlink() == jail / "srv"
    for descriptor in (Path("/proc") / str(pid) / "fd").iterdir():
        assert not descriptor.is_dir(), "a directory outside would be a way out"


THREADS = """
import os, threading, time


def spin():
    while True:
        time.sleep(0.001)


for _ in range(4):
    threading.Thread(target=spin, daemon=True).start()


def application(environ, start_response):
    start_response("200 OK", [])
    return [b"%d" % os.getpid()]
"""


LOOK = """
import os

with open("/notes/seen", "w") as said:
    for number in range(3, 300):
        try:
            os.fstat(number)
        except OSError:
            continue
        said.write("%d\\n" % number)
"""


def test_the_trial_has_nothing_of_the_server(new_server: Any, jail: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """S7: what httpd has open, or inherited, is not for the interpreter inside, which may be somebody else's."""
    odd = [os.dup2(2, number, inheritable=True) for number in (17, 200)]
    real = subprocess.Popen

    class Inheriting(real):  # type: ignore[misc,valid-type]
        """As `Popen`, with more to inherit."""

        def __init__(self, *given: Any, **more: Any) -> None:
            super().__init__(*given, **{**more, "pass_fds": odd})

    server: Server = new_server(lines(jail))
    notes = jail / "notes"
    notes.mkdir()
    notes.chmod(0o1777)
    _, standard, _ = json.loads(
        subprocess.run([places().python, "-c", ASK], capture_output=True, text=True, check=True).stdout
    )
    custom = jail / standard.lstrip("/") / "sitecustomize.py"
    custom.unlink(missing_ok=True)
    custom.write_text(LOOK)
    monkeypatch.setattr(subprocess, "Popen", Inheriting)
    try:
        assert server.prove().status == 0
        seen = (notes / "seen").read_text().split()
        # The directory of the standard library may be open while it is read.
        assert not {str(number) for number in odd} & set(seen), seen
        assert len(seen) <= 1, seen
    finally:
        monkeypatch.undo()
        custom.unlink()
        shutil.rmtree(notes)
        for number in odd:
            os.close(number)


def test_threads_at_the_end(new_server: Any, jail: Path) -> None:
    """L6: what glibc loads to end a thread is there, whatever the application has loaded: no end is a crash."""
    server: Server = new_server(lines(jail))
    (jail / "srv" / "threads.wsgi").write_text(THREADS)
    server.write_configuration()
    with server.conf.open("a") as conf:
        conf.write(f"WSGIScriptAlias /threads {jail}/srv/threads.wsgi process-group=jailed\n")
    server.write_configuration = lambda: None  # type: ignore[method-assign]
    pid = int(server.start().get("/threads").text)
    os.kill(pid, signal.SIGUSR1)
    wait_until(lambda: not is_alive(pid), "it has ended")
    assert int(server.get("/threads").text) != pid


@pytest.mark.ours("D771: 6.1.1 takes every script for one outside then")
def test_a_slash_at_the_end(new_server: Any, jail: Path) -> None:
    """chroot=/srv/jail/ is the same directory."""

    def configure(layout: Layout) -> str:
        return str(lines(jail)(layout)).replace(f"chroot={jail} ", f"chroot={jail}/ ")

    assert new_server(configure).start().get("/in").json()["script"] == "/srv/whoami.wsgi"


def test_documents_inside(new_server: Any, jail: Path) -> None:
    """A DOCUMENT_ROOT that is inside is named as it is called there."""

    def configure(layout: Layout) -> str:
        text: str = lines(jail)(layout)
        return text.replace(f"DocumentRoot {layout.htdocs}", f"DocumentRoot {jail}/srv")

    assert new_server(configure).start().get("/in").json()["documents"] == "/srv"


def test_without_a_home_it_is_at_the_root(new_server: Any, jail: Path) -> None:
    """Never where httpd was: that would be a way out."""
    server = new_server(lines(jail, ""))
    if server.layout.module.peer:
        pytest.skip("6.1.1 does not come up then")
    assert server.start().get("/in").json()["cwd"] == "/"


def test_a_script_outside(new_server: Any, jail: Path) -> None:
    """0081: no answer comes from the daemon."""
    server: Server = new_server(lines(jail)).start()
    assert server.get("/out").status == 502
    if server.layout.module.peer:
        server.expect("WSGI0081")
        server.allow("WSGI0146|Truncated|End of script|daemon")
        return
    line = server.expect_code(81)
    assert str(jail) in line.text
    assert str(server.layout.apps) in line.text


@pytest.mark.ours("D754: 6.1.1 looks for the script of an import outside of the chroot")
def test_an_import(new_server: Any, jail: Path) -> None:
    """WSGIImportScript names the script as it is called outside, as an alias does."""

    def configure(layout: Layout) -> str:
        more = f"\nWSGIImportScript {jail}/srv/early.py process-group=jailed application-group=%{{GLOBAL}}\n"
        return str(lines(jail)(layout)) + more

    server = new_server(configure).start()
    server.expect("imported as /srv/early.py")
    assert server.get("/in").status == 200


MISSING = [
    ("python", "option python-home: no interpreter in .*/usr/bin"),
    ("library", "error while loading shared libraries: .*: cannot open shared object file"),
    ("encodings", "No module named 'encodings'"),
    ("engine", "the module's engine: .*_mod_wsgi.*: No such file or directory"),
    ("closed", r"option home: cannot enter /srv \(mode 0700, uid 0\)"),
]


@pytest.mark.ours("D755: 6.1.1 needs less inside, and finds out at the start")
@pytest.mark.parametrize(("what", "words"), MISSING)
def test_what_is_missing_is_said(new_server: Any, jail: Path, what: str, words: str) -> None:
    """`httpd -t` fails with the first path that is missing; a cold start puts that group out of service."""
    server = new_server(lines(jail))
    server.write_configuration()
    places_of = {
        "python": sorted((jail / "usr/bin").glob("python3*"))[:1],  # the only one there is
        "library": sorted(jail.rglob("libm.so.6"))[:1],
        "encodings": sorted(jail.rglob("encodings"))[:1],
        "engine": sorted(jail.rglob("_mod_wsgi*.so"))[:1],
        "closed": [],
    }
    for path in places_of[what]:
        path.rename(path.with_name(path.name + ".away"))
    if what == "closed":
        (jail / "srv").chmod(0o700)
    try:
        proof = server.prove()
        server.start()
        reply = server.get("/in")
    finally:
        (jail / "srv").chmod(0o755)
        for path in places_of[what]:
            path.with_name(path.name + ".away").rename(path)
    assert proof.status != 0
    said = [line for line in proof.output.splitlines() if "WSGIDaemonProcess jailed" in line]
    assert len(said) == 1, proof.output
    assert ("option chroot: inside" in said[0]) == (what != "python")
    assert re.search(words, said[0]), said[0]
    assert reply.status in (403, 503)
    server.allow("WSGI1000|out of service|AH00035")
