# SPDX-License-Identifier: Apache-2.0
"""1.1, 1.2, appendix B: every directive in every place, allowed or not."""

from __future__ import annotations

from parity.model import EMBEDDED, Ask, Case, Check, Site

# directive -> (context code of the behaviour description, arguments that are valid wherever it is allowed)
DIRECTIVES: dict[str, tuple[str, str]] = {
    "WSGIScriptAlias": ("R", "/x @APPS@/environ.wsgi"),
    "WSGIScriptAliasMatch": ("R", "^/x(.*) @APPS@/environ.wsgi$1"),
    "WSGIDaemonProcess": ("R", "one"),
    "WSGISocketPrefix": ("G", "@RUNTIME@/wsgi"),
    "WSGISocketRotation": ("G", "Off"),
    "WSGIAcceptMutex": ("G", "default"),
    "WSGIVerboseDebugging": ("G", "On"),
    "WSGIDontWriteBytecode": ("G", "On"),
    "WSGIPythonWarnings": ("G", "error"),
    "WSGIPythonOptimize": ("G", "1"),
    "WSGIPythonHome": ("G", "/usr"),
    "WSGIPythonPath": ("G", "@SCRATCH@"),
    "WSGIPythonEggs": ("G", "@SCRATCH@"),
    "WSGIPythonHashSeed": ("G", "7"),
    "WSGISwitchInterval": ("G", "0.1"),
    "WSGIDestroyInterpreter": ("G", "Off"),
    "WSGIPerInterpreterGIL": ("G", "On"),
    "WSGIFreeThreading": ("G", "On"),
    "WSGIRestrictEmbedded": ("G", "On"),
    "WSGIRestrictStdin": ("G", "On"),
    "WSGIRestrictStdout": ("G", "On"),
    "WSGIRestrictSignal": ("G", "Off"),
    "WSGICaseSensitivity": ("G", "Off"),
    "WSGIServerMetrics": ("G", "On"),
    "WSGITelemetryService": ("G", "unix:@SCRATCH@/telemetry"),
    "WSGISlowRequests": ("G", "1"),
    "WSGITelemetryOptions": ("G", "None"),
    "WSGIImportScript": ("R", "@APPS@/environ.wsgi process-group=%{GLOBAL} application-group=%{GLOBAL}"),
    "WSGIRestrictProcess": ("RA", "one two"),
    "WSGIProcessGroup": ("RA", "%{GLOBAL}"),
    "WSGIApplicationGroup": ("RA", "%{GLOBAL}"),
    "WSGIDispatchScript": ("RA", "@APPS@/none.wsgi"),
    "WSGIPassApacheRequest": ("RA", "On"),
    "WSGIHandlerScript": ("RA", "name @APPS@/none.wsgi"),
    "WSGICallableObject": ("F", "second"),
    "WSGIPassAuthorization": ("F", "On"),
    "WSGIScriptReloading": ("F", "Off"),
    "WSGIErrorOverride": ("F", "On"),
    "WSGIChunkedRequest": ("F", "On"),
    "WSGIMapHEADToGET": ("F", "Off"),
    "WSGIIgnoreActivity": ("F", "On"),
    "WSGITrustedProxyHeaders": ("F", "X-Forwarded-For"),
    "WSGITrustedProxies": ("F", "127.0.0.1"),
    "WSGIEnableSendfile": ("F", "On"),
    "WSGIAccessScript": ("A", "@APPS@/none.wsgi"),
    "WSGIAuthUserScript": ("A", "@APPS@/none.wsgi"),
    "WSGIAuthGroupScript": ("A", "@APPS@/none.wsgi"),
    "WSGIGroupAuthoritative": ("A", "On"),
}

SECTION = "<WSGIInterpreterOptions>"

PLACES = {
    "server": "{}",
    "vhost": "<VirtualHost *:@PORT0@>\nServerName a.invalid\n{}\n</VirtualHost>",
    "directory": '<Directory "@HTDOCS@">\n{}\n</Directory>',
    "location": "<Location /here>\n{}\n</Location>",
    "files": '<Files "*.txt">\n{}\n</Files>',
    "vhost-directory": '<VirtualHost *:@PORT0@>\n<Directory "@HTDOCS@">\n{}\n</Directory>\n</VirtualHost>',
}

# Where a directive of each context code may stand.
ALLOWED = {
    "G": {"server"},
    "R": {"server", "vhost"},
    "RA": set(PLACES),
    "F": set(PLACES),
    "A": set(PLACES) - {"server", "vhost"},
}


def _rows(directive: str, code: str, place: str) -> tuple[str, ...]:
    """The directive's own row; a misplaced global one shows a row of appendix B too."""
    rows = (f"1.2-{directive}",)
    if code == "G" and place == "vhost":
        return (*rows, "B-global-in-vhost")
    if code == "G" and place == "directory":
        return (*rows, "B-global-in-directory")
    return rows


def _checks() -> list[Check]:
    made = []
    for directive, (code, arguments) in {**DIRECTIVES, SECTION: ("G", "")}.items():
        line = f"{directive} {arguments}"
        if directive == SECTION:
            line = "<WSGIInterpreterOptions process-group=one>\nWSGIRestrictStdin On\n</WSGIInterpreterOptions>"
        for place, around in PLACES.items():
            allowed = place in ALLOWED[code]
            made.append(
                Check(
                    f"1.2-{directive.strip('<>')}-in-{place}",
                    _rows(directive, code, place),
                    around.format(line),
                    refused=not allowed,
                    says="" if allowed else "not allowed (here|in)|cannot occur within",
                )
            )
    return made


CHECKS = tuple(_checks())

# ---- .htaccess -----------------------------------------------------------------------------

OVERRIDES = ("FileInfo", "AuthConfig", "None")
HTACCESS_CODE = {"F": "FileInfo", "A": "AuthConfig"}

SITES = (
    Site(
        "htaccess",
        "\n".join(
            f'<Directory "@HTDOCS@/{override}">\nAllowOverride {override}\n</Directory>' for override in OVERRIDES
        ),
        modes=EMBEDDED,
        files={
            f"htdocs/{override}/{directive}/{name}": text
            for override in OVERRIDES
            for directive, (_, arguments) in DIRECTIVES.items()
            for name, text in ((".htaccess", f"{directive} {arguments}\n"), ("page.txt", "page\n"))
        },
    ),
)


def _cases() -> list[Case]:
    made = []
    for directive, (code, _) in DIRECTIVES.items():
        for override in OVERRIDES[:2]:
            allowed = HTACCESS_CODE.get(code) == override
            # The only one of these that runs for a static file: its script is not there.
            asked = directive == "WSGIAccessScript" and allowed
            made.append(
                Case(
                    f"1.2-{directive}-htaccess-{override}",
                    (f"1.2-{directive}",),
                    "htaccess",
                    Ask(f"/{override}/{directive}/page.txt"),
                    status=403 if asked else 200 if allowed else 500,
                    codes=(105,) if asked else (),
                    modes=EMBEDDED,
                )
            )
    made.append(
        Case(
            "1.2-htaccess-off",
            ("1.2-WSGIScriptAlias",),
            "htaccess",
            Ask("/None/WSGIScriptAlias/page.txt"),
            modes=EMBEDDED,
        )
    )
    return made


CASES = tuple(_cases())
