# SPDX-License-Identifier: Apache-2.0
"""3.2: aliases. Order, slashes, boundaries, the regex form, directories, root mounts, other modules."""

from __future__ import annotations

from parity.model import Ask, Case, Site
from parity.tables import copies, routes

ALIASES = """
@DELEGATE@
WSGIApplicationGroup %{GLOBAL}
WSGIScriptAlias /main @ROOT@/w/show.wsgi
WSGIScriptAlias /both @ROOT@/w/show.wsgi callable-object=second
WSGIScriptAlias /late @ROOT@/w/show.wsgi callable-object=second
<VirtualHost *:@PORT0@>
    ServerName first.invalid
    WSGIScriptAlias /both @ROOT@/w/show.wsgi
    WSGIScriptAlias /deep/er @ROOT@/w/show.wsgi callable-object=second
    WSGIScriptAlias /deep @ROOT@/w/show.wsgi
    WSGIScriptAlias /shadow @ROOT@/w/show.wsgi
    WSGIScriptAlias /shadow/below @ROOT@/w/show.wsgi callable-object=second
    WSGIScriptAlias /twice @ROOT@/w/show.wsgi
    WSGIScriptAlias /twice @ROOT@/w/show.wsgi callable-object=second
    WSGIScriptAliasMatch ^/mixed/(.*) @ROOT@/w/show.wsgi
    WSGIScriptAlias /mixed/plain @ROOT@/w/show.wsgi callable-object=second
    WSGIScriptAlias /plain-first/of @ROOT@/w/show.wsgi callable-object=second
    WSGIScriptAliasMatch ^/plain-first @ROOT@/w/show.wsgi

    WSGIScriptAlias /folder @ROOT@/w
    WSGIScriptAlias /folder2/ @ROOT@/w/
    WSGIScriptAlias /mix1/ @ROOT@/w
    WSGIScriptAlias /mix2 @ROOT@/w/
    WSGIScriptAlias /file1/ @ROOT@/w/show.wsgi/
    WSGIScriptAlias /file2/ @ROOT@/w/show.wsgi
    WSGIScriptAlias /file3 @ROOT@/w/show.wsgi/
    WSGIScriptAlias /a//b/ @ROOT@/w/show.wsgi/
    WSGIScriptAlias /c//d @ROOT@/w/show.wsgi
    WSGIScriptAlias "/with blank" @ROOT@/w/show.wsgi
    WSGIScriptAlias /per%cent @ROOT@/w/show.wsgi
    WSGIScriptAlias /bytes-\u00e9 @ROOT@/w/show.wsgi
    WSGIScriptAlias /dot.ted+ @ROOT@/w/show.wsgi
    WSGIScriptAlias /missing @ROOT@/w/none.wsgi
    WSGIScriptAlias relative @ROOT@/w/show.wsgi

    WSGIScriptAliasMatch ^/re/([^/]+)/x @ROOT@/w/$1.wsgi
    WSGIScriptAliasMatch ^/rest/(.*)$ @ROOT@/w/$1
    WSGIScriptAliasMatch /un/anch @ROOT@/w/show.wsgi
    WSGIScriptAliasMatch ^/end$ @ROOT@/w/show.wsgi
    WSGIScriptAliasMatch ^/empty|x* @ROOT@/w/show.wsgi
    WSGIScriptAliasMatch ^/all(.*)$ @ROOT@/w/show.wsgi$1
    WSGIScriptAliasMatch ^/dollar/(.) @ROOT@/w/$$1
    WSGIScriptAliasMatch ^/amp/(.) @ROOT@/w/&$1
    WSGIScriptAliasMatch (?i)^/nocase @ROOT@/w/show.wsgi
    WSGIScriptAliasMatch ^/nine/(s)(h)(o)(w)(a)(b)(c)(d)(e) @ROOT@/w/$1$2$3$4.wsgi/$9$5
    WSGIScriptAliasMatch ^/whole @ROOT@/w/show.wsgi$0
    WSGIScriptAliasMatch ^/none/(a)?(b)? @ROOT@/w/show.wsgi/$1-$2
    WSGIScriptAliasMatch ^/(alpha|beta)-group @ROOT@/w/show.wsgi application-group=named callable-object=second
</VirtualHost>
<VirtualHost *:@PORT1@>
    ServerName root.invalid
    WSGIScriptAlias /late/late @ROOT@/w/show.wsgi
    Alias /static @HTDOCS@
    Alias /favicon.ico @HTDOCS@/page.html
    WSGIScriptAlias / @ROOT@/w/show.wsgi
    WSGIScriptAlias /never @ROOT@/w/show.wsgi callable-object=second
</VirtualHost>
<VirtualHost *:@PORT2@>
    ServerName folders.invalid
    WSGIScriptAlias / @ROOT@/w/
</VirtualHost>
<VirtualHost *:@PORT3@>
    ServerName regex-root.invalid
    WSGIScriptAliasMatch ^/(static)/ @ROOT@/w/show.wsgi callable-object=second
    WSGIScriptAliasMatch ^/.* @ROOT@/w/show.wsgi
</VirtualHost>
<VirtualHost *:@PORT4@>
    ServerName noslash-root.invalid
    AllowEncodedSlashes NoDecode
    WSGIScriptAlias / @ROOT@/w/show.wsgi/
</VirtualHost>
"""

OTHERS = """
@DELEGATE@
WSGIApplicationGroup %{GLOBAL}
WSGIScriptAlias /main @ROOT@/w/show.wsgi
Alias /main-alias @HTDOCS@
WSGIScriptAlias /main-alias @ROOT@/w/show.wsgi
<VirtualHost *:@PORT0@>
    ServerName first.invalid
    WSGIScriptAlias /alias-first @ROOT@/w/show.wsgi
    Alias /alias-first @HTDOCS@
    Alias /alias-deep/static @HTDOCS@
    WSGIScriptAlias /alias-deep @ROOT@/w/show.wsgi
    AliasMatch ^/alias-match/static/(.*) @HTDOCS@/$1
    WSGIScriptAlias /alias-match @ROOT@/w/show.wsgi
    ScriptAlias /script-alias @HTDOCS@/
    WSGIScriptAlias /script-alias @ROOT@/w/show.wsgi
    Redirect /redirect /main
    WSGIScriptAlias /redirect @ROOT@/w/show.wsgi
    RedirectMatch 307 ^/redirect-match/(.*) /main/$1
    WSGIScriptAlias /redirect-match @ROOT@/w/show.wsgi
    Redirect gone /gone
    WSGIScriptAlias /gone @ROOT@/w/show.wsgi
    <Location /located-alias>
        Alias @HTDOCS@/page.html
    </Location>
    WSGIScriptAlias /located-alias @ROOT@/w/show.wsgi
    WSGIScriptAlias /denied @ROOT@/denied/show.wsgi
    <Directory @ROOT@/denied>
        Require all denied
    </Directory>
    WSGIScriptAlias /located-denied @ROOT@/w/show.wsgi
    <Location /located-denied/no>
        Require all denied
    </Location>
    WSGIScriptAlias /by-file @ROOT@/w/secret.wsgi
    <Files secret.wsgi>
        Require all denied
    </Files>
    WSGIScriptAlias /by-expression @ROOT@/w/show.wsgi
    <If "%{QUERY_STRING} == 'no'">
        Require all denied
    </If>
    WSGIScriptAlias /no-exec @ROOT@/noexec/show.wsgi
    <Directory @ROOT@/noexec>
        Options None
    </Directory>
    WSGIScriptAlias /set-handler @ROOT@/w/show.wsgi
    <Location /set-handler/none>
        SetHandler none
    </Location>
    UserDir @ROOT@/homes
    WSGIScriptAlias /~alias @ROOT@/w/show.wsgi
    <Directory @ROOT@/homes>
        Options +ExecCGI
        AddHandler wsgi-script .wsgi
    </Directory>
    RewriteEngine On
    RewriteRule ^/rewritten/(.*)$ /main/$1 [PT]
    RewriteRule ^/rewritten-query/(.*)$ /main/$1?from=rewrite [PT,QSA]
    RewriteRule ^/rewritten-env/(.*)$ /main/$1 [PT,E=FROM_RULE:value-$1]
    RewriteRule ^/rewritten-file/(.*)$ @ROOT@/homes/ann/show.wsgi/$1 [L]
    RewriteRule ^/rewritten-handler/(.*)$ @ROOT@/homes/ann/plain.txt [H=wsgi-script,L]
    RewriteRule ^/rewritten-redirect$ /main [R=303,L]
    RewriteRule ^/rewritten-forbidden /main [F]
    RewriteRule ^/rewritten-group/(.*)$ /env-group/$1 [PT,E=GROUP:from-the-rule]
    WSGIScriptAlias /env-group @ROOT@/w/show.wsgi application-group=%{ENV:GROUP}
    RewriteRule ^/twice-there$ /rewritten-again [N]
    RewriteRule ^/rewritten-again$ /main [PT]
</VirtualHost>
<VirtualHost *:@PORT1@>
    ServerName mass.invalid
    VirtualDocumentRoot @ROOT@/mass/%0
    WSGIScriptAlias /app @ROOT@/w/show.wsgi
    <Directory @ROOT@/mass>
        Options +ExecCGI
        AddHandler wsgi-script .wsgi
        DirectoryIndex index.wsgi
    </Directory>
</VirtualHost>
"""

SITES = (
    Site(
        "aliases",
        ALIASES,
        ports=5,
        files={
            **copies("show.wsgi", "w/show.wsgi", "w/two.wsgi", "w/sub/deep.wsgi", "w/&x"),
            "htdocs/page.html": "static\n",
        },
    ),
    Site(
        "aliases-and-others",
        OTHERS,
        ports=2,
        modules=("rewrite", "userdir", "vhost_alias"),
        files={
            **copies("show.wsgi", "w/show.wsgi", "w/secret.wsgi", "denied/show.wsgi", "noexec/show.wsgi"),
            **copies("show.wsgi", "homes/ann/show.wsgi", "homes/ann/plain.txt", "mass/one.invalid/index.wsgi"),
            "htdocs/page.html": "static\n",
        },
    ),
)

CASES: tuple[Case, ...] = (
    *routes(
        "3.2 order",
        "aliases",
        ("3.2-first-match",),
        """
/deep               200  /deep|
/deep/e             200  /deep|/e
/deep/er            200  /deep/er|  mod_wsgi.callable_object=second
/deep/er/x          200  /deep/er|/x  mod_wsgi.callable_object=second
/deep/erx           200  /deep|/erx  mod_wsgi.callable_object=application
/shadow             200  /shadow|
/shadow/below       200  /shadow|/below  mod_wsgi.callable_object=application
/twice              200  /twice|  mod_wsgi.callable_object=application
/mixed/plain        200  /mixed/plain|  mod_wsgi.callable_object=application
/mixed/other/x      200  /mixed/other/x|
/plain-first/of/x   200  /plain-first/of|/x  mod_wsgi.callable_object=second
/plain-first/on     200  /plain-first|/on
""",
    ),
    *routes(
        "3.2 vhost",
        "aliases",
        ("3.2-vhost-first",),
        """
/both               200  /both|  mod_wsgi.callable_object=application
/both/x             200  /both|/x  mod_wsgi.callable_object=application
/late/x             200  /late|/x  mod_wsgi.callable_object=second
/main/x             200  /main|/x
""",
    ),
    *routes(
        "3.2 literal",
        "aliases",
        ("3.2-literal", "3.2-boundary"),
        """
/main               200  /main|
/mainx              404
/main.x             404
/main;a=b           404
/Main               404
/MAIN/x             404
/mai                404
/main?q             200  /main|  QUERY_STRING=q
/dot.ted+           200  /dot.ted+|
/dotxted+           404
/dot.teddd          404
/per%25cent/x       200  /per%cent|/x
/with%20blank/x     200
/bytes-%C3%A9       200
/bytes-%E9          404
""",
    ),
    *routes(
        "3.2 slashes",
        "aliases",
        ("3.2-slash-runs", "3.2-script-name"),
        """
//main              200  /main|
///main             200  /main|
/main/              200  /main|/
/main//             200  /main|/
/main//x            200  /main|/x
/main//x///y//      200  /main|/x/y/
//deep///er//x      200  /deep/er|/x  mod_wsgi.callable_object=second
/a/b                404
/a/b/               200  /a/b|/
/a/b/x              200  /a/b|/x
/a//b/x             200  /a/b|/x
/a///b//x           200  /a/b|/x
/c/d                200  /c/d|
/c//d               200  /c/d|
/c///d/x            200  /c/d|/x
/cd                 404
""",
    ),
    *routes(
        "3.2 decoded",
        "aliases",
        ("3.2-decoded-uri",),
        """
/./main             200  /main|
/x/../main          200  /main|
/main/./x           200  /main|/x
/main/x/..          200  /main|/
/main/x/../y        200  /main|/y
/main/../deep/x     200  /deep|/x
/main/.%2e/deep/x   200  /deep|/x
/main/%2e%2e/x      404
/%6dain             200  /main|
/m%61in/%78         200  /main|/x
/main%2Fx           404
/main/x%2Fy         404
/main/a%00b         404
/main/a%0Ab         200  PATH_INFO=/a\\nb
/main/%20           200
/main/%2520         200  PATH_INFO=/%20
/main/%C3%A9        200  PATH_INFO=/\\u00c3\\u00a9
/main/%ff%fe        200  PATH_INFO=/\\u00ff\\u00fe
/main/a+b&c=d       200
/main/..            404
/../main            400
/main/%zz           400
http://first.invalid/main/x  200  /main|/x
""",
    ),
    *routes(
        "3.2 folder",
        "aliases",
        ("3.2-directory-target", "3.2-filename"),
        """
/folder/show.wsgi        200  /folder/show.wsgi|
/folder/show.wsgi/x      200  /folder/show.wsgi|/x
/folder/two.wsgi/x/y/    200  /folder/two.wsgi|/x/y/
/folder//show.wsgi//x    200  /folder/show.wsgi|/x
/folder/sub/deep.wsgi/a  200  /folder/sub/deep.wsgi|/a
/folder2/show.wsgi/x     200  /folder2/show.wsgi|/x
/folder/none.wsgi        404  WSGI0135
/folder/sub/none/x       404  WSGI0135
/missing                 404  WSGI0135
/missing/x               404  WSGI0135
""",
    ),
    *routes(
        "3.2 folder itself",
        "aliases",
        ("3.2-directory-itself", "3.3-directory"),
        """
/folder             301
/folder/            403  WSGI0136
/folder/sub         301
/folder/sub/        403  WSGI0136
/folder2            404
/folder2/           403  WSGI0136
""",
    ),
    *routes(
        "3.2 trailing",
        "aliases",
        ("3.2-trailing-slashes", "3.2-filename"),
        """
/mix1               404
/mix1/show.wsgi     404  WSGI0135
/mix2/show.wsgi     200  /mix2/show.wsgi|
/mix2show.wsgi      404
/file1              404
/file1/             200  /file1|/
/file1/x            200  /file1|/x
/file2              404
/file2/             200  /file2/|
/file2/x            404  WSGI0135
/file3              200  /file3|/
/file3/x            200  /file3|/x
""",
    ),
    *routes(
        "3.2 regex",
        "aliases",
        ("3.2-regex", "3.2-filename"),
        """
/re/show/x          200  /re/show/x|
/re/show/xyz        404  WSGI0135
/re/show/x/y        200  /re/show/x|/y
/re/two/x           200  /re/two/x|
/re/show/y          404
/re/none/x          404  WSGI0135
/re//show/x         200
/rest/show.wsgi     200  /rest/show.wsgi|
/rest/two.wsgi/z/   200  /rest/two.wsgi|/z/
/rest/              403  WSGI0136
/x/un/anch/y        200  /x/un/anch|/y
/un/anch            200  /un/anch|
/un/anchor          404  WSGI0135
/end                200  /end|
/end/               404
/endx               404
/all                200  /all|
/all/               200  /all|/
/all/p              200  /all|/p
/allx               404  WSGI0135
/dollar/x           404  WSGI0135
/amp/x              200  /amp/x|
/NoCase             200  /NoCase|
/nocase/x           200  /nocase|/x
/NOCASEx            404  WSGI0135
/nine/showabcde     200
/nine/showabcde/x   200
/whole/x            200  |/whole/x
/none/              200
/none/ab            200
/none/b/x           200
/alpha-group/x      200  /alpha-group|/x  mod_wsgi.application_group=named  mod_wsgi.callable_object=second
/gamma-group/x      404
""",
    ),
    *routes(
        "3.2 regex empty",
        "aliases",
        ("3.2-regex-empty",),
        """
/empty              200  /empty|
/empty/x            200  /empty|/x
/xxx                404
/yyy                404
""",
    ),
    *routes(
        "3.2 root",
        "aliases",
        ("3.2-root-mount", "3.2-script-name"),
        """
/                   200  |/
/x                  200  |/x
/a/b/               200  |/a/b/
//                  200  |/
//x//y              200  |/x/y
/x/../y             200  |/y
/%C3%A9             200
/x%2Fy              404
/static             301
/staticx            200  |/staticx
/static/page.html   200  static
/favicon.ico        200  static
/never              200  |/never  mod_wsgi.callable_object=application
/late/late          200  /late/late|
/late/x             200  |/late/x
/main/x             200  |/main/x
""",
        port=1,
    ),
    *routes(
        "3.2 root folder",
        "aliases",
        ("3.2-root-mount", "3.2-directory-target"),
        """
/show.wsgi          200  /show.wsgi|
/show.wsgi/x        200  /show.wsgi|/x
/sub/deep.wsgi/x    200  /sub/deep.wsgi|/x
/                   403  WSGI0136
/sub                301
/sub/               403  WSGI0136
/none               404  WSGI0135
/main/x             404  WSGI0135
""",
        port=2,
    ),
    *routes(
        "3.2 root regex",
        "aliases",
        ("3.2-root-mount", "3.2-regex"),
        """
/                   200  |/
/x                  200  /x|
/static/y           404  WSGI0135
/static             200  /static|
/static/            200  /static/|
""",
        port=3,
    ),
    *routes(
        "3.2 root slash",
        "aliases",
        ("3.2-root-mount", "3.2-trailing-slashes"),
        """
/                   200
/x                  200
/x%2Fy              200
/x%2Fy/..%2Fz       200
""",
        port=4,
    ),
    *routes(
        "3.2 mod_alias",
        "aliases-and-others",
        ("3.2-mod-alias-wins",),
        """
/main-alias/page.html         200  static
/alias-first                  301
/alias-first/page.html        200  static
/alias-first/none             404
/alias-deep/static/page.html  200  static
/alias-deep/other             200  /alias-deep|/other
/alias-match/static/page.html 200  static
/alias-match/x                200  /alias-match|/x
/script-alias/page.html       200  static
/redirect                     302
/redirect/x?q                 302
/redirect-match/x             307
/gone/x                       410
/located-alias                200  static
""",
    ),
    *routes(
        "3.2 access",
        "aliases-and-others",
        ("3.2-directory-access",),
        """
/denied                       403
/denied/x                     403
/located-denied               200  /located-denied|
/located-denied/no            403
/located-denied/no/x          403
/located-denied/nox           200  /located-denied|/nox
/by-file/x                    403
/by-expression?yes            200  /by-expression|
/by-expression?no             403
""",
    ),
    *routes(
        "3.2 exec",
        "aliases-and-others",
        ("3.2-exec-cgi-free",),
        """
/no-exec                      200  /no-exec|  mod_wsgi.request_handler=wsgi-script
/no-exec/x                    200  /no-exec|/x
/set-handler/x                200  /set-handler|/x
/set-handler/none             200
""",
    ),
    *routes(
        "3.2 userdir",
        "aliases-and-others",
        ("3.2-mod-alias-wins", "3.3-ways-handler"),
        """
/~ann/show.wsgi               200  /~ann/show.wsgi|
/~ann/show.wsgi/x             200  /~ann/show.wsgi|/x
/~ann/none.wsgi               404  WSGI0135
/~alias/x                     200  /~alias|/x
/~nobody/x                    404
""",
    ),
    *routes(
        "3.2 rewrite",
        "aliases-and-others",
        ("3.2-option-notes", "3.2-script-name"),
        """
/rewritten/x/y?q=1            200  /main|/x/y  QUERY_STRING=q=1  REQUEST_URI=/rewritten/x/y?q=1
/rewritten-query/x?q=1        200  /main|/x  QUERY_STRING=from=rewrite&q=1
/rewritten-env/x              200  /main|/x  FROM_RULE=value-x
/rewritten-file/x             200  /rewritten-file|/x
/rewritten-handler/x          200  /rewritten-handler/x|
/rewritten-redirect           303
/rewritten-forbidden          403
/rewritten-group/x            200  /env-group|/x  test.group=from-the-rule
/env-group/x                  200  /env-group|/x  test.group=%{ENV:GROUP}
/rewritten-again              200  /main|
/twice-there                  200  /main|
""",
    ),
    *routes(
        "3.2 vhost_alias",
        "aliases-and-others",
        ("3.2-mod-alias-wins", "3.3-ways-directory-index"),
        """
/app/x                        200  /app|/x
/index.wsgi/x                 200  /index.wsgi|/x
/                             200  /index.wsgi|
/x                            404
""",
        port=1,
        headers=(("Host", "one.invalid"),),
    ),
    *(
        Case(f"3.2 method {method}", ("3.2-decoded-uri",), "aliases", Ask("/main/x", method), status)
        for method, status in (("OPTIONS", 200), ("DELETE", 200), ("BREW", 200), ("TRACE", 200), ("PUT", 200))
    ),
    Case("3.2 method OPTIONS *", ("3.2-decoded-uri",), "aliases", Ask("*", "OPTIONS", port=1), 200),
)
