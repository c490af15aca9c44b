# SPDX-License-Identifier: Apache-2.0
"""Compare ours with mod_wsgi 6.1.1.

Arguments pick cases whose id begins with one of them; a partial run skips the demands on the whole.
WSGI_MODULE and WSGI_PEER_MODULE name built modules, else both are built. The last line is
"N passed, N failed".
"""

from __future__ import annotations

import sys

from pathlib import Path

TESTS = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(TESTS), str(TESTS / "server")]

from parity.report import main  # noqa: E402

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
