# SPDX-License-Identifier: Apache-2.0
"""git in Python: dulwich's own WSGI application, which answers with write()."""

import os

from dulwich.server import FileSystemBackend
from dulwich.web import make_wsgi_chain

ROOT = os.path.realpath(os.path.join(os.path.dirname(__file__), "../../scratch/git"))


class Repositories(FileSystemBackend):
    """Those below the root, by the path of the URL."""

    def open_repository(self, path):
        return super().open_repository(os.fsdecode(path).lstrip("/"))


_chain = make_wsgi_chain(Repositories(ROOT))


def application(environ, start_response):
    # Apache has taken the chunks apart; dulwich would look for them once more.
    environ.pop("HTTP_TRANSFER_ENCODING", None)
    return _chain(environ, start_response)
