# SPDX-License-Identifier: Apache-2.0
"""A real Falcon application: media, parts, streams, static files with ranges, hooks, errors, logging."""

import hashlib
import logging
import os

import falcon

HOME = os.path.dirname(os.path.abspath(__file__))
BLOCK = 50_000
log = logging.getLogger("falcon_site")
logging.basicConfig(format="%(levelname)s:%(name)s:%(message)s")


def digest_of(stream):
    digest, size = hashlib.sha256(), 0
    while data := stream.read(BLOCK):
        digest.update(data)
        size += len(data)
    return {"size": size, "sha256": digest.hexdigest()}


class Things:
    """JSON both ways; conditional by an entity tag."""

    def on_get(self, req, resp, name):
        resp.etag = tag = hashlib.sha256(name.encode()).hexdigest()[:16]
        if tag in (req.if_none_match or ()):
            raise falcon.HTTPStatus(falcon.HTTP_304)
        resp.media = {"name": name, "query": req.params, "prefix": req.prefix, "uri": req.relative_uri}

    def on_put(self, req, resp, name):
        resp.media = {"name": name, "got": req.get_media()}
        resp.status = falcon.HTTP_201
        resp.location = f"{req.root_path}/things/made"


class Session:
    """A cookie."""

    def on_get(self, req, resp):
        resp.media = {"name": req.cookies.get("name")}

    def on_post(self, req, resp):
        resp.set_cookie("name", req.get_media()["name"], secure=False, max_age=600, path="/")
        raise falcon.HTTPSeeOther(f"{req.root_path}/session")


class Body:
    """The raw body, and the parts of a form."""

    def on_put(self, req, resp):
        resp.media = digest_of(req.bounded_stream if req.content_length is not None else req.stream)

    def on_post(self, req, resp):
        resp.media = {part.name: [part.filename, digest_of(part.stream)] for part in req.get_media()}


class Stream:
    """Rows without a length; a file as a stream of known length."""

    def on_get(self, req, resp):
        resp.content_type = "text/csv"
        resp.stream = (f"{number},{req.path}\n".encode() for number in range(1000))

    def on_get_file(self, req, resp):
        path = os.path.join(HOME, "static", "data.bin")
        resp.content_type = falcon.MEDIA_TEXT
        resp.downloadable_as = "d\u00e4ta.bin"
        resp.set_stream(open(path, "rb"), os.path.getsize(path))


class Troubles:
    """What goes wrong."""

    def on_get_crash(self, req, resp):
        raise ZeroDivisionError("in a responder")

    def on_get_teapot(self, req, resp):
        raise falcon.HTTPError(falcon.HTTP_418, title="teapot", description="short and stout")

    def on_get_log(self, req, resp):
        log.warning("a line of logging")
        req.log_error("a line of Falcon's")


application = falcon.App()
application.add_route("/things/{name}", Things())
application.add_route("/session", Session())
application.add_route("/body", Body())
application.add_route("/stream", Stream())
application.add_route("/file", Stream(), suffix="file")
for name in ("crash", "teapot", "log"):
    application.add_route(f"/{name}", Troubles(), suffix=name)
application.add_static_route("/static", os.path.join(HOME, "static"))
application.req_options.strip_url_path_trailing_slash = True
