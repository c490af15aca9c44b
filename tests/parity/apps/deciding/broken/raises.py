# SPDX-License-Identifier: Apache-2.0
"""Fails while it is loaded."""

raise RuntimeError("the script fails while it is loaded")
