# SPDX-License-Identifier: Apache-2.0
"""2.1: what the options of WSGIDaemonProcess change inside the group's processes."""

from __future__ import annotations

from parity.model import DAEMON, Ask, Case, Site
from parity.scripts import FACTS

# group -> options, fact that shows them, option names
GROUPS: dict[str, tuple[str, str, str]] = {
    "nothing": ("", "size,language,who,umask,cwd,nice,limits,eggs,switch,added,metrics,ids", "processes threads"),
    "processes": ("processes=1", "size", "processes"),
    "threads": ("threads=3", "size", "threads"),
    "single": ("threads=1", "size", "threads"),
    "umask": ("umask=0027", "umask", "umask"),
    "home": ("home=@ROOT@/home", "cwd,added", "home"),
    "language": ("lang=de_DE.UTF-8 locale=C.UTF-8", "language,locale", "lang locale"),
    "locale": ("locale=C", "language,locale", "locale"),
    "path": ("python-path=@ROOT@/lib/two:@ROOT@/lib/one", "added", "python-path"),
    "path-home": ("python-path=@ROOT@/lib/two home=@ROOT@/home", "added", "python-path home"),
    "path-quoted": ('python-path="@ROOT@/lib/with blank:@ROOT@/lib/two"', "added", "python-path"),
    "eggs": ("python-eggs=@ROOT@/lib", "eggs", "python-eggs"),
    "venv": ("python-home=@VENV@", "prefix,path", "python-home"),
    "switch": ("switch-interval=0.25", "switch", "switch-interval"),
    "stack": ("stack-size=1048576 threads=2", "size", "stack-size"),
    "priority": ("cpu-priority=7", "nice", "cpu-priority"),
    "cpu": ("cpu-time-limit=50 shutdown-timeout=4", "limits", "cpu-time-limit shutdown-timeout"),
    "memory": ("memory-limit=2000000000", "limits", "memory-limit"),
    "virtual": ("virtual-memory-limit=9000000000", "limits", "virtual-memory-limit"),
    "titled": ("display-name=some-title", "title", "display-name"),
    "group-title": ("display-name=%{GROUP}", "title", "display-name"),
    "timers": (
        "startup-timeout=60 deadlock-timeout=60 inactivity-timeout=600 request-timeout=60 interrupt-timeout=5"
        " graceful-timeout=5 eviction-timeout=5 restart-interval=600 connect-timeout=5 socket-timeout=30"
        " queue-timeout=30 shutdown-timeout=3 response-socket-timeout=30 response-flush-delay=1",
        "size",
        "startup-timeout deadlock-timeout inactivity-timeout request-timeout interrupt-timeout graceful-timeout"
        " eviction-timeout restart-interval connect-timeout socket-timeout queue-timeout response-socket-timeout"
        " response-flush-delay",
    ),
    "buffers": (
        "listen-backlog=10 send-buffer-size=4096 receive-buffer-size=4096 header-buffer-size=8192"
        " response-buffer-size=65536",
        "size",
        "listen-backlog send-buffer-size receive-buffer-size header-buffer-size response-buffer-size",
    ),
}

OF_ROOT: dict[str, tuple[str, str, str]] = {
    "user": ("user=daemon", "ids,who,cwd", "user"),
    "user-number": ("user=#1", "ids,who", "user"),
    "group": ("group=daemon", "ids", "group"),
    "user-group": ("user=daemon group=mail", "ids,who", "user group"),
    "supplementary": ("user=daemon supplementary-groups=mail,#7", "ids", "supplementary-groups"),
    "socket-user": ("socket-user=@USER@", "ids", "socket-user"),
}

RUN_ONCE = """
WSGIDaemonProcess once threads=1 maximum-requests=1
WSGIDaemonProcess many threads=1 processes=2
WSGIScriptAlias /once @APPS@/environ.wsgi process-group=once
WSGIScriptAlias /many @APPS@/environ.wsgi process-group=many
WSGIDaemonProcess owner-user script-user=@USER@
WSGIDaemonProcess owner-group script-group=@GROUP@
WSGIDaemonProcess head header-buffer-size=8192
WSGIScriptAlias /owner-user @APPS@/environ.wsgi process-group=owner-user
WSGIScriptAlias /owner-group @APPS@/environ.wsgi process-group=owner-group
WSGIDaemonProcess foreign socket-user=daemon
WSGIScriptAlias /foreign @APPS@/environ.wsgi process-group=foreign
WSGIScriptAlias /head @ROOT@/head.wsgi process-group=head
"""

HEAD = """
def application(environ, start_response):
    start_response("200 OK", [("X-Long", "x" * int(environ["PATH_INFO"][1:])), ("Content-Type", "text/plain")])
    return [b"page"]
"""

FILES = {
    "facts.wsgi": FACTS,
    "home/": "",
    "lib/one/": "",
    "lib/two/": "",
    "lib/with blank/": "",
    "head.wsgi": HEAD,
}


def lines(groups: dict[str, tuple[str, str, str]]) -> str:
    """A group and a mount each."""
    return "\n".join(
        f"WSGIDaemonProcess {name} {options}\nWSGIScriptAlias /{name} @ROOT@/facts.wsgi process-group={name} "
        "application-group=%{GLOBAL}"
        for name, (options, _, _) in groups.items()
    )


SITES = (
    Site("options", "WSGIRestrictEmbedded On\n" + lines(GROUPS), modes=DAEMON, files=FILES),
    Site("options-of-root", lines(OF_ROOT), modes=DAEMON, files=FILES, needs_root=True),
    Site("options-requests", RUN_ONCE, modes=DAEMON, files=FILES, needs_root=True),
)


def _cases() -> list[Case]:
    made = []
    for site, groups in (("options", GROUPS), ("options-of-root", OF_ROOT)):
        for name, (_, facts, options) in groups.items():
            rows = tuple(f"2.1-{option}" for option in options.split()) + ("1.2-WSGIDaemonProcess",)
            differs = {"body:title": "D702"} if name == "group-title" else {}
            made.append(Case(f"2.1-{name}", rows, site, Ask(f"/{name}?k={facts}"), modes=DAEMON, accepted=differs))
    return made


CASES = (
    *_cases(),
    Case(
        "2.1-run-once",
        ("2.1-maximum-requests", "2.1-threads"),
        "options-requests",
        Ask("/once"),
        modes=DAEMON,
        shows=('"wsgi.run_once": ["bool", "True"]', '"wsgi.multithread": ["bool", "False"]'),
    ),
    Case(
        "2.1-multiprocess",
        ("2.1-processes",),
        "options-requests",
        Ask("/many"),
        modes=DAEMON,
        shows=('"wsgi.multiprocess": ["bool", "True"]',),
    ),
    Case(
        "2.1-script-user",
        ("2.1-script-user",),
        "options-requests",
        Ask("/owner-user"),
        modes=DAEMON,
        status=403,
        codes=(164,),
    ),
    Case(
        "2.1-script-group",
        ("2.1-script-group",),
        "options-requests",
        Ask("/owner-group"),
        modes=DAEMON,
        status=403,
        codes=(155,),
    ),
    Case(
        "2.1-socket-user-foreign",
        ("2.1-socket-user",),
        "options-requests",
        Ask("/foreign"),
        modes=DAEMON,
        status=503,
        codes=(117,),
        accepted={"headers:retry-after": "D703"},
    ),
    Case("2.1-head-fits", ("2.1-header-buffer-size",), "options-requests", Ask("/head/8000"), modes=DAEMON),
    Case(
        "2.1-head-long",
        ("2.1-header-buffer-size",),
        "options-requests",
        Ask("/head/9000"),
        modes=DAEMON,
        status=500,
        codes=(144,),
    ),
)
