# SPDX-License-Identifier: Apache-2.0
"""Three examples of the format, one of each kind."""

from __future__ import annotations

from parity.model import Ask, Case, Check, Site

SITES = (
    Site(
        "example",
        """
@DELEGATE@
WSGIScriptAlias /env @APPS@/environ.wsgi
WSGIScriptAlias /missing @APPS@/not-there.wsgi
""",
    ),
)

CASES = (
    Case("4.1-example", ("4.1-request-keys",), "example", Ask("/env/a%20b?x=1"), shows=('"PATH_INFO": "/a b"',)),
    Case("3.3-example-missing", ("3.3-missing",), "example", Ask("/missing"), status=404, codes=(135,)),
)

CHECKS = (
    Check(
        "B-example-option",
        ("B-alias-option",),
        "WSGIScriptAlias /x /y.wsgi thread=1",
        says="option",
        names=("thread",),
    ),
)
