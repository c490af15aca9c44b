# SPDX-License-Identifier: Apache-2.0
"""Does not compile."""

def allow_access(environ, host)
    return True
