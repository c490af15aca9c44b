# Copyright (c) 2026, the pyweb.mod_wsgi contributors
# BSD 2-Clause License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
# Do not use this from other collections or standalone plugins/modules!
"""What C(httpd -t) does not see and a trial start would, looked at one by one.

For hosts on which a trial start cannot be made: keys that do not fit their certificates, programs
behind piped logs, places of caches.
"""

from __future__ import annotations

import os
import shlex

from typing import Sequence

from ansible_collections.pyweb.mod_wsgi.plugins.module_utils._apache import Directive
from ansible_collections.pyweb.mod_wsgi.plugins.module_utils._run import Command, find_program, read_file, run

_PIPED = ("errorlog", "customlog", "transferlog", "globallog")
_CACHES = ("shm", "shmcb", "dbm", "shmht")


def _words(arguments: str) -> list[str]:
    try:
        return shlex.split(arguments)
    except ValueError:
        return arguments.split()


def _where(directive: Directive) -> str:
    return f"{directive.file} line {directive.line}"


# ---- certificates ------------------------------------------------------------------------------


def certificate_pairs(directives: Sequence[Directive]) -> list[tuple[Directive, Directive]]:
    """Return certificate and key of each host, in the order in which mod_ssl pairs them."""
    pairs: list[tuple[Directive, Directive]] = []
    certificates: list[Directive] = []
    keys: list[Directive] = []

    def close() -> None:
        if certificates:
            # Without a key of its own a certificate file holds both.
            pairs.extend(zip(certificates, keys or certificates))
        certificates.clear()
        keys.clear()

    for directive in directives:
        if directive.name in ("virtualhost", "/virtualhost"):
            close()
        elif directive.name == "sslcertificatefile":
            certificates.append(directive)
        elif directive.name == "sslcertificatekeyfile":
            keys.append(directive)
    close()
    return pairs


def _public_key(openssl: str, words: list[str]) -> tuple[str, str]:
    """Return the public key that openssl prints, or why it prints none."""
    answer = run(Command([openssl] + words), 10.0)
    if answer.rc == 0 and "BEGIN PUBLIC KEY" in answer.out:
        return answer.out.strip(), ""
    said = [line for line in (answer.err or answer.out).splitlines() if line.strip()]
    return "", answer.failure or (said[0].strip() if said else "openssl prints no public key")


def _pair_problem(openssl: str, server_root: str, certificate: Directive, key: Directive) -> str:
    paths = []
    for directive in (certificate, key):
        words = _words(directive.arguments)
        path = os.path.join(server_root, words[0]) if words else ""
        if path.startswith("pkcs11:") or "${" in path:
            return ""
        if read_file(path) is None:
            return f"{_where(directive)}: {path} cannot be read"
        paths.append(path)
    if "ENCRYPTED" in (read_file(paths[1]) or ""):
        return ""
    of_certificate, why = _public_key(openssl, ["x509", "-in", paths[0], "-noout", "-pubkey"])
    if why:
        return f"{_where(certificate)}: {paths[0]} is no certificate: {why}"
    of_key, why = _public_key(openssl, ["pkey", "-in", paths[1], "-pubout", "-passin", "pass:"])
    if why:
        return f"{_where(key)}: {paths[1]} is no private key: {why}"
    if of_certificate != of_key:
        return f"{_where(key)}: the key {paths[1]} does not fit the certificate {paths[0]}"
    return ""


def _pair_problems(directives: Sequence[Directive], server_root: str) -> list[str]:
    pairs = certificate_pairs(directives)
    openssl = find_program(("openssl",))
    if pairs and not openssl:
        return ["there are certificates, and no openssl to compare them with their keys: install openssl"]
    return [one for one in (_pair_problem(openssl, server_root, *pair) for pair in pairs) if one]


# ---- logs and caches ---------------------------------------------------------------------------


def _pipe_problem(directive: Directive) -> str:
    words = _words(directive.arguments)
    if not words or not words[0].startswith("|"):
        return ""
    command = _words(words[0].lstrip("|").lstrip("$"))
    program = command[0] if command else ""
    if os.path.isabs(program) and not os.access(program, os.X_OK):
        return f"{_where(directive)}: the log goes to {program}, which cannot be executed"
    return ""


def _cache_problem(directive: Directive, server_root: str) -> str:
    words = _words(directive.arguments)
    kind, _colon, place = words[-1].partition(":") if words else ("", "", "")
    folder = os.path.dirname(os.path.join(server_root, place.partition("(")[0]))
    if kind in _CACHES and place and "${" not in place and not os.path.isdir(folder):
        return f"{_where(directive)}: the cache's directory {folder} does not exist"
    return ""


def problems(directives: Sequence[Directive], server_root: str) -> list[str]:
    """Return what would keep this configuration from starting, in sentences."""
    found = _pair_problems(directives, server_root)
    for directive in directives:
        if directive.name in _PIPED:
            found.append(_pipe_problem(directive))
        elif directive.name in ("sslsessioncache", "sslstaplingcache", "authnzfcgicache", "cachesocache"):
            found.append(_cache_problem(directive, server_root))
    return [one for one in found if one]
