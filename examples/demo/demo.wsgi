# SPDX-License-Identifier: Apache-2.0
"""The demo: one page that shows what served it. The standard library is all it needs.

/          the page              /health    "ok", for probes
/json      the same as JSON      anything else: 404
"""

import html
import importlib
import json
import os
import platform
import re
import sys
import threading
import time

STARTED = time.time()
COUNT_LOCK = threading.Lock()
COUNT = 0

PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{title}</title>
<style>
:root {{
  --paper: #fbfaf7; --ink: #1d2429; --soft: #5d6970; --line: #dfdcd3; --card: #ffffff; --mark: #0b6e5f;
}}
@media (prefers-color-scheme: dark) {{
  :root {{
    --paper: #14191c; --ink: #e6e9e6; --soft: #93a0a6; --line: #2b3439; --card: #1b2226; --mark: #5fc9b3;
  }}
}}
* {{ box-sizing: border-box; }}
body {{
  margin: 0; background: var(--paper); color: var(--ink);
  font: 16px/1.55 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", sans-serif;
}}
main {{ max-width: 58rem; margin: 0 auto; padding: 3rem 1.25rem 4rem; }}
h1 {{ font-size: 1.9rem; line-height: 1.2; margin: 0 0 .4rem; letter-spacing: -.01em; }}
h2 {{ font-size: 1.05rem; margin: 2.6rem 0 .7rem; }}
p.lead {{ color: var(--soft); margin: 0; max-width: 44rem; }}
code, td, dd.mono {{ font-family: ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; font-size: .875em; }}
.path {{ display: flex; flex-wrap: wrap; align-items: stretch; gap: .5rem; margin: 1.8rem 0 0; padding: 0; list-style: none; }}
.path li {{
  background: var(--card); border: 1px solid var(--line); border-radius: .5rem; padding: .55rem .85rem; flex: 1 1 11rem;
}}
.path li:last-child {{ border-color: var(--mark); }}
.path b {{ display: block; }}
.path span {{ color: var(--soft); font-size: .85rem; }}
dl {{ display: grid; grid-template-columns: repeat(auto-fill, minmax(13rem, 1fr)); gap: 1rem 1.5rem; margin: 0; }}
dt {{ color: var(--soft); font-size: .82rem; }}
dd {{ margin: .1rem 0 0; overflow-wrap: anywhere; }}
dd.count {{ font-size: 1.6rem; line-height: 1.2; color: var(--mark); font-variant-numeric: tabular-nums; }}
.scroll {{ overflow-x: auto; border: 1px solid var(--line); border-radius: .5rem; background: var(--card); }}
table {{ border-collapse: collapse; width: 100%; }}
th, td {{ text-align: left; vertical-align: top; padding: .35rem .85rem; border-top: 1px solid var(--line); }}
tr:first-child th, tr:first-child td {{ border-top: 0; }}
th {{ font: 500 .82rem/1.7 ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; white-space: nowrap; color: var(--soft); }}
td {{ overflow-wrap: anywhere; min-width: 16rem; }}
a {{ color: var(--mark); }}
footer {{ margin-top: 2.6rem; color: var(--soft); font-size: .85rem; }}
</style>
</head>
<body>
<main>
<h1>{title}</h1>
<p class="lead">{lead}</p>
<ol class="path" aria-label="The way of this request">
{path}
</ol>
<h2>What served this page</h2>
<dl>
{facts}
</dl>
<h2>The environ of this request</h2>
<div class="scroll"><table>
{environ}
</table></div>
<footer>The same as <a href="json">JSON</a>. Ask again and see which process answers.</footer>
</main>
</body>
</html>
"""


def wsgi_module():
    """Return the module mod_wsgi, None under another server."""
    try:
        return importlib.import_module("mod_wsgi")
    except ImportError:
        return None


def dotted(version):
    """Return a version as text, whether it is a tuple or one already."""
    return ".".join(map(str, version)) if isinstance(version, (tuple, list)) else str(version)


def next_count():
    """Count this request; the number is this process's own."""
    global COUNT
    with COUNT_LOCK:
        COUNT += 1
        return COUNT


def apache_version(environ):
    """Return Apache's version; where its tokens hide it, the one that the module was built for."""
    told = re.match(r"Apache/(\d[\d.]*)", environ.get("SERVER_SOFTWARE", ""))
    return told.group(1) if told else dotted(environ.get("apache.version", "unknown"))


def collect(environ):
    """Return what there is to be known about the process that serves this request."""
    module = wsgi_module()
    process_group = environ.get("mod_wsgi.process_group", "")
    return {
        "mode": "daemon" if process_group else "embedded",
        "process_group": process_group,
        "application_group": environ.get("mod_wsgi.application_group", ""),
        "pid": os.getpid(),
        "parent_pid": os.getppid(),
        "processes": getattr(module, "maximum_processes", None),
        "threads": getattr(module, "threads_per_process", None),
        "thread": threading.current_thread().name,
        "count": next_count(),
        "up_seconds": round(time.time() - STARTED, 1),
        "python": platform.python_version(),
        "executable": sys.executable,
        "prefix": sys.prefix,
        "user": os.getuid(),
        "directory": os.getcwd(),
        "apache": apache_version(environ),
        "server_software": environ.get("SERVER_SOFTWARE", ""),
        "mod_wsgi": dotted(environ.get("mod_wsgi.version", getattr(module, "version", ""))),
        "script": environ.get("SCRIPT_FILENAME", ""),
        "multiprocess": bool(environ.get("wsgi.multiprocess")),
        "multithread": bool(environ.get("wsgi.multithread")),
    }


def text_environ(environ):
    """Return the environ with all values as text."""
    return {str(key): value if isinstance(value, str) else repr(value) for key, value in environ.items()}


def steps(facts):
    """Return the way of the request as (what, detail)."""
    browser, apache = "your browser", "Apache " + facts["apache"]
    if facts["mode"] == "daemon":
        group = "process group " + facts["process_group"]
        return [(browser, "HTTP"), (apache, "hands the request over"), (group, "process %d, its own Python" % facts["pid"])]
    return [(browser, "HTTP"), (apache, "process %d, Python inside" % facts["pid"])]


def render(facts, environ):
    """Return the page."""
    quote = html.escape
    daemon = facts["mode"] == "daemon"
    lead = (
        "This application runs in a daemon process of its own, started from its own Python. Apache hands requests over."
        if daemon
        else "This application runs embedded, inside one of Apache's own processes."
    )
    shown = [
        ("requests served by this process", facts["count"], "count"),
        ("process group", facts["process_group"] or "none: embedded", "mono"),
        ("application group", facts["application_group"] or "%{GLOBAL}, the main interpreter", "mono"),
        ("process", facts["pid"], "mono"),
        ("processes of the group", facts["processes"], "mono"),
        ("threads of each process", facts["threads"], "mono"),
        ("this thread", facts["thread"], "mono"),
        ("running as user", facts["user"], "mono"),
        ("up for", "%s seconds" % facts["up_seconds"], "mono"),
        ("Python", facts["python"], "mono"),
        ("interpreter", facts["executable"], "mono"),
        ("Apache", facts["apache"], "mono"),
        ("mod_wsgi interface", facts["mod_wsgi"], "mono"),
        ("script", facts["script"], "mono"),
        ("working directory", facts["directory"], "mono"),
    ]
    return PAGE.format(
        title="It works: %s" % ("a daemon process group" if daemon else "embedded in Apache"),
        lead=lead,
        path="\n".join("<li><b>%s</b><span>%s</span></li>" % (quote(a), quote(b)) for a, b in steps(facts)),
        facts="\n".join(
            '<div><dt>%s</dt><dd class="%s">%s</dd></div>' % (quote(name), kind, quote(str(value)))
            for name, value, kind in shown
            if value not in (None, "")
        ),
        environ="\n".join(
            "<tr><th scope=row>%s</th><td>%s</td></tr>" % (quote(key), quote(value))
            for key, value in sorted(text_environ(environ).items())
        ),
    )


def answer(start_response, status, kind, text):
    """Send one whole answer."""
    body = text.encode("utf-8", "backslashreplace")
    headers = [
        ("Content-Type", kind + "; charset=utf-8"),
        ("Content-Length", str(len(body))),
        ("Cache-Control", "no-store"),
        ("X-Content-Type-Options", "nosniff"),
    ]
    start_response(status, headers)
    return [body]


def application(environ, start_response):
    """Serve the demo."""
    path = environ.get("PATH_INFO", "") or "/"
    if path == "/health":
        return answer(start_response, "200 OK", "text/plain", "ok\n")
    if path == "/json" or (path == "/" and "format=json" in environ.get("QUERY_STRING", "")):
        told = dict(collect(environ), environ=text_environ(environ))
        return answer(start_response, "200 OK", "application/json", json.dumps(told, indent=2, sort_keys=True) + "\n")
    if path == "/":
        return answer(start_response, "200 OK", "text/html", render(collect(environ), environ))
    return answer(start_response, "404 Not Found", "text/plain", "There is nothing here. The page is at /.\n")
