# SPDX-License-Identifier: Apache-2.0
"""Holds none of the functions that Apache asks for."""
