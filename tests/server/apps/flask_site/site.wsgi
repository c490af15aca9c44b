# SPDX-License-Identifier: Apache-2.0
"""A real Flask application: forms, sessions, uploads, streams, errors."""

import hashlib

import mod_wsgi
from flask import (
    Flask,
    Response,
    abort,
    flash,
    redirect,
    render_template_string,
    request,
    send_file,
    session,
    stream_with_context,
    url_for,
)

application = Flask(__name__)
application.secret_key = "only for tests"  # noqa: S105


@application.get("/")
def index():
    return render_template_string(
        "<h1>{{ title }}</h1><p id='group'>{{ group }}</p><a href='{{ url_for('hello', name='x') }}'>",
        title="Flask & <friends>",
        group=mod_wsgi.process_group,
    )


@application.get("/hello/<name>")
def hello(name):
    return {"hello": name, "arguments": request.args.to_dict(flat=False), "url": request.base_url}


@application.route("/form", methods=["GET", "POST"])
def form():
    if request.method == "POST":
        session["name"] = request.form["name"]
        flash("saved")
        return redirect(url_for("form"))
    return {"name": session.get("name")}


@application.post("/upload")
def upload():
    found = {}
    for key, item in request.files.items():
        data = item.read()
        found[key] = [item.filename, len(data), hashlib.sha256(data).hexdigest()]
    return {"files": found, "fields": request.form.to_dict()}


@application.post("/json")
def echo_json():
    return {"got": request.get_json()}


@application.get("/stream")
def stream():
    def rows():
        for number in range(1000):
            yield f"{number},{request.path}\n"
    return Response(stream_with_context(rows()), mimetype="text/csv")


@application.get("/file")
def file():
    return send_file(__file__, mimetype="text/plain", conditional=True)


@application.get("/log")
def log():
    application.logger.warning("a line of Flask's logger")
    return "logged"


@application.get("/teapot")
def teapot():
    abort(418)


@application.get("/crash")
def crash():
    raise ZeroDivisionError("in a view")


@application.get("/stream-crash")
def stream_crash():
    def rows():
        yield "x" * 70000
        raise ZeroDivisionError("in a stream")
    return Response(rows(), mimetype="text/plain")
