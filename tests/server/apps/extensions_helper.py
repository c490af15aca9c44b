# SPDX-License-Identifier: Apache-2.0
"""Importable by a spawned process, which the script itself is not."""


def square(number):
    return number * number
