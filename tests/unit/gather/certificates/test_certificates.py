"""What web servers' configurations tell of TLS, and what a site declares."""

from __future__ import annotations

import base64
import re
from typing import Any

import pytest
from made_certificates import BEGINS, make
from recorded_host import RecordedHost

from ansible_collections.astral.upkeep.plugins.module_utils.gather.certificates._files import (
    parse_verify,
    read_certificates,
)
from ansible_collections.astral.upkeep.plugins.module_utils.gather.certificates._sites import (
    apache_sites,
    find_sites,
    nginx_sites,
    parse_apache,
    parse_nginx,
)
from ansible_collections.astral.upkeep.plugins.module_utils.gather.certificates.certificates import (
    ARGUMENTS,
    Wanted,
    declared,
    discovered,
    gather,
    parse_endpoint,
)
from ansible_collections.astral.upkeep.plugins.module_utils.host.host import HostError, Ran
from upkeep.judging.check import load
from upkeep.model.verdicts import Status

NGINX = r"""
user www-data; # a comment with ; and {
http {
    ssl_certificate /etc/ssl/all.pem;
    ssl_certificate_key "/etc/ssl/private/all.key";
    log_format main '$remote_addr { "$request" }';
    include sites/*.conf;
    server { listen 80; server_name plain.example.org; }
    server {
        listen 443 ssl; listen [::]:443 ssl http2; listen unix:/run/x ssl;
        server_name Portal.example.org *.example.org ~^x\d+\.org$ _;
        location ~ \.php$ { return 200 "{"; }
    }
}
"""
INCLUDED = """
server {
    listen 192.0.2.1:8443 ssl default_server;
    ssl_certificate conf/api.pem;
    ssl_certificate_key conf/api.key;
    ssl_certificate $ssl_server_name.pem;
}
"""
APACHE = r"""
<IfModule ssl_module>
  Listen 443
  <VirtualHost _default_:443 10.0.0.1:8443>
    ServerName https://shop.example.org:443
    ServerAlias www.shop.example.org \
        *.shop.example.org
    SSLEngine on
    SSLCertificateFile "/etc/ssl/shop cert.pem"
    SSLCertificateKeyFile /etc/ssl/shop.key
  </VirtualHost>
  <VirtualHost *:80>
    SSLEngine off
    SSLCertificateFile /etc/ssl/unused.pem
  </VirtualHost>
</IfModule>
"""


def params(**own: Any) -> dict[str, Any]:
    return {**{name: spec.get("default") for name, spec in ARGUMENTS.items()}, **own}


def test_nginx_sites_with_inheritance_and_includes() -> None:
    host = RecordedHost({"/etc/nginx/nginx.conf": NGINX, "/etc/nginx/sites/api.conf": INCLUDED})
    portal, api = sorted(find_sites(host).found, key=lambda site: site.certificate, reverse=False)[
        ::-1
    ]
    if portal.certificate != "/etc/ssl/all.pem":
        portal, api = api, portal

    assert (portal.certificate, portal.key) == ("/etc/ssl/all.pem", "/etc/ssl/private/all.key")
    assert portal.names == ("portal.example.org",)
    assert portal.places == ("127.0.0.1:443", "[::1]:443")
    assert (api.certificate, api.key) == ("/etc/nginx/conf/api.pem", "/etc/nginx/conf/api.key")
    assert (api.names, api.places) == ((), ("192.0.2.1:8443",))


def test_an_include_that_includes_itself_ends() -> None:
    host = RecordedHost({"/etc/nginx/nginx.conf": "include *.conf; include nginx.conf;"})

    assert find_sites(host).found == []


def test_apache_sites() -> None:
    (site,) = apache_sites(parse_apache(APACHE))

    assert (site.certificate, site.key) == ("/etc/ssl/shop cert.pem", "/etc/ssl/shop.key")
    assert site.names == ("shop.example.org", "www.shop.example.org")
    assert site.places == ("127.0.0.1:443", "10.0.0.1:8443")


@pytest.mark.parametrize("text", ["", "}", "{{{{", "server", "server { listen", '"', "\0\udcff{;"])
def test_broken_configurations_give_no_site(text: str) -> None:
    assert nginx_sites(parse_nginx(text)) == []
    assert apache_sites(parse_apache(text)) == []


def test_certbots_certificates_are_found_and_paired_with_their_servers() -> None:
    live = "/etc/letsencrypt/live/x/fullchain.pem"
    other = "/etc/letsencrypt/live/y/fullchain.pem"
    site = f"server {{ listen 443 ssl; server_name x.org; ssl_certificate {live}; }}"
    host = RecordedHost({"/etc/nginx/nginx.conf": site, live: "", other: ""})

    assert discovered(host) == [
        Wanted(live, True, True, "", ("x.org",), server=True),
        Wanted(other, True, True, "/etc/letsencrypt/live/y/privkey.pem", server=True),
        Wanted("x.org@127.0.0.1:443", found=True, on_disk=live),
    ]


def test_what_is_declared_and_absent_is_an_error_and_nothing_discovered_is_nothing() -> None:
    (seen,) = gather(params(files=["/etc/ssl/portal.pem"]), RecordedHost())

    assert seen.error == "/etc/ssl/portal.pem: no such file or directory"
    assert gather(params(), RecordedHost()) == []


def test_declarations_are_put_together() -> None:
    own = params(
        served={"/c": ["a:443", "smtp://m"]}, keys={"/c": "/k"}, names={"/c": "a", "a:443": ["b"]}
    )

    assert declared(own, RecordedHost()) == [
        Wanted("/c", True, key="/k", names=("a",), server=True),
        Wanted("a:443", names=("b",), on_disk="/c"),
        Wanted("smtp://m", on_disk="/c"),
    ]


@pytest.mark.parametrize(
    ("place", "expected"),
    [
        ("portal.example.org", ("", "portal.example.org", "portal.example.org", 443)),
        ("tls://h:8443", ("", "h", "h", 8443)),
        ("smtp://mail", ("smtp", "mail", "mail", 25)),
        ("portal.example.org@127.0.0.1:8443", ("", "portal.example.org", "127.0.0.1", 8443)),
        ("x@[::1]:443", ("", "x", "::1", 443)),
    ],
)
def test_an_endpoint(place: str, expected: tuple[str, str, str, int]) -> None:
    assert parse_endpoint(place) == expected


@pytest.mark.parametrize("place", ["gopher://x", "", "x:y", "tls://"])
def test_what_is_no_endpoint(place: str) -> None:
    with pytest.raises(ValueError):
        parse_endpoint(place)


@pytest.mark.parametrize(
    ("content", "error"),
    [
        ("", "neither PEM nor DER"),
        ("hello", "neither PEM nor DER"),
        ("-----BEGIN PRIVATE KEY-----", "a key, but no certificate"),
        ("-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----", "a certificate that is no"),
        (b"\x30\x82\x01\x00", "DER of 260 bytes in a file of 4"),
        (b"\x30\x80\x00\x00", "neither PEM nor DER"),
    ],
)
def test_a_file_without_a_certificate(content: str | bytes, error: str) -> None:
    with pytest.raises(HostError, match=error):
        read_certificates(RecordedHost({"/c": content}), "/c")


@pytest.mark.parametrize(
    ("ran", "expected"),
    [
        (Ran(0, "stdin: OK\n"), {"trusted": True, "code": 0, "reason": ""}),
        (
            Ran(
                2,
                "",
                "CN = x\nerror 20 at 0 depth lookup: unable to get local issuer certificate\n",
            ),
            {
                "trusted": False,
                "code": 20,
                "depth": 0,
                "reason": "unable to get local issuer certificate",
            },
        ),
        (
            Ran(1, "", "verify: Unknown option\n"),
            {"unseen": "openssl verify: verify: Unknown option"},
        ),
        (Ran(1, ""), {"unseen": "openssl verify: 1"}),
    ],
)
def test_what_openssl_says(ran: Ran, expected: dict[str, Any]) -> None:
    assert parse_verify(ran) == expected


ONE, TWO = make("one.example"), make("two.example")
FIRST, SECOND = ONE.pem.decode(), TWO.pem.decode()
KEY = ONE.key_pem.decode()
INDENTED = "".join(f"  {line}\n" for line in SECOND.splitlines())
COMMENTED = "".join(f"# {line}\n" for line in SECOND.splitlines())
IN_BASE64 = base64.b64encode(FIRST.encode()).decode()
OTHER_BASE64 = base64.b64encode(SECOND.encode()).decode()


@pytest.mark.parametrize(
    ("content", "kind", "count", "fault"),
    [
        (FIRST, "pem", 1, ""),
        (FIRST + SECOND, "pem", 2, ""),
        ("\ufeff" + (FIRST + SECOND).replace("\n", "\r\n"), "pem", 2, ""),
        (FIRST.replace("\n", " \t\n"), "pem", 1, ""),
        ("Certificate:\n  Version: 3\n" + FIRST + "trailing words\n", "pem", 1, ""),
        (
            KEY + FIRST + "-----BEGIN DH PARAMETERS-----\nMIIB\n-----END DH PARAMETERS-----\n",
            "pem",
            1,
            "",
        ),
        (FIRST.replace("CERTIFICATE", "TRUSTED CERTIFICATE"), "pem", 1, ""),
        (FIRST.replace("CERTIFICATE", "X509 CERTIFICATE"), "pem", 1, ""),
        (FIRST + COMMENTED, "pem", 1, ""),
        (
            FIRST
            + "-----BEGIN CERTIFICATE REQUEST-----\nMIIB\n-----END CERTIFICATE REQUEST-----\n",
            "pem",
            1,
            "",
        ),
        (
            FIRST + SECOND.replace("CERTIFICATE", "PKCS7"),
            "pem",
            1,
            "-----BEGIN PKCS7----- beside certificates, which was not read",
        ),
        (
            FIRST + SECOND.replace("CERTIFICATE", "CERTIFICAT"),
            "pem",
            1,
            "-----BEGIN CERTIFICAT-----",
        ),
        (FIRST + "\0\1\2", "pem", 1, "byte "),
        (
            FIRST.rstrip("\n") + SECOND,
            "pem",
            2,
            r"found '-----END CERTIFICATE----------BEGIN",
        ),
        (FIRST + SECOND[:200], "pem", 1, "-----BEGIN CERTIFICATE----- without its END"),
        (
            FIRST[:200] + "\n" + SECOND,
            "pem",
            1,
            "found '-----BEGIN CERTIFICATE-----'; expected",
        ),
        (
            FIRST + SECOND.replace("END CERT", "END X509 CERT"),
            "pem",
            1,
            "found '-----END X509",
        ),
        (
            FIRST + SECOND.replace("-----BEGIN", "----BEGIN"),
            "pem",
            1,
            "found '-----END CERT",
        ),
        (
            FIRST + SECOND.replace("-----END", "----END"),
            "pem",
            1,
            "-----BEGIN CERTIFICATE--",
        ),
        (FIRST + INDENTED, "pem", 2, r"found '-----BEGIN CERTIFICATE-----'; expected a"),
        (FIRST + "\ufeff" + SECOND, "pem", 2, ""),
        (
            FIRST + SECOND.replace("\n", ""),
            "pem",
            1,
            "found '-----BEGIN CERTIFICATE----------END",
        ),
        (
            FIRST + SECOND.replace("MII", "M!I"),
            "pem",
            1,
            "a certificate that is not base64",
        ),
        (KEY.replace("-----END", "----END") + FIRST, "pem", 1, "found '-----BEGIN CERT"),
        (
            FIRST + "# " + "x" * 1_000_000,
            "pem",
            1,
            "more than 1000000 bytes; the rest was not read",
        ),
        (FIRST * 401, "pem", 401, "401 certificates, of which 400 were checked"),
        (f"users:\n- client-certificate-data: {IN_BASE64}\n", "embedded", 1, ""),
        (f'{{"crt": "{IN_BASE64}", "ca": "{OTHER_BASE64}"}}', "embedded", 2, ""),
        (
            f"a: {IN_BASE64}\nb: {OTHER_BASE64[:200]}\n",
            "embedded",
            1,
            "PEM in base64, -----BEGIN",
        ),
        (
            f"a: {IN_BASE64}\nb: {OTHER_BASE64[:201]}\n",
            "embedded",
            1,
            "PEM in base64 that cannot be dec",
        ),
    ],
    ids=[
        "one",
        "two",
        "BOM and CRLF",
        "spaces at the ends of lines",
        "words around it",
        "key and parameters",
        "trusted",
        "X509",
        "one commented out",
        "a request",
        "PKCS7 beside",
        "label misspelt",
        "bytes behind",
        "END and BEGIN on one line",
        "cut off",
        "the first cut off",
        "another END",
        "BEGIN with four dashes",
        "END with four dashes",
        "indented",
        "a BOM between",
        "on one line",
        "no base64",
        "a key without END",
        "too large",
        "too many",
        "kubeconfig",
        "JSON",
        "base64 cut off",
        "base64 cut within a group",
    ],
)
def test_pem_as_openssl_reads_it(content: str, kind: str, count: int, fault: str) -> None:
    held = read_certificates(RecordedHost({"/c": content}), "/c")

    assert (held.format, held.count) == (kind, count)
    # Signatures have no fixed length, and so certificates no fixed number of lines.
    said = re.sub(r"line \d+: ", "", held.fault, count=1)
    assert said.startswith(fault)
    assert bool(said) == bool(fault)
    for one in held.certificates:
        assert one in {base64.b64decode(ONE.der), base64.b64decode(TWO.der)}


@pytest.mark.parametrize(
    "content",
    [
        b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n",
        b"\xff\xd8\xff\xe0\x00\x10JFIF",
        "<html><body>404</body></html>",
        FIRST.encode("utf-16"),
        f'{{"as_pem": "{FIRST}"}}'.replace("\n", "\\n"),
        COMMENTED,
        FIRST.replace("\n", "\r"),
        FIRST.replace("\n", ""),
        FIRST[:300],
        "-----BEGIN CERTIFICATE REQUEST-----\nMIIB\n-----END CERTIFICATE REQUEST-----\n",
        b"\xfe\xed\xfe\xed\x00\x00\x00\x02",
        b"\x30\x03\x02\x01\x05",
    ],
    ids=[
        "PDF", "JPEG", "HTML", "UTF-16", "JSON", "comment", "CR", "one line", "cut off", "request",
        "Java keystore", "other DER",
    ],
)  # fmt: skip
def test_what_holds_no_certificate_that_can_be_read_is_never_passed(content: str | bytes) -> None:
    (seen,) = gather(params(files=["/c"]), RecordedHost({"/c": content}))
    checks = load()
    if seen.error:
        return
    for name, check in checks.items():
        if check.gather == "certificates" and not check.of_site:
            verdict = check.judge(seen, check.limits, BEGINS)
            assert verdict is None or verdict.status is not Status.PASS, (name, verdict)


class Locked(RecordedHost):
    """A host with a file that cannot be read."""

    def open(self, path: str, follow_links: bool = True) -> Any:
        if "locked" in path:
            raise HostError(f"{path}: permission denied")
        return super().open(path, follow_links)


SITE = "server {{ listen 443 ssl; server_name s{0}.example; ssl_certificate /c{0}; }}"


@pytest.mark.parametrize("include", ["nginx", "apache"])
@pytest.mark.parametrize(
    ("files", "subject", "reason"),
    [
        (
            {f"site{number:03}.conf": "" for number in range(301)},
            "",
            "more than 300 included files; sites in the rest were not checked",
        ),
        ({"site-locked.conf": ""}, "site-locked.conf", "permission denied; sites in the rest were"),
        ({"site-large.conf": "#" * 1_000_001}, "site-large.conf", "more than 1000000 bytes"),
    ],
    ids=["more than 300", "not readable", "too large"],
)
def test_a_configuration_that_was_not_read_whole_is_unknown(
    include: str, files: dict[str, str], subject: str, reason: str
) -> None:
    main, line = {
        "nginx": ("/etc/nginx/nginx.conf", "include site*.conf;"),
        "apache": ("/etc/apache2/apache2.conf", "IncludeOptional site*.conf"),
    }[include]
    folder = main.rpartition("/")[0]
    host = Locked({main: line, **{f"{folder}/{name}": text for name, text in files.items()}})
    seen = {one.subject: one for one in gather(params(), host)}
    unread = seen[f"{folder}/{subject}" if subject else main]

    assert reason in unread.error
    assert "declare their certificates in `served`" in unread.error


def test_300_included_files_are_all_read() -> None:
    files = {f"/etc/nginx/site{number:03}.conf": SITE.format(number) for number in range(300)}
    sites = find_sites(RecordedHost({"/etc/nginx/nginx.conf": "include site*.conf;", **files}))

    assert (len(sites.found), sites.unread) == (300, {})


def test_too_many_blocks_are_told() -> None:
    text = "a {}\n" * 5000
    sites = find_sites(RecordedHost({"/etc/nginx/nginx.conf": text + SITE.format(1)}))

    assert "5000 blocks or more" in sites.unread["/etc/nginx/nginx.conf"]


def test_two_certificates_of_one_site_are_two_files_of_one_endpoint() -> None:
    site = (
        "server { listen 443 ssl; server_name x.org; ssl_certificate /ec; ssl_certificate /rsa; }"
    )

    assert discovered(RecordedHost({"/etc/nginx/nginx.conf": site}))[2:] == [
        Wanted("x.org@127.0.0.1:443", found=True, on_disk="/ec", beside=("/rsa",))
    ]
    own = params(served={"/ec": "x:443", "/rsa": "x:443"})
    assert declared(own, RecordedHost())[2:] == [Wanted("x:443", on_disk="/ec", beside=("/rsa",))]


@pytest.mark.parametrize(
    ("path", "text"),
    [
        (
            "/etc/nginx/nginx.conf",
            "server { listen 443 ssl; server_name x.org; ssl_certificate /c/$ssl_server_name.pem; }",
        ),
        (
            "/etc/nginx/nginx.conf",
            "server { listen 443 ssl; server_name x.org; ssl_certificate data:$one; }",
        ),
        (
            "/etc/apache2/apache2.conf",
            "<VirtualHost *:443>\nServerName x.org\nSSLEngine on\nSSLCertificateFile ${C}\n</VirtualHost>",
        ),
    ],
    ids=["nginx", "nginx, from a variable", "Apache"],
)
def test_a_site_whose_file_is_not_known_is_asked_itself(path: str, text: str) -> None:
    assert discovered(RecordedHost({path: text})) == [Wanted("x.org@127.0.0.1:443", found=True)]


@pytest.mark.parametrize(
    "key",
    [
        KEY.replace("\n", ""),
        KEY.replace("-----\n", "----- ", 1),
        KEY.replace("\n-----END", "-----END"),
    ],
    ids=["on one line", "beside BEGIN", "beside END"],
)
def test_a_fault_beside_a_key_quotes_nothing_of_it(key: str) -> None:
    held = read_certificates(RecordedHost({"/c": FIRST + key}), "/c")
    secret = "".join(KEY.splitlines()[1:-1])

    assert "PRIVATE KEY" in held.fault
    assert not any(secret[at : at + 6] in held.fault for at in range(len(secret) - 6))


NGINX_MAIN = "/etc/nginx/nginx.conf"
APACHE_MAIN = "/etc/apache2/apache2.conf"


@pytest.mark.parametrize(
    ("main", "text", "unread"),
    [
        (NGINX_MAIN, "http { include sites/a.conf; }", "/etc/nginx/sites/a.conf"),
        (NGINX_MAIN, "http { include sites/*.conf; }", ""),
        (APACHE_MAIN, "Include gone.conf", "/etc/apache2/gone.conf"),
        (APACHE_MAIN, "Include gone/*.conf", "/etc/apache2/gone/*.conf"),
        (APACHE_MAIN, "IncludeOptional gone/*.conf\nIncludeOptional gone.conf", ""),
        (APACHE_MAIN, "<IfModule mod_x.c>\nInclude gone.conf\n</IfModule>", ""),
        (APACHE_MAIN, "ServerRoot /srv/www\nInclude gone.conf", "/srv/www/gone.conf"),
        (APACHE_MAIN, "IncludeOptional ${CONFS}/a.conf", "/etc/apache2/${CONFS}/a.conf"),
    ],
    ids=[
        "nginx",
        "nginx-pattern",
        "apache",
        "apache-pattern",
        "optional",
        "module",
        "server-root",
        "variable",
    ],
)
def test_an_include_that_names_nothing_is_told_where_the_server_needs_it(
    main: str, text: str, unread: str
) -> None:
    sites = find_sites(RecordedHost({main: text}))

    assert list(sites.unread) == ([unread] if unread else [])
