# SPDX-License-Identifier: Apache-2.0
"""Exits while it is loaded."""

import sys

sys.exit("the script exits")
