# SPDX-License-Identifier: Apache-2.0
"""pypiserver as its documentation serves it behind mod_wsgi; nothing is looked for elsewhere."""

import os
import pathlib

import pypiserver

application = pypiserver.app(
    roots=[pathlib.Path(os.path.dirname(__file__), "../../scratch/index").resolve()],
    authenticate=["update"],
    auther=lambda user, password: (user, password) == ("ann", "cheese shop"),
    disable_fallback=True,
)
