# SPDX-License-Identifier: Apache-2.0
"""Bad input as data: byte streams that are meant to be understood in two ways."""
