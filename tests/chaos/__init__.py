# SPDX-License-Identifier: Apache-2.0
"""`make chaos`: steady load while everything that can happen to a server happens to it.

load.py      the client, a process of its own: open loop, constant rate, never retries; one record a request
fleet.py     the clients of one phase
builds.py    two builds of the module in one directory, for the upgrade
site.py      the server under load: its groups, its script (of which versions are deployed), its journal
events.py    what happens during a phase
phases.py    the phases: whom they load, what happens, by which rule they are judged
judge.py     counts, and the verdict
report.py    the table
apps/        the application: writes one line for each execution
test_*.py    the suite notices what it is there to notice (part of `make test`)
"""
