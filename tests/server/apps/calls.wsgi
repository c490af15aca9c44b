# SPDX-License-Identifier: Apache-2.0
"""XML-RPC of the standard library behind WSGI."""

from xmlrpc.client import Binary
from xmlrpc.server import SimpleXMLRPCDispatcher

calls = SimpleXMLRPCDispatcher(allow_none=True)
calls.register_introspection_functions()
calls.register_multicall_functions()
calls.register_function(lambda *numbers: sum(numbers), "add")
calls.register_function(lambda value: value, "same")
calls.register_function(lambda data: Binary(data.data[::-1]), "backwards")
calls.register_function(lambda: 1 / 0, "fail")


def application(environ, start_response):
    answer = calls._marshaled_dispatch(environ["wsgi.input"].read(-1), path=environ["PATH_INFO"])
    start_response("200 OK", [("Content-Type", "text/xml"), ("Content-Length", str(len(answer)))])
    return [answer]
