# SPDX-License-Identifier: Apache-2.0
"""WSGIHandlerScript: handlers whose code is one file and whose subject is another."""

from __future__ import annotations

from typing import Any

import pytest

from harness import Layout, Server


def configure(layout: Layout) -> str:
    """Names, options, scopes and mistakes."""
    environ = layout.apps / "environ.wsgi"
    text = (
        environ.read_text()
        .replace("def application", "def handle_request")
        .replace("return application", "return handle_request")
    )
    handler = layout.write_app("handler.wsgi", text)
    layout.write_app("../htdocs/page.my", "hello\n")
    layout.write_app("../htdocs/sub/page.my", "hello\n")
    return f"""
{layout.delegate()}
WSGIDaemonProcess other threads=2
WSGIHandlerScript my-handler {handler}
WSGIHandlerScript Mixed-Case {handler}
WSGIHandlerScript with-options {handler} process-group=other application-group=%{{SERVER}} pass-authorization=On
WSGIHandlerScript by-variable {handler} application-group=%{{ENV:WHICH}} process-group=%{{ENV:WHERE}}
WSGIHandlerScript missing {layout.apps}/nothere.wsgi
WSGIHandlerScript twice {layout.apps}/nothere.wsgi
WSGIHandlerScript twice {handler} application-group=second-line
WSGIHandlerScript wsgi-script {handler}
AddHandler my-handler .my
WSGIScriptAlias /alias {environ} process-group=%{{GLOBAL}} application-group=of-the-alias callable-object=second \\
    pass-authorization=Off
<Location /alias/handled>
    SetHandler with-options
</Location>
<Location /scope>
    SetHandler my-handler
    WSGIApplicationGroup of-the-scope
    WSGICallableObject ignored
    WSGIPassAuthorization On
</Location>
<Location /options>
    SetHandler with-options
    WSGIApplicationGroup of-the-scope
</Location>
<Location /variable>
    SetEnv WHICH %{{HOST}}
    SetEnv WHERE other
    SetHandler by-variable
</Location>
<Location /missing>
    SetHandler missing
</Location>
<Location /mixed>
    SetHandler MIXED-CASE
</Location>
<Location /twice>
    SetHandler twice
</Location>
<Location /inner>
    WSGIHandlerScript my-handler {handler} application-group=of-the-inner
    SetHandler my-handler
</Location>
<Location /inner/merged>
    SetHandler with-options
</Location>
<Location /plain>
    SetHandler wsgi-script
</Location>
<Location /limited>
    SetHandler my-handler
    LimitRequestBody 10
</Location>
<Location /restricted>
    SetHandler with-options
    WSGIRestrictProcess something else
</Location>
"""


def show(site: Server, target: str, **more: Any) -> dict[str, Any]:
    """The environ a target gets."""
    found: dict[str, Any] = site.get(target, **more).json()
    return found


@pytest.mark.parametrize(
    ("target", "script_name", "path_info"),
    [
        ("/page.my", "/page.my", ""),
        ("/page.my/x/y", "/page.my", "/x/y"),
        ("/sub/page.my", "/sub/page.my", ""),
        ("/nothere.my", "/nothere.my", ""),
        ("/sub/nothere.my", "/sub/nothere.my", ""),
        ("/scope", "/scope", ""),
        ("/scope/x/y", "/scope", "/x/y"),
    ],
)
def test_resources(site: Server, target: str, script_name: str, path_info: str) -> None:
    """The resource need not exist, and ExecCGI is not asked for."""
    found = show(site, target)
    assert (found["SCRIPT_NAME"], found["PATH_INFO"]) == (script_name, path_info)
    assert found["SCRIPT_FILENAME"] == str(site.layout.htdocs) + script_name
    assert found["mod_wsgi.handler_script"] == str(site.layout.apps / "handler.wsgi")
    assert found["mod_wsgi.request_handler"] == "my-handler"
    assert found["mod_wsgi.callable_object"] == "handle_request"


def test_scope_and_options(site: Server) -> None:
    """Options of the handler come over the scope and over the alias."""
    header = {"Authorization": "Basic eDp5"}
    server = f"localhost:{site.layout.port}"
    default = "" if site.layout.mode == "embedded" else "app"
    expected = {
        "/page.my": (f"{server}|/page.my", default, False, "my-handler"),
        "/scope": ("of-the-scope", default, True, "my-handler"),
        "/options": (server, "other", True, "with-options"),
        "/alias/handled": (server, "other", True, "with-options"),
        "/variable": (f"127.0.0.1:{site.layout.port}", "other", False, "by-variable"),
        "/twice": ("second-line", default, False, "twice"),
        "/inner": ("of-the-inner", default, False, "my-handler"),
        "/inner/merged": (server, "other", True, "with-options"),
    }
    for target, (application, process, authorization, handler) in expected.items():
        found = show(site, target, headers=header)
        assert found["mod_wsgi.application_group"] == application, target
        assert found["mod_wsgi.process_group"] == process, target
        assert ("HTTP_AUTHORIZATION" in found) == authorization, target
        assert found["mod_wsgi.request_handler"] == handler, target
        assert found["mod_wsgi.callable_object"] == "handle_request", target


def test_the_alias_itself_is_a_plain_script(site: Server) -> None:
    found = show(site, "/alias")
    assert found["mod_wsgi.handler_script"] == ""
    assert (found["mod_wsgi.application_group"], found["mod_wsgi.callable_object"]) == ("of-the-alias", "second")


def test_missing_file_is_500(site: Server) -> None:
    assert site.get("/missing").status == 500
    site.expect_code(105, "nothere.wsgi", besides=(82, 174))
    site.allow("Error: ")
    site.allow("WSGI0082")


def test_our_own_name_keeps_its_meaning(site: Server) -> None:
    """wsgi-script is checked like every script: here ExecCGI is missing."""
    assert site.get("/plain").status == 403
    site.expect_code(134)


def test_checks_of_the_body(site: Server) -> None:
    """They apply to handler scripts, too."""
    assert site.request("POST", "/scope", iter([b"abc"]), chunked=True).status == 411
    site.expect_code(139)
    assert site.request("POST", "/limited", b"a" * 100).status == 413
    site.allow(r"AH\d{5}|WSGI0126")


def test_allow_list(site: Server) -> None:
    assert site.get("/restricted").status == 500
    site.expect_code(149, "other")


def test_handler_is_loaded_again_when_it_changes(site: Server) -> None:
    text = (site.layout.apps / "handler.wsgi").read_text()
    assert "test.changed" not in show(site, "/page.my")
    site.layout.write_app("handler.wsgi", text.replace("found = {", 'environ["test.changed"] = "yes"\n    found = {'))
    assert show(site, "/page.my")["test.changed"] == "yes"
    site.layout.write_app("handler.wsgi", text)
    assert "test.changed" not in show(site, "/page.my")
    site.allow("script_reload|wsgi:info")
