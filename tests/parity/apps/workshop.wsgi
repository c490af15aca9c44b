# SPDX-License-Identifier: Apache-2.0
"""Changes files of the scratch directory between two requests: ?do=write&file=F&text=T&time=N

`time` is the modification time in seconds; text may hold \\n. do=touch sets the time only,
do=remove removes, do=read gives the content.
"""

import os
import sys

from urllib.parse import parse_qs

SCRATCH = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "scratch")


def application(environ, start_response):
    query = {key: values[0] for key, values in parse_qs(environ["QUERY_STRING"]).items()}
    path = os.path.join(os.environ.get("WORKSHOP", SCRATCH), os.path.basename(query["file"]))
    text = b"done"
    if query["do"] == "write":
        with open(path + ".new", "w") as stream:
            stream.write(query["text"].replace("\\n", "\n"))
        os.utime(path + ".new", (int(query["time"]), int(query["time"])))
        os.replace(path + ".new", path)
    elif query["do"] == "touch":
        os.utime(path, (int(query["time"]), int(query["time"])))
    elif query["do"] == "remove":
        os.unlink(path)
    else:
        with open(path, "rb") as stream:
            text = stream.read()
    kind = "application/json" if text.startswith(b"{") else "text/plain"
    start_response("200 OK", [("Content-Type", kind), ("Content-Length", str(len(text)))])
    return [text]
