# SPDX-License-Identifier: Apache-2.0
"""The rows of the behaviour description that need a comparison: id -> what it says, in our words.

An id is the section, a hyphen, and a name. Sections 1.2 and 2.1 are generated from their names.
"""

from __future__ import annotations

from collections import Counter

from harness.places import ROOT


def _words(text: str) -> list[str]:
    return text.split()


DIRECTIVES = _words("""
WSGIScriptAlias WSGIScriptAliasMatch WSGIDaemonProcess WSGISocketPrefix WSGISocketRotation WSGIAcceptMutex
WSGIVerboseDebugging WSGIDontWriteBytecode WSGIPythonWarnings WSGIPythonOptimize WSGIPythonHome WSGIPythonPath
WSGIPythonEggs WSGIPythonHashSeed WSGISwitchInterval WSGIDestroyInterpreter WSGIPerInterpreterGIL WSGIFreeThreading
<WSGIInterpreterOptions> WSGIRestrictEmbedded WSGIRestrictStdin WSGIRestrictStdout WSGIRestrictSignal
WSGICaseSensitivity WSGIRestrictProcess WSGIProcessGroup WSGIApplicationGroup WSGICallableObject WSGIImportScript
WSGIDispatchScript WSGIPassApacheRequest WSGIPassAuthorization WSGIScriptReloading WSGIErrorOverride
WSGIChunkedRequest WSGIMapHEADToGET WSGIIgnoreActivity WSGITrustedProxyHeaders WSGITrustedProxies
WSGIEnableSendfile WSGIAccessScript WSGIAuthUserScript WSGIAuthGroupScript WSGIGroupAuthoritative WSGIHandlerScript
WSGIServerMetrics WSGITelemetryService WSGISlowRequests WSGITelemetryOptions
""")

OPTIONS = _words("""
user group supplementary-groups processes threads umask chroot home lang locale python-home python-path python-eggs
switch-interval stack-size maximum-requests startup-timeout shutdown-timeout deadlock-timeout inactivity-timeout
request-timeout interrupt-timeout graceful-timeout eviction-timeout restart-interval connect-timeout socket-timeout
queue-timeout listen-backlog display-name send-buffer-size receive-buffer-size header-buffer-size
response-buffer-size response-socket-timeout response-flush-delay socket-user script-user script-group
cpu-time-limit cpu-priority memory-limit virtual-memory-limit server-metrics
""")

# Names that 6.0 and earlier releases took out; ours accepts them with one line.
REMOVED = _words("""
WSGILazyInitialization WSGINewRelicConfigFile WSGINewRelicEnvironment WSGIPythonExecutable WSGIReloadMechanism
WSGIOutputBuffering WSGIUserAuthoritative WSGIPy3kWarningFlag
""")

TEXTS: dict[str, dict[str, str]] = {
    "1.2": dict.fromkeys(DIRECTIVES, "its effect, its contexts, its values"),
    "1.3": {
        "global-folded": "process-group and application-group %{GLOBAL} become the empty name at once",
        "other-tokens": "other tokens of the alias options are expanded for each request",
        "callable-literal": "callable-object of an alias is literal",
        "preload": "both groups fixed: the script is loaded when the processes start",
        "preload-order": "... and so the daemon group has to be reachable from there",
        "preload-not": "one group, a token, or $ in the target: no preload, no order",
        "preload-embedded": "an embedded preload does not force Python into the children",
        "preload-directory": "a directory as target: loading it fails in the log only",
        "notes-win": "alias options win over directives of any scope",
    },
    "1.4": {
        "unset-process": "no WSGIProcessGroup: embedded",
        "unset-application": "no WSGIApplicationGroup: as %{RESOURCE}",
        "unset-auth": "no application-group of an auth, access or dispatch script: main interpreter",
        "literal-process": "a name without % is literal: process group",
        "literal-application": "a name without % is literal: application group",
        "literal-auth": "a name without % is literal: auth, access, dispatch",
        "global-process": "%{GLOBAL}: embedded",
        "global-application": "%{GLOBAL}: main interpreter",
        "global-auth": "%{GLOBAL}: main interpreter for auth, access, dispatch",
        "resource-process": "%{RESOURCE} as process group",
        "resource-application": "%{RESOURCE}: server[:port]|script",
        "resource-auth": "%{RESOURCE} is literal for auth, access, dispatch",
        "server-process": "%{SERVER} as process group",
        "server-application": "%{SERVER}: ServerName[:port]",
        "server-auth": "%{SERVER} for auth, access, dispatch",
        "host-process": "%{HOST} as process group",
        "host-application": "%{HOST}: Host header[:port]",
        "host-auth": "%{HOST} for auth, access, dispatch",
        "env-process": "%{ENV:X} as process group",
        "env-application": "%{ENV:X} as application group",
        "env-auth": "%{ENV:X} is literal for auth, access, dispatch",
        "port-80-443": "ports 80 and 443 are left out, others not",
        "host-empty": "an empty Host falls back to ServerName",
        "script-slashes": "the script's URL with // collapsed; lower case when WSGICaseSensitivity Off",
        "env-sources": "notes, then subprocess environment, then process environment",
        "env-again": "a value that begins with % is expanded once more, but not %{ENV:",
        "env-undefined": "an undefined variable leaves the token as it is",
        "whole-value": "text before or after a token makes it literal",
    },
    "1.5": {
        "no-selector": "a section without selectors",
        "one-selector": "a section with a process group or an application group",
        "two-selectors": "a section with both",
        "global-selector": "%{GLOBAL}: embedded processes, main interpreter",
        "literal-values": "selectors are compared with the expanded names",
        "selector-case": "names of selectors in any case",
        "seven-directives": "the seven directives that a section scopes",
        "other-directives": "other directives act as if they stood outside",
        "most-specific": "the most specific section wins, each directive by itself",
        "later-wins": "equally specific: the later one",
        "base": "the global value is the base",
        "path-layers": "WSGIPythonPath: all sections apply, the most specific in front",
        "switch-skipped": "a switch interval for a sub-interpreter without own GIL is skipped",
        "errors": "no >, no =, unknown selector, selector twice",
    },
    "2.1": dict.fromkeys(OPTIONS, "value, range, effect"),
    "2.2": {
        "script-alias": "four options",
        "script-alias-match": "four options",
        "handler-script": "three options, expanded for each request",
        "import-script": "two options, both required",
        "decision-scripts": "one option of dispatch, access and auth scripts",
    },
    "3.2": {
        "decoded-uri": "matching works on the decoded, normalised URI; a URI without a leading / is skipped",
        "first-match": "configuration order, first match wins",
        "vhost-first": "entries of the virtual host before those of the main server",
        "literal": "a plain alias is literal and case-sensitive",
        "slash-runs": "runs of / match runs of /",
        "boundary": "a match ends at a / unless the pattern ends in /",
        "regex": "the Match form is an unanchored regex with $0-$9 in the target",
        "regex-empty": "an empty match is ignored",
        "filename": "target + rest of the URI; target + whole URI for /",
        "directory-target": "a directory exposes each script below it",
        "directory-itself": "a request for the directory itself is 403",
        "trailing-slashes": "trailing slashes of location and target have to agree",
        "exec-cgi-free": "aliased scripts need no ExecCGI",
        "option-notes": "options travel as notes; other modules may set them",
        "script-name": "SCRIPT_NAME and PATH_INFO as CGI has them, // collapsed",
        "root-mount": "a mount at /: SCRIPT_NAME empty",
        "directory-access": "access control of the target's directory holds",
        "mod-alias-wins": "Alias, ScriptAlias and Redirect win",
    },
    "3.3": {
        "handler-name": "wsgi-script and application/x-httpd-wsgi, else not ours",
        "exec-cgi": "403 without ExecCGI and alias",
        "missing": "404 when the script is missing",
        "directory": "403 for a directory",
        "path-info": "404 for PATH_INFO under AcceptPathInfo Off",
        "transfer-encoding": "a transfer coding other than chunked",
        "chunked": "411 for chunked without WSGIChunkedRequest",
        "length-and-chunked": "Content-Length beside chunked is dropped by the core",
        "bad-length": "400 for a Content-Length that is no number",
        "length-limit": "413 above LimitRequestBody",
        "dispatch-failure": "500 when a dispatch function fails",
        "allow-list": "500 for a group outside WSGIRestrictProcess",
        "group-none": "500 when no daemon group is configured at all",
        "group-unknown": "500 for an unknown group",
        "group-unreachable": "500 for a group of another virtual host",
        "group-same-name": "a group of a virtual host with the same ServerName is reachable",
        "owner": "403 by script-user and script-group",
        "embedded-off": "500 when embedded use is off",
        "order": "the checks come in this order",
        "ways-alias": "reached by an alias",
        "ways-handler": "reached by AddHandler and SetHandler",
        "ways-media-type": "reached by the media type",
        "ways-handler-script": "reached by a name of WSGIHandlerScript",
        "ways-error-document": "reached by ErrorDocument",
        "ways-directory-index": "reached by mod_dir's index",
    },
    "3.4": {
        "registered-name": "SetHandler and AddHandler with a registered name",
        "callable": "the callable is always handle_request",
        "filename": "SCRIPT_FILENAME stays the resource; handler_script and request_handler tell the rest",
        "no-checks": "no ExecCGI, existence or directory check of the resource",
        "options": "options override the scope's groups",
        "reload-required": "reload_required gets the path of the resource",
    },
    "3.5": {
        "in-child": "all of them run in the Apache child",
        "interpreter": "application-group chooses the interpreter, by default the main one",
        "reloaded": "reloaded when the file's time changed; reload_required is not asked",
        "user-true": "check_password True",
        "user-false": "check_password False",
        "user-none": "check_password None: next provider",
        "user-name": "check_password gives another user name",
        "user-empty": "check_password gives an empty name",
        "user-other": "check_password gives another type",
        "user-failures": "no script, no load, no function, exception: 500",
        "digest-none": "get_realm_hash None",
        "digest-hash": "get_realm_hash as str and as bytes",
        "digest-wrong": "get_realm_hash empty or of another type",
        "group-match": "groups_for_user: any intersection grants",
        "group-types": "groups as str and bytes",
        "group-none": "no groups, no match: denied",
        "group-failures": "bad items, bad results, exception: denied",
        "group-case": "group names match without regard to case",
        "access-true": "allow_access True",
        "access-none": "allow_access None: others decide",
        "access-false": "allow_access False: 403",
        "access-other": "allow_access gives another type",
        "access-failures": "no load, no function, exception: 403",
        "access-host": "host is the name, or the address when lookups are off",
        "environ": "a reduced dictionary of its own",
    },
    "3.6": {
        "runs": "runs in the child before routing, in its own interpreter",
        "handler-scripts": "applies to handler scripts too",
        "process-group": "process_group(environ)",
        "application-group": "application_group(environ)",
        "callable-object": "callable_object(environ)",
        "none": "None keeps what was configured",
        "types": "str and bytes",
        "expansion": "results are expanded, also %{RESOURCE} and %{ENV:}",
        "keys": "the mod_wsgi.* keys are updated",
        "failures": "other types and exceptions: 500, later functions skipped",
        "no-load": "a script that cannot be loaded changes nothing",
        "environ": "its environ",
        "still-subject": "the result is subject to WSGIRestrictProcess and reachability",
    },
    "4.1": {
        "headers": "CONTENT_TYPE, CONTENT_LENGTH, HTTP_*",
        "bad-names": "names with other characters are dropped",
        "proxy": "the header Proxy is never passed",
        "authorization": "Authorization only with CGIPassAuth or WSGIPassAuthorization",
        "server-keys": "SERVER_*, DOCUMENT_ROOT, CONTEXT_*, REQUEST_SCHEME",
        "server-name": "SERVER_NAME follows UseCanonicalName, HTML-escaped",
        "remote": "REMOTE_ADDR, REMOTE_PORT",
        "remoteip": "REMOTE_ADDR after mod_remoteip",
        "remote-user": "REMOTE_USER, AUTH_TYPE, REDIRECT_REMOTE_USER",
        "request-keys": "SERVER_PROTOCOL, REQUEST_METHOD, QUERY_STRING, SCRIPT_NAME, PATH_INFO, SCRIPT_FILENAME",
        "request-uri": "REQUEST_URI raw; CGIVar current-uri",
        "redirect": "REDIRECT_URL, REDIRECT_QUERY_STRING, QualifyRedirectURL",
        "subprocess-env": "SetEnv, PassEnv, RewriteRule [E=]",
        "removed": "PATH and HTTPS are taken out",
        "absent": "GATEWAY_INTERFACE and others are not there",
        "encoding": "latin-1, and the file system's for paths",
    },
    "4.2": {
        "wsgi.version": "(1, 0)",
        "wsgi.url_scheme": "from HTTPS",
        "wsgi.multithread": "threads, MPM",
        "wsgi.multiprocess": "processes, MPM",
        "wsgi.run_once": "threads=1 maximum-requests=1",
        "wsgi.input": "wsgi.input and wsgi.input_terminated",
        "wsgi.errors": "a text stream into the log",
        "wsgi.file_wrapper": "mod_wsgi.FileWrapper",
        "apache.version": "a tuple",
        "apache.request_rec": "embedded with WSGIPassApacheRequest only",
        "mod_wsgi.version": "(6, 1, 1)",
        "mod_wsgi.groups": "process_group, application_group, callable_object, request_handler, handler_script",
        "mod_wsgi.script_name": "script_name and path_info as before the proxies",
        "mod_wsgi.mount_point": "only with a trusted script name",
        "mod_wsgi.listener": "listener_host, listener_port",
        "mod_wsgi.server_pid": "pid of the Apache child",
        "mod_wsgi.ids": "request_id, connection_id",
        "mod_wsgi.times": "four floats; two are 0.0 when embedded",
        "mod_wsgi.thread_id": "an int",
        "hidden": "mod_wsgi.x-* and mod_ssl.* are not seen",
    },
    "4.3": {
        "cgi-over-setenv": "CGI variables override SetEnv",
        "setenv-authorization": "SetEnv of HTTP_AUTHORIZATION and the like",
        "order": "HEAD, slashes, script_name, proxies, HTTPS, mod_wsgi.*: in this order",
        "own-keys-win": "keys of ours override SetEnv",
    },
    "4.4": {
        "unset": "nothing happens without WSGITrustedProxyHeaders",
        "x-forwarded-for": "client",
        "x-client-ip": "client",
        "x-real-ip": "client",
        "x-forwarded-host": "host",
        "x-host": "host",
        "x-forwarded-server": "server",
        "x-forwarded-port": "port",
        "x-script-name": "script name and mount point",
        "x-forwarded-script-name": "script name and mount point",
        "x-forwarded-proto": "scheme, a word",
        "x-forwarded-scheme": "scheme, a word",
        "x-scheme": "scheme, a word",
        "x-forwarded-https": "scheme, a flag",
        "x-forwarded-ssl": "scheme, a flag",
        "x-https": "scheme, a flag",
        "word-values": "https, http, other words",
        "flag-values": "On/true/1, Off/false/0, others",
        "last-wins": "configured order, the last one present of a category wins",
        "synonyms-removed": "other headers of a category are removed",
        "untrusted-removed": "all of them when the peer is not trusted",
        "peer-list": "trusted without a list, or when in it; IPv4, IPv6, masks",
        "for-no-list": "no list: first non-empty element, header left alone",
        "for-list": "with a list: walked from the right",
        "for-none-trusted": "none trusted: the last one, header reduced to it",
        "for-all-trusted": "all trusted: the first one",
        "for-invalid": "an invalid address stops the walk; empty elements are skipped",
        "no-ssl-asked": "a scheme header was applied: mod_ssl is not asked",
        "only-environ": "only environ changes, not the access log nor Require ip",
        "merge": "an inner scope replaces the lists",
    },
    "4.5": {
        "auto-content-filter": "Auto with a content filter: GET",
        "auto-plain": "Auto without: HEAD",
        "on": "On: GET",
        "off": "Off: HEAD",
        "body-dropped": "a body is dropped by Apache",
    },
    "4.9": {
        "constructor": "FileWrapper(filelike, blksize=8192) and its attributes",
        "iteration": "read(blksize) until nothing comes",
        "close": "forwarded if there is one, its exceptions swallowed; then ValueError",
        "negative": "a negative blksize: ValueError",
        "read-type": "read() gives anything but bytes: TypeError",
        "subclass": "may be subclassed, and is still sent by the server",
        "not-written": "only when nothing was written before",
        "regular": "only with a descriptor of a regular file and a working tell()",
        "start": "begins at tell()",
        "length": "without a Content-Length it is what is left of the file",
        "length-given": "with one, so many bytes are sent",
        "end": "file and end of the stream go down together: httpd's filter answers ranges",
        "restored": "the offset of the descriptor is what it was",
        "sendfile": "WSGIEnableSendfile with EnableSendfile",
        "fallback": "anything else is iterated",
    },
    "7.1": {
        "main-at-start": "the main interpreter is there from the start, others at first use",
        "environment": "PYTHON* variables of Apache's environment are honoured",
        "sub-legacy": "sub-interpreters share the GIL, may use threads",
        "own-gil": "WSGIPerInterpreterGIL On: an own GIL (3.12)",
        "free-threading": "on a normal build: a warning",
        "thread-state": "threading.local survives between requests",
    },
    "7.2": {
        "venv": "a home with pyvenv.cfg is a virtual environment",
        "prefix": "a home without it is a prefix",
        "bad-home": "an unreachable home warns",
        "python-path": "site.addsitedir for each entry, new entries in front in order",
        "pth": ".pth files are processed",
        "path-errors": "entries that are not there",
        "order": "home, sections, python-path, standard; not the script's directory",
    },
    "7.3": {
        "argv": "sys.argv",
        "streams": "stdin, stdout, stderr",
        "signal": "signal.signal returns the handler it was given and installs nothing",
        "signal-fork": "in a forked process it passes through",
        "os-environ": "os.environ is corrected, PYTHON_EGG_CACHE",
        "threading": "threading is imported in the main interpreter",
        "main-module": "__main__ is the empty one",
        "flags": "sys.flags as they are",
    },
    "7.4": {
        "name": "_mod_wsgi_ + MD5 of the path, in sys.modules",
        "twice": "one file in two groups is loaded twice",
        "cookie": "coding cookies are honoured",
        "attributes": "__file__ and __mtime__",
        "no-bytecode": "no bytecode file",
        "failure": "a module that fails is not kept; the next request tries again",
    },
    "7.5": {
        "default-name": "application, handle_request for handlers",
        "named": "another name, from the module's dictionary",
        "missing": "missing: 404 or 500",
        "not-callable": "not callable: 500",
        "rebinding": "looked up for each request",
    },
    "7.6": {
        "changed": "another mtime, newer or older",
        "no-mtime": "__mtime__ missing or no int",
        "reload-required": "reload_required(path) true",
        "reload-required-fails": "an exception in it: no reload",
        "off": "WSGIScriptReloading Off: never",
        "embedded": "embedded: the script anew, other modules stay",
        "daemon": "daemon: the process anew, the client sees nothing",
        "decision-scripts": "decision scripts: the module only",
    },
    "7.7": {
        "info-lines": "start, interpreters, loads at level info",
    },
    "B": {
        "global-in-vhost": "a G directive inside <VirtualHost>",
        "global-in-directory": "a G directive inside <Directory>",
        "on-off": "another word than On or Off",
        "alias-arguments": "WSGIScriptAlias[Match] with fewer than two arguments",
        "alias-option": "... malformed or unknown option",
        "alias-empty": "... empty group or callable",
        "alias-authorization": "... bad pass-authorization",
        "alias-regex": "... bad regex",
        "alias-preload-undefined": "... preload group not yet configured",
        "alias-preload-unreachable": "... preload group not accessible",
        "alias-preload-unmatchable": "... preload group not matchable by server name",
        "daemon-name": "WSGIDaemonProcess without a name",
        "daemon-duplicate": "... a name twice",
        "daemon-option": "... malformed or unknown option",
        "daemon-ranges": "... every range of 2.1",
        "daemon-root": "... uid 0",
        "daemon-uid": "... unknown #uid",
        "daemon-chroot-root": "... chroot when not root",
        "daemon-absolute": "... relative chroot or home",
        "daemon-groups": "... too many supplementary groups",
        "daemon-owner": "... script-user together with script-group",
        "socket-prefix": "WSGISocketPrefix that cannot be resolved",
        "accept-mutex": "WSGIAcceptMutex unknown",
        "hash-seed": "WSGIPythonHashSeed neither random nor 32 bits",
        "switch-interval": "WSGISwitchInterval not a number above 0",
        "section-closing": "<WSGIInterpreterOptions without >",
        "section-form": "... not key=value",
        "section-selector": "... unknown selector",
        "section-twice": "... selector twice",
        "import-file": "WSGIImportScript without a file",
        "import-option": "... malformed or unknown option",
        "import-groups": "... empty or missing group names",
        "import-unreachable": "... group unreachable",
        "decision-file": "dispatch, access and auth scripts without a file",
        "decision-option": "... malformed or unknown option",
        "decision-empty": "... empty group",
        "handler-arguments": "WSGIHandlerScript without name or file",
        "handler-option": "... malformed or unknown option",
        "handler-empty": "... empty group",
        "handler-flag": "... bad flag",
        "map-head": "WSGIMapHEADToGET other than Off, On, Auto",
        "proxies": "WSGITrustedProxies with what is no address",
        "telemetry-target": "WSGITelemetryService not unix:/...",
        "telemetry-argument": "... second argument not interval=",
        "telemetry-interval": "... below 0.5",
        "slow-requests": "WSGISlowRequests negative or no number",
        "telemetry-options": "WSGITelemetryOptions: unknown flag, mixed forms",
        "not-proxy-header": "no error: unknown trusted-proxy headers",
        "not-missing-file": "no error: scripts that are not there",
        "not-unknown-group": "no error: an unknown group in WSGIProcessGroup",
        "not-atoi": "no error: text for integers where 0 is legal",
        "not-missing-home": "no error: a python-home that is not there",
    },
}

ROWS: dict[str, str] = {f"{section}-{name}": text for section, names in TEXTS.items() for name, text in names.items()}

# Rows that no comparison can show: the reason, and the test of ours that proves them instead.
ELSEWHERE: dict[str, tuple[str, str]] = {}


def section_of(row: str) -> str:
    """The section of an id."""
    return row.partition("-")[0]


def sections() -> list[str]:
    """All sections in order."""
    return list(TEXTS)


def proved(row: str, seen: Counter[str]) -> bool:
    """Whether something shows this row."""
    return seen[row] > 0 or row in ELSEWHERE


def problems() -> list[str]:
    """Proofs elsewhere that are not there."""
    wrong = []
    for row, (reason, test) in ELSEWHERE.items():
        path, _, name = test.partition("::")
        if row not in ROWS or not reason:
            wrong.append(f"rows.ELSEWHERE: {row} is no row or has no reason")
        if not (ROOT / path).is_file() or f"def {name}(" not in (ROOT / path).read_text():
            wrong.append(f"rows.ELSEWHERE: {row}: there is no test {test}")
    return wrong
