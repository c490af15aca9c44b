# SPDX-License-Identifier: Apache-2.0
"""Fails before it has said anything."""


def application(environ, start_response):
    raise ValueError("the application fails")
