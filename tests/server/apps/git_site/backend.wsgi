# SPDX-License-Identifier: Apache-2.0
"""git's own server program, `git http-backend`, behind WSGI: the bridge that CGI has in Apache itself."""

import os
import shutil
import subprocess

GIT = shutil.which("git", path="/usr/local/bin:/usr/bin:/bin")
ROOT = os.path.realpath(os.path.join(os.path.dirname(__file__), "../../scratch/git"))
BLOCK = 65536


class Output:
    """What the program still writes; the program ends with the response."""

    def __init__(self, process):
        self.process = process

    def __iter__(self):
        return iter(lambda: self.process.stdout.read1(BLOCK), b"")

    def close(self):
        self.process.stdout.close()
        self.process.wait()


def variables(environ):
    """The request as CGI has it. Chunks are apart already, so nothing is said of them."""
    kept = {
        name: value
        for name, value in environ.items()
        if isinstance(value, str) and "." not in name and name != "HTTP_TRANSFER_ENCODING"
    }
    return {
        **kept,
        "PATH": "/usr/local/bin:/usr/bin:/bin",
        "GIT_PROJECT_ROOT": ROOT,
        "GIT_HTTP_EXPORT_ALL": "1",
        "GIT_PROTOCOL": environ.get("HTTP_GIT_PROTOCOL", ""),
        # The repositories belong to whoever made them.
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": "safe.directory",
        "GIT_CONFIG_VALUE_0": "*",
    }


def feed(source, pipe):
    """Hands the body on as it comes."""
    try:
        while data := source.read(BLOCK):
            pipe.write(data)
        pipe.close()
    except BrokenPipeError:
        pass  # it has heard enough, and says why


def application(environ, start_response):
    process = subprocess.Popen(
        [GIT, "http-backend"], env=variables(environ), stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    try:
        feed(environ["wsgi.input"], process.stdin)
        headers = []
        while line := process.stdout.readline().decode("latin-1").strip():
            name, _, value = line.partition(":")
            headers.append((name, value.strip()))
    except BaseException:
        process.kill()
        Output(process).close()
        raise
    status = next((value for name, value in headers if name == "Status"), "200 OK")
    start_response(status, [pair for pair in headers if pair[0] != "Status"])
    return Output(process)
