# SPDX-License-Identifier: Apache-2.0
"""What befalls the host of a server: no process can be made, the clock is set, the supervisor hangs."""

from __future__ import annotations

import os
import re
import resource
import signal
import subprocess

from typing import Any

import pytest

from harness import Layout, Server, sanitizers, wait_until
from harness.calls import GLOBAL, Call, entered, one_group, waited, waiting
from harness.processes import PROC, children_of, descriptors, is_alive
from harness.restarts import supervisors

USUAL = 1024  # descriptors
GROUPS = 130  # of eight descriptors each, and two for the process
DEBUG = "warn wsgi:debug"
CHATTER = r":(info|debug)\]"  # what other requests say at this level
LOOKS = 3  # s in which whoever waits looks at its clock more than once

# The next fork of the process that the file `fork` names fails; the file `clock` has the seconds
# by which the time of day is wrong.
SHIM = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static long read_number(const char *name, char *path, size_t size)
{
    const char *directory = getenv("WSGI_TEST_ADVERSITY");
    long number = 0;
    FILE *file;

    snprintf(path, size, "%s/%s", directory ? directory : "/nowhere", name);
    file = fopen(path, "re");
    if (!file)
        return 0;
    if (fscanf(file, "%ld", &number) != 1)
        number = 0;
    fclose(file);
    return number;
}

pid_t fork(void)
{
    pid_t (*real)(void) = (pid_t (*)(void))dlsym(RTLD_NEXT, "fork");
    char path[4096];
    char count[4096];

    static int failed;

    if (read_number("fork", path, sizeof path) == (long)getpid()) {
        if (++failed >= read_number("forks", count, sizeof count)) {
            failed = 0;
            unlink(path);
        }
        errno = EAGAIN;
        return -1;
    }
    return real();
}

int gettimeofday(struct timeval *now, void *zone)
{
    int (*real)(struct timeval *, void *) =
        (int (*)(struct timeval *, void *))dlsym(RTLD_NEXT, "gettimeofday");
    int result = real(now, zone);
    char path[4096];

    now->tv_sec += read_number("clock", path, sizeof path);
    return result;
}
"""


def make_adverse(server: Server) -> Server:
    """Starts it with the shim."""
    source, shim = server.layout.scratch / "shim.c", server.layout.scratch / "shim.so"
    source.write_text(SHIM)
    subprocess.run(["cc", "-shared", "-fPIC", source, "-o", shim, "-ldl"], check=True)
    shim.chmod(0o755)
    server.environment.update(sanitizers.preload(shim), WSGI_TEST_ADVERSITY=str(server.layout.scratch))
    return server.start()


def fail_forks(server: Server, count: int = 1) -> None:
    """Of the parent of httpd, `count` times."""
    (server.layout.scratch / "forks").write_text(str(count))
    waiting = server.layout.scratch / "fork.new"
    waiting.write_text(str(server.pid))
    waiting.rename(server.layout.scratch / "fork")


def set_clock(server: Server, seconds: int) -> None:
    """By so many seconds, for httpd."""
    waiting = server.layout.scratch / "clock.new"
    waiting.write_text(str(seconds))
    waiting.chmod(0o644)
    waiting.rename(server.layout.scratch / "clock")


def test_no_process_for_a_supervisor(new_server: Any) -> None:
    """The supervisor was killed and none can be forked at that moment: another one comes a little later."""
    server = make_adverse(new_server(one_group("processes=1")))
    assert server.get("/").status == 200
    (keeper,) = supervisors(server)
    fail_forks(server)
    os.kill(keeper, signal.SIGKILL)
    server.expect(rf"the supervisor {keeper} of the daemon processes was killed by signal 9")
    wait_until(lambda: not (server.layout.scratch / "fork").exists(), "a fork has failed")
    wait_until(lambda: supervisors(server) not in ([], [keeper]), "there is another supervisor")
    server.expect("cannot start a supervisor of the daemon processes: it is tried again")
    server.expect(r"the supervisor \d+ of the daemon processes could be started")
    assert server.get("/").status == 200


def test_no_process_for_a_supervisor_at_a_restart(new_server: Any) -> None:
    """None can be forked for a new generation: it has one a little later."""
    server = make_adverse(new_server(one_group("processes=1")))
    before = server.get("/").json()["pid"]
    fail_forks(server, 4)  # those before it look at the configuration as its users
    server.signal(signal.SIGUSR1)
    server.expect("cannot start a supervisor of the daemon processes: it is tried again")
    server.expect(r"the supervisor \d+ of the daemon processes could be started")
    assert wait_until(lambda: server.get("/").json()["pid"], "a request is answered") != before


@pytest.mark.parametrize("seconds", [7200, -7200])
def test_clock_is_set(new_server: Any, seconds: int) -> None:
    """A request that runs and one that waits have their own time, whatever becomes of the time of day."""
    server = make_adverse(
        new_server(one_group("processes=1 threads=1 request-timeout=25 queue-timeout=25"), level=DEBUG)
    )
    server.allow(CHATTER)
    scratch = server.layout.scratch
    running = Call(server, f"/?entered={scratch}/in&gate={scratch}/gate")
    entered(scratch / "in")
    before = waited(server)
    other = Call(server, "/")
    waiting(server, before + 1)
    set_clock(server, seconds)
    running.join(LOOKS)
    assert running.is_alive()
    assert other.is_alive()
    (scratch / "gate").touch()
    assert (running.result().status, other.result().status) == (200, 200)


def test_clock_is_set_back_and_limits_hold(new_server: Any) -> None:
    """No request has more time than its own because somebody set the clock back."""
    server = make_adverse(new_server(one_group("processes=1 threads=1 queue-timeout=3"), level=DEBUG))
    server.allow(CHATTER)
    scratch = server.layout.scratch
    running = Call(server, f"/?entered={scratch}/in&gate={scratch}/gate")
    entered(scratch / "in")
    before = waited(server)
    other = Call(server, "/")
    waiting(server, before + 1)
    set_clock(server, -7200)
    assert other.result().status == 504
    server.expect_code(84)
    (scratch / "gate").touch()
    assert running.result().status == 200


def test_longest_shutdown(new_server: Any) -> None:
    """The largest number of seconds that may be given is a long time, and no short one."""
    server = new_server(one_group("processes=1 shutdown-timeout=2147483647")).start()
    assert server.get("/").status == 200
    server.stop()


def test_supervisor_is_killed_at_the_stop(new_server: Any) -> None:
    """What it could not remove the parent does, also with a prefix that looks like a pattern."""

    def configure(layout: Layout) -> str:
        return f"WSGISocketPrefix {layout.runtime}/w[s]gi\n" + one_group("processes=1")(layout)

    server = new_server(configure).start()
    assert server.get("/").status == 200
    (keeper,) = supervisors(server)
    daemons = children_of(keeper)
    os.kill(keeper, signal.SIGSTOP)
    server.signal(signal.SIGTERM)
    server.expect(rf"the supervisor {keeper} did not end in time, it is killed")
    assert server.process
    server.process.wait(30)
    server.process = None
    wait_until(lambda: not any(is_alive(pid) for pid in daemons), "the daemons are gone, too")
    assert list(server.layout.runtime.iterdir()) == []


def test_supervisor_hangs(new_server: Any) -> None:
    """Code has changed and nobody replaces the processes: requests go from one to the other, but not as fast as they
    can, and not for ever."""
    server = new_server(one_group("processes=2 socket-timeout=3"), level=DEBUG).start()
    server.allow(CHATTER)
    assert {server.get("/").status for _ in range(8)} == {200}
    (keeper,) = supervisors(server)
    script = server.layout.apps / "process.wsgi"
    os.kill(keeper, signal.SIGSTOP)
    try:
        script.write_text(script.read_text() + "\n")
        assert server.get("/").status == 503
    finally:
        os.kill(keeper, signal.SIGCONT)
    server.expect_code(116, "no process took the request within 3 s")
    tries = len(server.log().matching("did not take the request"))
    assert 5 < tries < 500, tries
    wait_until(lambda: server.get("/").status == 200, "the new code serves")


def few_descriptors(server: Server) -> Server:
    """Starts it with the usual limit, and with leave for more."""
    own = resource.getrlimit(resource.RLIMIT_NOFILE)
    if own[1] < 4 * USUAL:
        pytest.skip(f"only {own[1]} descriptors are allowed here")
    resource.setrlimit(resource.RLIMIT_NOFILE, (USUAL, own[1]))
    try:
        return server.start()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, own)


def open_files(pid: int) -> str:
    """The soft limit of a process."""
    text = (PROC / str(pid) / "limits").read_text()
    return re.search(r"^Max open files\s+(\d+)", text, re.M)[1]  # type: ignore[index]


def test_many_groups(new_server: Any) -> None:
    """More slots than 1,024 descriptors suffice for, though the hard limit allows more."""

    def configure(layout: Layout) -> str:
        groups = "".join(f"WSGIDaemonProcess g{number} processes=1 threads=1\n" for number in range(GROUPS))
        sites = "".join(
            f"WSGIScriptAlias /{number} {layout.apps}/process.wsgi process-group=g{number} {GLOBAL}\n"
            for number in (0, GROUPS - 1)
        )
        return groups + sites

    server = few_descriptors(new_server(configure))
    for number in (0, GROUPS - 1):
        assert server.get(f"/{number}").status == 200
    (keeper,) = supervisors(server)
    daemons = wait_until(lambda: found if len(found := children_of(keeper)) == GROUPS else [], "all processes run")
    others = [pid for pid in children_of(server.pid) if pid != keeper]
    assert {open_files(pid) for pid in [server.pid, *others, daemons[0], daemons[-1]]} == {str(USUAL)}
    low = [number for number in descriptors(server.pid) if int(number) < USUAL]
    assert len(low) < USUAL // 4, "the parent has room for its own"
    server.graceful()
    assert server.get("/0").status == 200
