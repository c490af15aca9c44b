# SPDX-License-Identifier: Apache-2.0
"""WsgiDAV as its documentation serves it behind mod_wsgi: a directory, properties and locks in memory."""

import os

from wsgidav.wsgidav_app import WsgiDAVApp

application = WsgiDAVApp(
    {
        "provider_mapping": {"/": os.path.realpath(os.path.join(os.path.dirname(__file__), "../../scratch/dav"))},
        "mount_path": "/dav",
        "simple_dc": {"user_mapping": {"*": True}},
        "property_manager": True,
        "lock_storage": True,
        "verbose": 0,
        "logging": {"enable": False},
    }
)
