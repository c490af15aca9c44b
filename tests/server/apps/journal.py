# SPDX-License-Identifier: Apache-2.0
"""What applications and tests share over the scratch directory: journals and gates."""

import os
import time

HANG = 30


def note(path, word):
    """Appends one line, whole."""
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
    try:
        os.write(descriptor, (word + "\n").encode())
    finally:
        os.close(descriptor)


def pass_gate(path):
    """Waits until the test makes the file."""
    end = time.monotonic() + HANG
    while not os.path.exists(path):
        if time.monotonic() > end:
            raise RuntimeError(f"nobody opened the gate {path}")
        time.sleep(0.005)
