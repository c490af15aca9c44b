# SPDX-License-Identifier: Apache-2.0
"""A small Pyramid application: routes, a form with a session and a token, Basic credentials, static files."""

import logging

from pyramid.authentication import extract_http_basic_credentials
from pyramid.config import Configurator
from pyramid.csrf import SessionCSRFStoragePolicy, get_csrf_token
from pyramid.httpexceptions import HTTPFound, HTTPUnauthorized
from pyramid.response import FileResponse, Response
from pyramid.session import SignedCookieSessionFactory
from pyramid.view import view_config

log = logging.getLogger(__name__)


@view_config(route_name="home")
def home(request):
    return Response(
        f"<title>{request.registry.settings['site.title']}</title><a href='{request.route_url('form')}'>form</a>"
        f"<img src='{request.static_url('pyramid_site:static/site.css')}'>"
    )


@view_config(route_name="form", request_method="GET")
def show(request):
    return Response(
        f"<input type='hidden' name='csrf_token' value='{get_csrf_token(request)}'><p>{request.session.get('name')}</p>"
    )


@view_config(route_name="form", request_method="POST", require_csrf=True)
def take(request):
    request.session["name"] = request.POST["name"]
    return HTTPFound(location=request.route_url("form"))


@view_config(route_name="me", renderer="json")
def me(request):
    credentials = extract_http_basic_credentials(request)
    if credentials is None or credentials.password != "opensesame":
        raise HTTPUnauthorized(headers={"WWW-Authenticate": 'Basic realm="pyramid"'})
    return {"user": credentials.username}


@view_config(route_name="matched", renderer="json")
def matched(request):
    return {"rest": request.matchdict["rest"], "script": request.script_name, "query": dict(request.GET)}


@view_config(route_name="log")
def logged(request):
    log.warning("a line of Pyramid's logger")
    return FileResponse(__file__, request, content_type="text/plain")


def main(global_config, **settings):
    """What the ini file names."""
    config = Configurator(settings=settings, session_factory=SignedCookieSessionFactory(settings["session.secret"]))
    config.set_csrf_storage_policy(SessionCSRFStoragePolicy())
    config.add_static_view("static", "static")
    for name, pattern in (
        ("home", "/"),
        ("form", "/form"),
        ("me", "/me"),
        ("matched", "/matched/*rest"),
        ("log", "/log"),
    ):
        config.add_route(name, pattern)
    config.scan(__name__)
    return config.make_wsgi_app()
