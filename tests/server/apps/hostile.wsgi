# SPDX-License-Identifier: Apache-2.0
"""A daemon that has gone over to the enemy: it uses the descriptors and the memory of its own process.

The path says what it does; the answer is its pid, and what the kernel said to the attempt.
"""

import array
import contextlib
import ctypes
import os
import re
import socket
import struct
import threading
import time

HELLO, WELCOME, REQUEST, WANT, BODY, HEAD, DATA, FILE, LOG, END, REJECT, CANCEL = range(1, 13)
CONTROL, LISTENER = 3, 4
READY, RELOAD, FAILED, DRAIN, STOP, LEAVING = range(1, 7)
CONNECTIONS = 4096
BOARD = struct.Struct("=IIIIQ")
TABLES = BOARD.size + 5 * 8


def board():
    """Address of the board."""
    with open("/proc/self/maps") as maps:
        return int(re.search(r"^([0-9a-f]+)-.*wsgi-board", maps.read(), re.M).group(1), 16)


def words(offset, count=CONNECTIONS):
    """Words of the board that can be written."""
    return (ctypes.c_uint32 * count).from_address(board() + offset)


def epoch():
    """Of this process."""
    return words(8, 1)[0]


def sequence():
    """Of the request that runs: this process has one thread."""
    started, ended = words(TABLES), words(TABLES + 4 * CONNECTIONS)
    return next(started[i] for i in range(CONNECTIONS) if started[i] != ended[i])


def connections():
    """Sockets of this process that lead to Apache."""
    numbers = []
    for name in os.listdir("/proc/self/fd"):
        try:
            link = os.readlink("/proc/self/fd/" + name)
        except OSError:
            continue  # that of the list itself
        if link.startswith("socket:") and int(name) not in (CONTROL, LISTENER):
            numbers.append(int(name))
    found = [socket.socket(fileno=os.dup(number)) for number in numbers]
    return [each for each in found if each.family == socket.AF_UNIX]


def frame(kind, payload=b"", flags=0, aux=0, number=None, credit=0, length=None):
    """One frame."""
    number = sequence() if number is None else number
    size = len(payload) if length is None else length
    return struct.pack("=IBBHII", size, kind, flags, aux, number, credit) + payload


def head(*fields, status=b"200 OK"):
    """A head block."""
    block = struct.pack("=I", len(status)) + status + b"\0" + struct.pack("=I", len(fields))
    for name, value in fields:
        block += struct.pack("=II", len(name), len(value)) + name + b"\0" + value + b"\0"
    return block


PLAIN = head((b"Content-Type", b"text/plain"))
FINE = struct.pack("=HHB", 0, 0, 0)


def say(*data, fds=()):
    """Sends on every connection."""
    for each in connections():
        rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))] if fds else []
        with contextlib.suppress(OSError):
            each.sendmsg([b"".join(data)], rights)


def with_file(descriptor, count=1, before=b"", length=100):
    """HEAD, FILE with descriptors, END."""
    if before:
        say(before)
    say(frame(FILE, struct.pack("=QQ", 0, length)), fds=[descriptor] * count)
    say(frame(END, FINE))


def pipe():
    """The reading end of a pipe that nobody writes to."""
    return os.pipe()[0]


LINES = {
    "garbage": lambda: say(b"\xa5" * 4000),
    "html": lambda: say(b"HTTP/1.1 200 OK\r\n\r\nhello"),
    "zeros": lambda: say(bytes(4000)),
    "large-data": lambda: say(frame(HEAD, PLAIN), frame(DATA, b"x" * 65537)),
    "large-log": lambda: say(frame(LOG, b"x" * 8193, aux=3)),
    "large-head": lambda: say(frame(HEAD, length=(1 << 20) + 1)),
    "large-end": lambda: say(frame(END, bytes(1025))),
    "largest": lambda: say(frame(DATA, length=0xFFFFFFFF)),
    "next": lambda: say(frame(HEAD, PLAIN, number=sequence() + 1)),
    "zero": lambda: say(frame(HEAD, PLAIN, number=0)),
    "far": lambda: say(frame(END, FINE, number=0xFFFFFFFF)),
    "front": lambda: say(frame(REQUEST, b"\0\0\0\0")),
    "welcome": lambda: say(frame(WELCOME, number=0)),
    "flag": lambda: say(frame(HEAD, PLAIN, flags=0x80)),
    "field": lambda: say(frame(HEAD, PLAIN, aux=1)),
    "credit": lambda: say(frame(WANT, credit=0)),
    "data-first": lambda: say(frame(DATA, b"x")),
    "two-heads": lambda: say(frame(HEAD, PLAIN), frame(HEAD, PLAIN)),
    "no-head": lambda: say(frame(END, FINE)),
    "end": lambda: say(frame(END, b"x")),
    "end-status": lambda: say(frame(END, struct.pack("=HHB", 200, 1, 0))),
    "cut-for-nothing": lambda: say(frame(HEAD, PLAIN), frame(END, FINE, flags=0x20)),
    "late-reject": lambda: say(frame(HEAD, PLAIN), frame(REJECT, aux=1)),
    "no-file": lambda: say(frame(HEAD, PLAIN), frame(FILE, struct.pack("=QQ", 0, 9))),
    "file-first": lambda: with_file(os.open("/etc/passwd", os.O_RDONLY)),
    "file-range": lambda: say(frame(HEAD, PLAIN))
    or say(frame(FILE, struct.pack("=QQ", 1 << 63, 9)), fds=[os.open("/etc/passwd", os.O_RDONLY)]),
    "file-pipe": lambda: with_file(pipe(), before=frame(HEAD, PLAIN)),
    "file-directory": lambda: with_file(os.open("/", os.O_RDONLY), before=frame(HEAD, PLAIN)),
    "file-device": lambda: with_file(os.open("/dev/zero", os.O_RDONLY), before=frame(HEAD, PLAIN)),
    "files": lambda: with_file(os.open("/etc/passwd", os.O_RDONLY), 3, before=frame(HEAD, PLAIN)),
    "head-block": lambda: say(frame(HEAD, b"\xff" * 40)),
    "head-short": lambda: say(frame(HEAD, PLAIN[:-3])),
    "head-split": lambda: say(frame(HEAD, head((b"X", b"a\r\nSet-Cookie: b")))),
    "head-name": lambda: say(frame(HEAD, head((b"X Y", b"a")))),
    "head-status": lambda: say(frame(HEAD, head(status=b"100 Continue"))),
    "head-many": lambda: say(frame(HEAD, head(*[(b"X", b"y")] * 1001))),
    "hang-up": lambda: [each.shutdown(socket.SHUT_RDWR) for each in connections()],
    # These are refused without a loss: the answer behind them stands.
    "credits": lambda: say(frame(WANT, credit=0xFFFFFFFF) * 100),
    "odd-log": lambda: say(frame(LOG, b"a\0b\x1b[31m\r\nWSGI1234: c", aux=0xFFFF)),
}


def control(*data, fds=()):
    """Sends each message to the supervisor; what the kernel said at last."""
    line = socket.socket(fileno=os.dup(CONTROL))
    rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))] if fds else []
    for message in data:
        try:
            line.sendmsg([message], rights)
        except OSError as problem:
            return problem.strerror
    return "sent"


def message(kind, of=None, why=0, text=b""):
    """A control message."""
    return struct.pack("=IIII", kind, epoch() if of is None else of, why, 0) + text


def flood():
    """Until nobody listens any more."""
    line = socket.socket(fileno=os.dup(CONTROL))
    line.setblocking(True)
    ready, sent = message(READY), 0
    while sent < 1000000:
        try:
            line.send(ready)
        except OSError:
            break
        sent += 1
    return "cut off" if sent < 1000000 else "never cut off"


def forever():
    """A flood that lasts, from a thread: messages that are fine, as many as the kernel takes."""
    threading.Thread(target=flood, daemon=True).start()


CONTROLS = {
    "type": lambda: control(message(99)),
    "nothing": lambda: control(message(0)),
    "stop": lambda: control(message(STOP)),
    "drain": lambda: control(message(DRAIN)),
    "short": lambda: control(b"abc"),
    "long": lambda: control(message(READY) + b"x" * 60000),
    "text": lambda: control(message(READY, text=b"text")),
    "epoch": lambda: control(message(LEAVING, of=epoch() + 1)),
    "why": lambda: control(message(LEAVING, why=4000000000)),
    "flood": flood,
    # Allowed: nothing is logged.
    "ready": lambda: control(*[message(READY)] * 20),
    "descriptors": lambda: control(*[message(READY)] * 50, fds=[0, 1, 2]),
}


def printed(data):
    """Straight into the log pipe."""
    at = 0
    while at < len(data):
        try:
            at += os.write(2, data[at : at + 4096])
        except BlockingIOError:
            time.sleep(0.001)
    return "printed"


def pour():
    """Lines as fast as they are taken, until the process ends."""
    line = b"poured %s\n" % (b"x" * 90)
    while True:
        try:
            os.write(2, line * 40)
        except BlockingIOError:
            time.sleep(0)
        except OSError:
            return


PRINTS = {
    "endless": lambda: printed(b"e" * 300000 + b"\n"),
    "nul": lambda: printed(b"before\0after\n\0\0\0\n"),
    "letters": lambda: printed(b"".join(b"\x01" + bytes([n]) + b"letter %d\n" % n for n in range(32, 256))),
    "more": lambda: printed(b"\x01+nothing is open\n\x01K" + b"y" * 20000 + b"\n\x01+tail\n\x01\n\x01+\n"),
    "place": lambda: printed(b"\x01;" + b"f" * 600 + b"\0" + b"9" * 40 + b"\0placed\n\x01;no place\n"),
    "pour": lambda: threading.Thread(target=pour, daemon=True).start(),
}


def lie(offset, *values):
    """Writes words at an offset of the board."""
    target = words(offset, len(values))
    for i, value in enumerate(values):
        target[i] = value
    return "written"


BOARDS = {
    "counts": lambda: lie(12, 0xFFFFFFFF, 0xFFFFFFFF, 0xFFFFFFFF),
    "magic": lambda: lie(0, 0, 0),
    "epoch": lambda: lie(8, 0),
    "tables": lambda: lie(TABLES, *[0x5A5A5A5A] * (2 * CONNECTIONS)),
}


def broken_board():
    """The board says nothing of use, and the process ends in the middle of a request."""
    lie(0, 0, 0)
    os._exit(1)


def deaf():
    """No line to the supervisor any more, and no reaction to anything."""
    os.dup2(os.open("/dev/null", os.O_RDWR), CONTROL)
    os.kill(os.getpid(), 19)
    time.sleep(60)


def rogue():
    """Breaks the rules, and cannot be told to go: it stands still from now on."""
    control(message(99))
    os.kill(os.getpid(), 19)
    time.sleep(60)


def close_listener():
    """Nobody can connect any more, whatever process serves there."""
    socket.socket(fileno=os.dup(LISTENER)).shutdown(socket.SHUT_RDWR)
    return "shut down"


OTHERS = {
    "broken-board": broken_board,
    "deaf": deaf,
    "listener": close_listener,
    "ok": lambda: "ok",
    "rogue": rogue,
}

TABLES_OF = {"line": LINES, "control": CONTROLS, "print": PRINTS, "board": BOARDS, "other": OTHERS}


def application(environ, start_response):
    """/KIND/NAME"""
    kind, name = environ["PATH_INFO"].strip("/").split("/")
    said = TABLES_OF[kind][name]()
    if kind == "line" and environ["QUERY_STRING"] == "stay":
        time.sleep(60)
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [f"{os.getpid()} {said}".encode()]
