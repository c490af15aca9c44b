# SPDX-License-Identifier: Apache-2.0
"""mod_wsgi 6.1.1 from PyPI, built by pip with the same apxs and the same Python."""

from __future__ import annotations

import os

from pathlib import Path

from harness import Module, application_venv, places
from harness.places import ROOT

PINS = ROOT / "requirements" / "parity.txt"


def find_peer() -> Module:
    """What WSGI_PEER_MODULE names, else a build below the cache."""
    named = os.environ.get("WSGI_PEER_MODULE", "")
    if named:
        if not Path(named).is_file():
            raise RuntimeError(f"WSGI_PEER_MODULE={named}: no such file")
        return Module(Path(named).resolve(), peer=True)
    os.environ["APXS"] = places().apxs
    venv = application_venv("mod_wsgi", pins=PINS)
    found = sorted(venv.glob("lib/python*/site-packages/mod_wsgi/server/mod_wsgi-py*.so"))
    if len(found) != 1:
        raise RuntimeError(f"pip installed mod_wsgi in {venv}, but its modules are {found}")
    return Module(found[0].resolve(), peer=True)
