"""What web servers' configurations tell of TLS, and what a site declares."""

from __future__ import annotations

from typing import Any

import pytest
from recorded_host import RecordedHost

from ansible_collections.astral.upkeep.plugins.module_utils.certificate_files import (
    parse_verify,
    read_certificates,
)
from ansible_collections.astral.upkeep.plugins.module_utils.gather.certificates import (
    ARGUMENTS,
    Wanted,
    declared,
    discovered,
    gather,
    parse_endpoint,
)
from ansible_collections.astral.upkeep.plugins.module_utils.host import HostError, Ran
from ansible_collections.astral.upkeep.plugins.module_utils.tls_sites import (
    apache_sites,
    find_sites,
    nginx_sites,
    parse_apache,
    parse_nginx,
)

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
        ("-----BEGIN PRIVATE KEY-----", "a key, and no certificate"),
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
