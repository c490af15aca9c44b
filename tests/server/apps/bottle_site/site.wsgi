# SPDX-License-Identifier: Apache-2.0
"""A real Bottle application: pages, signed cookies, uploads, files, streams, errors, logging."""

import hashlib
import logging
import os
import sys

import bottle

HOME = os.path.dirname(os.path.abspath(__file__))
SECRET = "only for tests"

logging.basicConfig(format="%(levelname)s:%(name)s:%(message)s")
application = bottle.Bottle()


@application.get("/")
def index():
    return bottle.template("<h1>{{title}}</h1><a href='{{url}}'>x</a>", title="Bottle & <friends>", url='/hello/x')


@application.get("/hello/<name>")
def hello(name):
    query = bottle.request.query.decode()
    return {"hello": name, "query": dict(query), "script": bottle.request.script_name}


@application.route("/form", method=["GET", "POST"])
def form():
    if bottle.request.method == "POST":
        bottle.response.set_cookie("name", bottle.request.forms.getunicode("name"), secret=SECRET, path="/")
        bottle.redirect(bottle.request.script_name + "form")
    return {"name": bottle.request.get_cookie("name", secret=SECRET)}


@application.post("/upload")
def upload():
    found = {}
    for key, item in bottle.request.files.items():
        data = item.file.read()
        found[key] = [item.raw_filename, len(data), hashlib.sha256(data).hexdigest()]
    return {"files": found, "fields": dict(bottle.request.forms.decode())}


@application.put("/body")
def body():
    digest, size = hashlib.sha256(), 0
    while data := bottle.request.environ["wsgi.input"].read(50_000):
        digest.update(data)
        size += len(data)
    return {"size": size, "sha256": digest.hexdigest()}


@application.get("/static/<path:path>")
def static(path):
    return bottle.static_file(path, root=os.path.join(HOME, "static"), download=bottle.request.query.get("as", False))


@application.get("/stream")
def stream():
    bottle.response.content_type = "text/csv; charset=UTF-8"
    for number in range(1000):
        yield f"{number},{bottle.request.path}\n"


@application.get("/denied")
def denied():
    bottle.abort(401, "Sorry, access denied.")


@application.get("/crash")
def crash():
    raise ZeroDivisionError("in a view")


@application.get("/log")
def log():
    logging.getLogger("bottle_site").warning("a line of logging")
    print("a line on standard error", file=sys.stderr)
    return "logged"


@application.error(404)
def not_found(error):
    return f"nothing at {bottle.request.path}"
