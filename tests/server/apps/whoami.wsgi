# SPDX-License-Identifier: Apache-2.0
"""Who and where the process is."""

import json
import os
import sys

AT_IMPORT = dict(os.environ)


def application(environ, start_response):
    here = {
        "pid": os.getpid(),
        "cwd": os.getcwd(),
        "root": sorted(os.listdir("/")),
        "file": __file__,
        "path": sys.path,
        "script": environ.get("SCRIPT_FILENAME"),
        "documents": environ.get("DOCUMENT_ROOT"),
        "environ": AT_IMPORT,
        "utf8": sys.flags.utf8_mode,
        "names": sys.getfilesystemencoding(),
    }
    body = json.dumps(here).encode()
    start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
    return [body]
