# SPDX-License-Identifier: Apache-2.0
"""The script of Pyramid's tutorial, with the ini file beside it."""

import os

from pyramid.paster import get_app, setup_logging

ini_path = os.path.join(os.path.dirname(__file__), "production.ini")
setup_logging(ini_path)
application = get_app(ini_path, "main")
