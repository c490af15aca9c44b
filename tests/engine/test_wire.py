# SPDX-License-Identifier: Apache-2.0
"""The daemon against fronts that break the rules, and many that keep them."""

from __future__ import annotations

import contextlib
import os
import random
import resource
import select
import signal
import socket
import struct
import subprocess
import sys
import threading
import time

from collections.abc import Iterator

import pytest

from conftest import Host
from test_requests import HELLO, OK, app, assert_fine
from wirefront import FIN, FULL, INITIAL_CREDIT, MORE_BODY, Answer, Daemon, Frame, Front, Gone, request_block


def assert_closed(front: Front) -> None:
    """Whatever comes before, the end of the file comes."""
    frames: list[Frame] = []
    with contextlib.suppress(Gone):
        while len(frames) < 1000:
            frames.append(front.receive())
        pytest.fail(f"the connection stays open: {frames[-3:]}")


def assert_alive(daemon: Daemon, block: bytes) -> None:
    with daemon.front() as front:
        assert front.run(block).body == b"hello"


GARBAGE = {
    "random bytes": os.urandom(200),
    "HTTP": b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "zero bytes": bytes(64),
    "largest length": b"\xff" * 16,
    "HELLO of another size": Frame("HELLO", b"x").encode(),
    "REQUEST first": Frame("REQUEST", b"\0" * 8, sequence=1).encode(),
    "CANCEL first": Frame("CANCEL", sequence=1).encode(),
    "wrong magic": Frame("HELLO", b"WSGIwirf" + struct.pack("=II", 1, 7) + bytes(16)).encode(),
    "wrong secret": Frame("HELLO", b"WSGIwire" + struct.pack("=II", 1, 7) + bytes(16)).encode(),
}


@pytest.mark.parametrize("name", GARBAGE)
def test_garbage_instead_of_hello(host: Host, name: str) -> None:
    daemon = host.start()
    block = request_block(host.script(HELLO))
    with daemon.front() as good:
        assert good.run(block).body == b"hello"
        before = len(daemon.lines)
        with daemon.front(hello=False) as bad:
            bad.socket.sendall(GARBAGE[name])
            assert_closed(bad)
        assert daemon.wait_log("WSGI1001")
        time.sleep(0.05)
        assert len([line for line in daemon.lines[before:] if "WSGI1001" in line]) == 1, daemon.log
        assert good.run(block).body == b"hello"
    assert_alive(daemon, block)


@pytest.mark.parametrize(("version", "epoch"), [(2, 7), (1, 8)])
def test_hello_of_another_version_or_epoch(host: Host, version: int, epoch: int) -> None:
    daemon = host.start()
    with daemon.front(hello=False) as front:
        front.send(Frame("HELLO", b"WSGIwire" + struct.pack("=II", version, epoch) + daemon.secret))
        assert_closed(front)
    assert_alive(daemon, request_block(host.script(HELLO)))


BLOCK = b"\0\0\0\0" + bytes(8)


@pytest.mark.parametrize(
    "bad",
    [
        Frame("HELLO", b"WSGIwire" + struct.pack("=II", 1, 7) + bytes(16)),
        Frame("REQUEST", BLOCK, sequence=1),
        Frame("REQUEST", BLOCK, sequence=3),
        Frame("REQUEST", BLOCK, sequence=0),
        Frame("REQUEST", b"ab", sequence=2),
        Frame("REQUEST", bytes((1 << 20) + 1), sequence=2),
        Frame("REQUEST", struct.pack("=I", 5000) + bytes(100), sequence=2),
        Frame("REQUEST", struct.pack("=I", 0xFFFFFFFF) + bytes(100), sequence=2),
        Frame("CANCEL", sequence=1, aux=1),
        Frame("REQUEST", BLOCK, sequence=2, credit=1),
        Frame("REQUEST", BLOCK, sequence=2, flags=0x80),
        Frame("BODY", b"x", sequence=2),
        Frame("BODY", bytes(65537), sequence=1),
        Frame("CANCEL", sequence=2),
        Frame("CANCEL", b"x", sequence=1),
        Frame("HEAD", b"x", sequence=2),
        Frame("END", b"", sequence=1),
        Frame("WANT", b"", sequence=1, credit=5),
    ],
    ids=lambda frame: f"{frame.type}-{frame.sequence}-{len(frame.payload)}-{frame.flags}{frame.aux}{frame.credit}",
)
def test_rules_broken_after_a_request(host: Host, bad: Frame) -> None:
    daemon = host.start()
    block = request_block(host.script(HELLO))
    with daemon.front() as front, daemon.front() as other:
        assert front.run(block).body == b"hello"
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            front.send(bad)
        assert_closed(front)
        assert other.run(block).body == b"hello"
    assert daemon.wait_log("WSGI1001")


@pytest.mark.parametrize(
    "block",
    [
        b"",
        b"WVS1",
        struct.pack("=II", 0x31535657, 0),
        struct.pack("=II", 0x31535657, 5),
        struct.pack("=II", 0x31535657, 0xFFFFFFFF) + bytes(50),
        struct.pack("=II", 0x31535657, 1) + struct.pack("=HHI", 0x8000, 0, 0x7FFFFFFF) + b"\0\0",
        struct.pack("=II", 0x31535657, 1) + struct.pack("=HHI", 0x7000, 0, 0) + b"\0\0",
        struct.pack("=II", 0x31535657, 1) + struct.pack("=HHI", 0x9000, 0, 0) + b"\0\0",
        struct.pack("=II", 0x31535657, 1) + struct.pack("=HHI", 0x8001, 0, 3) + b"\0abc\0",
    ],
)
def test_malformed_variable_block(host: Host, block: bytes) -> None:
    daemon = host.start()
    with daemon.front() as front:
        answer = front.run(block)
        assert (answer.end.status, answer.end.code) == (500, 1001)
        assert front.run(request_block(host.script(HELLO))).body == b"hello"


def test_cut_variable_blocks(host: Host) -> None:
    daemon = host.start()
    whole = request_block(host.script(HELLO))
    with daemon.front() as front:
        for size in range(0, len(whole), 7):
            assert front.run(whole[:size]).end.code == 1001
        assert front.run(whole).body == b"hello"


def test_damaged_variable_blocks(host: Host) -> None:
    """Whatever one changed byte does, the daemon lives and answers."""
    daemon = host.start()
    whole = request_block(host.script(HELLO))
    source = random.Random(7)
    with daemon.front() as front:
        for _ in range(600):
            block = bytearray(whole)
            block[source.randrange(len(block))] = source.randrange(256)
            answer = front.run(bytes(block))
            assert answer.outcome is not None or answer.reject
        assert front.run(whole).body == b"hello"


def test_frame_larger_than_the_credit_left(host: Host) -> None:
    """What a front sends beyond its credit closes the connection, and is never kept in memory."""
    daemon = host.start()
    script = host.script(
        app(
            OK
            + "i = environ['wsgi.input']\nn = len(i.read(1))\nimport time\ntime.sleep(1)\nreturn [str(n + len(i.read())).encode()]"
        )
    )
    with daemon.front() as front:
        front.begin(request_block(script, body=-1), flags=MORE_BODY)
        front.socket.settimeout(5)
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            for _ in range(40):
                front.body(bytes(65536))
            front.body(b"", FIN)
        before = daemon.rss()
        try:
            assert front.collect().body == str(40 * 65536).encode()
        except Gone:
            assert daemon.wait_log("more of a body")
        assert daemon.rss() - before < 8192
    assert_alive(daemon, request_block(host.script(HELLO, "h.wsgi")))


def test_credit_is_never_exceeded_by_the_sum(host: Host) -> None:
    """WANT tops up; the front may always send what was granted, and that is all it needs."""
    script = host.script(
        app(
            OK
            + "i = environ['wsgi.input']\nn = 0\nwhile True:\n    d = i.read(1000)\n    if not d:\n        return [str(n).encode()]\n    n += len(d)"
        )
    )
    with host.start().front() as front:
        front.begin(request_block(script, body=-1), b"", MORE_BODY)
        answer = front.collect(bytes(3 << 20), INITIAL_CREDIT)
        assert answer.body == str(3 << 20).encode()
        granted = INITIAL_CREDIT + sum(frame.credit for frame in answer.frames if frame.type == "WANT")
        assert granted >= 3 << 20
        assert granted <= (3 << 20) + INITIAL_CREDIT


def test_frames_byte_by_byte(host: Host) -> None:
    """A request in single bytes is put together, and holds up no worker meanwhile."""
    daemon = host.start(threads=1)
    block = request_block(host.script(HELLO))
    with daemon.front() as slow, daemon.front() as quick:
        raw = Frame("REQUEST", struct.pack("=I", len(block)) + block, sequence=1).encode()
        slow.sequence = 1
        for at in range(len(raw)):
            slow.socket.sendall(raw[at : at + 1])
            if at % 100 == 0:
                assert quick.run(block).body == b"hello"
        assert slow.collect().body == b"hello"


def test_request_of_the_largest_size(host: Host) -> None:
    daemon = host.start()
    script = host.script(
        app(OK + "return [repr(sum(len(v) for k, v in environ.items() if k.startswith('HTTP_BIG'))).encode()]")
    )
    block = request_block(script, environ={f"HTTP_BIG_{n}": "x" * 10000 for n in range(100)})
    with daemon.front() as front:
        for _ in range(3):
            assert front.run(block).body == b"1000000"
            assert front.run(request_block(script)).body == b"0"


def test_pipelined_requests_are_served_in_order(host: Host) -> None:
    script = host.script(app(OK + "return [environ['QUERY_STRING'].encode()]"))
    with host.start().front() as front:
        raw = b""
        for number in range(1, 51):
            block = request_block(script, environ={"QUERY_STRING": f"n{number}"})
            raw += Frame("REQUEST", struct.pack("=I", len(block)) + block, sequence=number).encode()
        front.socket.sendall(raw)
        for number in range(1, 51):
            front.sequence = number
            assert front.collect().body == f"n{number}".encode()


def test_stale_frames_are_thrown_away(host: Host) -> None:
    block = request_block(host.script(HELLO))
    with host.start().front() as front:
        assert front.run(block).body == b"hello"
        for _ in range(3):
            front.send(Frame("BODY", b"late" * 10000, sequence=1))
            front.send(Frame("BODY", b"", flags=FIN, sequence=1))
            front.send(Frame("CANCEL", sequence=1))
        assert front.run(block).body == b"hello"
        front.send(Frame("CANCEL", sequence=1))
        front.send(Frame("CANCEL", sequence=2))
        assert front.run(block).body == b"hello"


def test_last_words_and_the_end_at_once(host: Host) -> None:
    """A front that says something and closes: both are one event, and the connection is closed."""
    block = request_block(host.script(HELLO))
    daemon = host.start()
    assert_alive(daemon, block)
    files = len(os.listdir(f"/proc/{daemon.pid}/fd"))
    for _ in range(5):
        with daemon.front() as front:
            assert front.run(block).body == b"hello"
            os.kill(daemon.pid, signal.SIGSTOP)
            try:
                front.send(Frame("CANCEL", sequence=1))
                front.close()
            finally:
                os.kill(daemon.pid, signal.SIGCONT)
    end = time.monotonic() + 10
    while len(os.listdir(f"/proc/{daemon.pid}/fd")) > files and time.monotonic() < end:
        time.sleep(0.01)
    assert len(os.listdir(f"/proc/{daemon.pid}/fd")) <= files
    assert_alive(daemon, block)


def test_stale_frames_within_a_body(host: Host) -> None:
    script = host.script(app(OK + "return [environ['wsgi.input'].read()]"))
    with host.start().front() as front:
        assert front.run(request_block(script)).body == b""
        front.begin(request_block(script, body=-1), b"a", MORE_BODY)
        time.sleep(0.1)
        front.send(Frame("BODY", b"stale" * 5000, sequence=1))
        front.send(Frame("CANCEL", sequence=1))
        front.body(b"b", FIN)
        assert front.collect().body == b"ab"


@pytest.mark.parametrize(
    "bad", [Frame("REQUEST", BLOCK, sequence=2), Frame("BODY", b"x", sequence=9), Frame("DATA", b"x", sequence=1)]
)
def test_rules_broken_within_a_body(host: Host, bad: Frame) -> None:
    daemon = host.start()
    script = host.script(app(OK + "try:\n    environ['wsgi.input'].read()\nfinally:\n    print('left')"))
    with daemon.front() as front:
        front.begin(request_block(script, body=-1), b"a", MORE_BODY)
        front.send(bad)
        assert_closed(front)
    assert daemon.wait_log("WSGI1001")
    assert_alive(daemon, request_block(host.script(HELLO, "h.wsgi")))


def test_silent_connection_is_closed(host: Host) -> None:
    daemon = host.start()
    with daemon.front(hello=False) as front:
        front.socket.settimeout(15)
        begun = time.monotonic()
        assert_closed(front)
        assert 8 < time.monotonic() - begun < 14
    assert daemon.wait_log("it said nothing")


def test_many_connections(host: Host) -> None:
    daemon = host.start(threads=4)
    block = request_block(host.script(HELLO))
    fronts = [daemon.front() for _ in range(300)]
    try:
        assert len({front.index for front in fronts}) == 300
        for front in fronts:
            front.begin(block)
        for front in fronts:
            assert front.collect().body == b"hello"
    finally:
        for front in fronts:
            front.close()
    with daemon.front() as front:
        assert front.run(block).body == b"hello"


def test_threads_of_fronts(host: Host) -> None:
    """Bodies and answers never get mixed up."""
    daemon = host.start(threads=5)
    script = host.script(app(OK + "return [environ['wsgi.input'].read(), environ['QUERY_STRING'].encode()]"))
    problems: list[object] = []

    def client(number: int) -> None:
        source = random.Random(number)
        try:
            with daemon.front() as front:
                for turn in range(40):
                    data = bytes([number]) * source.choice([0, 10, 5000, 70000, 400000])
                    block = request_block(script, body=len(data), environ={"QUERY_STRING": f"{number}-{turn}"})
                    answer = front.run(block, data)
                    if answer.body != data + f"{number}-{turn}".encode():
                        problems.append((number, turn, answer.end))
        except BaseException as problem:  # noqa: BLE001 - a thread's failure is the test's
            problems.append(repr(problem))

    threads = [threading.Thread(target=client, args=(number,)) for number in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not problems
    assert daemon.active() == 0


def test_started_mark(host: Host) -> None:
    daemon = host.start()
    script = host.script(app(OK + "environ['wsgi.input'].read()\nreturn [b'x']"))
    with daemon.front() as front:
        assert daemon.started(front.index) == 0
        front.begin(request_block(script, body=-1), flags=MORE_BODY)
        for _ in range(500):
            if daemon.started(front.index) == 1:
                break
            time.sleep(0.01)
        assert daemon.started(front.index) == 1
        assert daemon.active() == 1
        front.body(b"", FIN)
        assert_fine(front.collect())
        assert daemon.active() == 0
        front.run(request_block(script))
        assert daemon.started(front.index) == 2


@pytest.fixture
def many_descriptors() -> Iterator[None]:
    """As many as it takes to use up the numbers of connections."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < 10000:
        pytest.skip(f"only {hard} descriptors are allowed here")
    resource.setrlimit(resource.RLIMIT_NOFILE, (10000, hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_idle_connections_make_way(host: Host, many_descriptors: None) -> None:
    """The longest idle ones; a request that comes on one of them has not begun."""
    daemon = host.start(threads=2)
    block = request_block(host.script(HELLO))
    fronts = [daemon.front() for _ in range(4000)]
    assert fronts[0].run(block).body == b"hello"
    fronts += [daemon.front() for _ in range(200)]
    assert fronts[0].run(block).body == b"hello", "it was used since"
    assert fronts[-1].run(block).body == b"hello"
    with pytest.raises((Gone, OSError)):
        fronts[1].run(block)
    assert daemon.started(fronts[1].index) != 1
    for front in fronts:
        front.close()


def test_front_that_does_not_read(host: Host) -> None:
    """A worker waits for it, the others go on; nothing of the answer is lost."""
    daemon = host.start(threads=2)
    script = host.script(app(OK + "return [b'x' * (8 << 20)]"))
    hello = request_block(host.script(HELLO, "h.wsgi"))
    with daemon.front() as slow, daemon.front() as quick:
        slow.begin(request_block(script))
        time.sleep(0.2)
        for _ in range(20):
            assert quick.run(hello).body == b"hello"
        assert len(slow.collect().body) == 8 << 20


# A front in a process of its own, because one that is stopped is told from one that waits. It sends what it is given,
# reads as many bytes as it is told, and says on a pipe that it has.
APART = """
import socket, sys
line = socket.socket(socket.AF_UNIX)
line.connect(sys.argv[1])
line.sendall(bytes.fromhex(sys.argv[2]))
count = int(sys.argv[3])
while count > 0:
    count -= len(line.recv(count))
print("read", flush=True)
sys.stdin.read(1)
while line.recv(65536):
    pass
print("end", flush=True)
"""


@contextlib.contextmanager
def front_apart(daemon: Daemon, block: bytes, flags: int, count: int) -> Iterator[subprocess.Popen[bytes]]:
    """A front that has begun this request, and read so many bytes."""
    hello = Frame("HELLO", b"WSGIwire" + struct.pack("=II", 1, daemon.epoch) + daemon.secret)
    request = Frame("REQUEST", struct.pack("=I", len(block)) + block, flags=flags, sequence=1)
    sent = (hello.encode() + request.encode()).hex()
    front = subprocess.Popen(
        [sys.executable, "-c", APART, daemon.path, sent, str(count)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert front.stdout is not None
    assert front.stdout.readline() == b"read\n"
    try:
        yield front
    finally:
        front.kill()
        front.communicate()


LARGE = OK + "try:\n    for n in range(200):\n        yield b'x' * 50000\nfinally:\n    print('left at', n)"
SILENT = "WSGI1010: a connection was closed: Apache's process"


def test_a_stopped_front_takes_nothing(host: Host) -> None:
    """After socket-timeout its thread is free, the application's close() has run, and one line says why."""
    daemon = host.start(threads=2, extra=[("SOCKET_TIMEOUT", 1)])
    block = request_block(host.script(app(LARGE)))
    hello = request_block(host.script(HELLO, "h.wsgi"))
    with front_apart(daemon, block, 0, 100_000) as front, daemon.front() as other:
        front.send_signal(signal.SIGSTOP)
        assert other.run(hello).body == b"hello"
        assert daemon.wait_log("left at", 30), daemon.log
        assert other.run(hello).body == b"hello"
        (line,) = [line for line in daemon.lines if "WSGI1010" in line]
        assert f"{SILENT} {front.pid}, which is stopped, has taken nothing of a response for 1 s" in line
        front.send_signal(signal.SIGCONT)
        out, _ = front.communicate(b"x", timeout=60)
        assert out == b"end\n", "it sees the end of the connection"
    assert daemon.active() == 0
    assert daemon.stop() == 0


def test_a_front_that_is_slow(host: Host) -> None:
    """It takes a little now and then: that is its client's pace, and nothing is cut however long it takes."""
    daemon = host.start(threads=1, extra=[("SOCKET_TIMEOUT", 1)])
    with daemon.front() as front:
        front.begin(request_block(host.script(app(LARGE))))
        time.sleep(0.5)
        for _ in range(8):
            front._fill(len(front.buffer) + 1000)
            time.sleep(0.5)
        answer = front.collect()
        assert len(answer.body) == 10_000_000
        assert "left at 199" in answer.log_text
    assert "WSGI1010" not in daemon.log


def test_a_front_that_lives_and_takes_nothing(host: Host) -> None:
    """It may wait for its client, whose time is its own affair: it has ten times as long."""
    daemon = host.start(threads=1, extra=[("SOCKET_TIMEOUT", 1)])
    block = request_block(host.script(app(LARGE)))
    with front_apart(daemon, block, 0, 100_000) as front:
        begun = time.monotonic()
        assert daemon.wait_log("left at", 60), daemon.log
        assert time.monotonic() - begun > 9
        (line,) = [line for line in daemon.lines if "WSGI1010" in line]
        assert f"{SILENT} {front.pid} has taken nothing of a response for 10 s (socket-timeout, ten times)" in line
    assert daemon.stop() == 0


def test_a_stopped_front_sends_nothing(host: Host) -> None:
    """In the middle of a body; one that lives is waited for, because it knows how long its client may take."""
    daemon = host.start(threads=2, extra=[("SOCKET_TIMEOUT", 1)])
    script = host.script(
        app(OK + "try:\n    environ['wsgi.input'].read()\nfinally:\n    print('read no more')\nreturn []")
    )
    block = request_block(script, body=-1)
    with daemon.front() as alive, front_apart(daemon, block, MORE_BODY, 0) as front:
        alive.begin(block, b"a", MORE_BODY)
        front.send_signal(signal.SIGSTOP)
        assert daemon.wait_log("read no more", 30), daemon.log
        (line,) = [line for line in daemon.lines if "WSGI1010" in line]
        assert f"{SILENT} {front.pid}, which is stopped, has sent nothing of a request's body for 1 s" in line
        time.sleep(2.5)
        alive.body(b"b", FIN)
        assert_fine(alive.collect())
    assert daemon.log.count("WSGI1010") == 1
    assert daemon.stop() == 0


REFUSAL = Frame("REJECT", aux=FULL, sequence=1).encode()


def fill(daemon: Daemon) -> list[socket.socket]:
    """Opens connections that say nothing until one is refused. A daemon closes silent ones after 10 s."""
    held: dict[int, socket.socket] = {}
    look = select.poll()
    for _ in range(4 * 4096):
        line = socket.socket(socket.AF_UNIX)
        line.connect(daemon.path)
        held[line.fileno()] = line
        look.register(line, select.POLLIN)
        for ready, _ in look.poll(200) if len(held) >= 4095 else []:
            if held[ready].recv(100) == REFUSAL:
                assert held[ready].recv(100) == b"", "and it is closed"
                return list(held.values())
            look.unregister(ready)
            held.pop(ready).close()
    raise AssertionError("nobody is refused")


def test_full_table(host: Host, many_descriptors: None) -> None:
    """Whoever comes when all numbers are taken is told so in a frame and closed; one line; the others live on."""
    daemon = host.start(threads=2)
    script = host.script(app(OK + "return [environ['wsgi.input'].read()]"))
    block = request_block(script, body=-1)
    with daemon.front() as front:
        front.begin(block, b"a", MORE_BODY)
        while daemon.active() == 0:
            time.sleep(0.01)
        held = fill(daemon)
        # As an Apache child comes, which may have said HELLO by the time it is refused.
        with socket.socket(socket.AF_UNIX) as late:
            late.settimeout(20)
            late.connect(daemon.path)
            with contextlib.suppress(BrokenPipeError):
                late.sendall(Frame("HELLO", b"WSGIwire" + struct.pack("=II", 1, daemon.epoch) + daemon.secret).encode())
            assert late.recv(100) == REFUSAL
        assert daemon.wait_log("WSGI1001: a connection was refused: all 4096 are in use (0 more since"), daemon.log
        assert daemon.log.count("are in use") == 1, "once a minute"
        for line in held:
            line.close()
        front.body(b"b", FIN)
        assert front.collect().body == b"ab", "who is in goes on"
    for _ in range(1000):
        with contextlib.suppress(AssertionError, Gone, OSError), daemon.front() as again:
            again.begin(block, b"c")
            assert again.collect().body == b"c"
            break
        time.sleep(0.02)
    else:
        pytest.fail("no number came back")
    assert daemon.stop() == 0


def test_dropped_connection_in_mid_response(host: Host) -> None:
    daemon = host.start(threads=1)
    script = host.script(app(OK + "return [b'x' * (8 << 20)]"))
    for _ in range(3):
        front = daemon.front()
        front.begin(request_block(script))
        answer = Answer()
        front.take(answer)
        front.socket.shutdown(socket.SHUT_RDWR)
        front.close()
    assert_alive(daemon, request_block(host.script(HELLO, "h.wsgi")))
    assert "Traceback" not in daemon.log
