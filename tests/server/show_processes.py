# SPDX-License-Identifier: Apache-2.0
"""`make show-processes`: a server with two groups, and what ps and /proc say of its processes."""

from __future__ import annotations

import os
import subprocess

from harness import Layout, Server, places
from harness.processes import command_line, descendants_of, descriptors, image, maps, status_field

FIELDS = ("Uid", "Gid", "Groups", "Umask", "NoNewPrivs", "CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")


def configure(layout: Layout) -> str:
    """One group of another user where that is possible, one service."""
    user = "user=games group=games home=/" if places().is_root else ""
    service = layout.write_app("service.py", "import time\nwhile True:\n    time.sleep(60)\n")
    return f"""
WSGIDaemonProcess app {user} threads=4 umask=0027 memory-limit=3000000000 no-new-privileges=On env=SECRET=x
WSGIDaemonProcess service threads=0
WSGIScriptAlias / {layout.apps}/whoami.wsgi process-group=app application-group=%{{GLOBAL}}
WSGIImportScript {service} process-group=service application-group=%{{GLOBAL}}
"""


def show(pid: int) -> None:
    """One process."""
    print(f"\n== {pid} {command_line(pid)[:60]} ({image(pid)})")
    for field in FIELDS:
        print(f"{field:12} {' '.join(status_field(pid, field).split())}")
    for number, name in sorted(descriptors(pid).items()):
        print(f"fd {number:<3} {name}")
    files = {line.split(maxsplit=5)[-1] for line in maps(pid).splitlines() if "/" in line}
    print(f"maps: {len(files)} files; {', '.join(sorted(os.path.basename(name) for name in files))}")


def main() -> None:
    """Starts, shows, stops."""
    server = Server(configure, modules=("ssl",)).start()
    try:
        assert server.get("/").status == 200
        pids = [server.pid, *descendants_of(server.pid)]
        listed = ",".join(str(pid) for pid in pids)
        print(
            subprocess.run(
                ["ps", "-o", "pid,ppid,user,nlwp,rss,args", "-p", listed], check=True, text=True, capture_output=True
            ).stdout.rstrip()
        )
        for pid in pids:
            if command_line(pid).startswith(("(wsgi:", "wsgi-supervisor")):
                show(pid)
    finally:
        server.allow(".")
        server.close()


if __name__ == "__main__":
    main()
