# SPDX-License-Identifier: Apache-2.0
"""A private httpd for tests: configuration, life-cycle, client, log and process checks."""

from harness.build import Module, application_venv, find_module
from harness.client import Cut, RawConnection, Reply, exchange, request
from harness.log import ErrorLog, Line
from harness.places import Places, places
from harness.processes import wait_until
from harness.server import Layout, Proof, Server, prove

__all__ = [
    "Cut",
    "ErrorLog",
    "Layout",
    "Line",
    "Module",
    "Places",
    "Proof",
    "RawConnection",
    "Reply",
    "Server",
    "application_venv",
    "exchange",
    "find_module",
    "places",
    "prove",
    "request",
    "wait_until",
]
