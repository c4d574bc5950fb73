"""Where redirects of a health endpoint lead: in a network of its own, where each address really answers."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
from typing import Any

import pytest
from patience import PATIENCE_SECONDS

SECRET = "AKIA-what-nobody-may-keep"
HERE = textwrap.dedent(
    """
    import json, socket, subprocess, sys, threading
    from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
    from ansible_collections.astral.upkeep.plugins.module_utils.gather.web import http_health
    from ansible_collections.astral.upkeep.plugins.module_utils.host.host import Host

    PLACES = ["10.1.2.3", "10.9.9.9", "1.2.3.4", "169.254.169.254", "169.254.7.7", "100.100.100.200", "168.63.129.16",
              "fd00:ec2::254", "fd12::1", "64:ff9b::a9fe:a9fe", "64:ff9b::102:304", "2002:a9fe:a9fe::1", "2a00::1"]
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    for place in PLACES:
        length, more = ("128", ["nodad"]) if ":" in place else ("32", [])
        subprocess.run(["ip", "addr", "add", f"{place}/{length}", "dev", "lo", *more], check=True)
    NAMES = {"portal.test": ["10.1.2.3"], "other.test": ["10.9.9.9"], "cloud.test": ["169.254.169.254"],
             "public.test": ["1.2.3.4"], "mixed.test": ["10.9.9.9", "1.2.3.4"]}
    heard, to = [], [""]

    class Site(BaseHTTPRequestHandler):
        def do_GET(self):
            place = self.connection.getsockname()[0].removeprefix("::ffff:")
            heard.append(place)
            away = self.path == "/" and to[0]
            self.send_response(302 if away else 200)
            if away:
                self.send_header("Location", to[0])
            self.send_header("Set-Cookie", "id=%(secret)s")
            self.send_header("X-Api-Key", "%(secret)s")
            self.send_header("Content-Type", "application/json")
            self.end_headers()
            self.wfile.write(b'{"status": "ok", "token": "%(secret)s"}')

        def log_message(self, *_args):
            pass

    class Both(ThreadingHTTPServer):
        address_family = socket.AF_INET6

        def server_bind(self):
            self.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
            super().server_bind()

    server = Both(("::", 80), Site)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    looked_up = []

    class Named(Host):
        def resolve(self, name, port=0):
            looked_up.append(name)
            if name == "twice.test":  # another address each time
                return ["1.2.3.4"] if looked_up.count(name) == 1 else ["169.254.169.254"]
            return NAMES[name] if name in NAMES else super().resolve(name, port)

    for url, own in json.load(sys.stdin):
        heard.clear(), looked_up.clear()
        to[0] = own.pop("to", "")
        params = {name: spec.get("default") for name, spec in http_health.ARGUMENTS.items()}
        params.update({"urls": [url], "tries": 1, "redirects": 5}, **own)
        seen = http_health.gather(params, Named())[0]
        print(json.dumps({"heard": heard, "error": seen.error, "data": seen.data, "raw": seen.raw}))
    """
) % {"secret": SECRET}
PORTAL = "http://portal.test/"
CLOUD, LINK, PRIVATE, OURS = (
    "a cloud's metadata address",
    "a link-local address",
    "a private address",
    "an address of this machine",
)
REFUSED = [
    ("http://169.254.169.254/latest", CLOUD),
    ("http://2852039166/latest", CLOUD),
    ("http://0xa9fea9fe/latest", CLOUD),
    ("http://cloud.test/latest", CLOUD),
    ("http://169.254.7.7/x", LINK),
    ("http://100.100.100.200/x", CLOUD),
    ("http://168.63.129.16/x", CLOUD),
    ("http://[fd00:ec2::254]/x", CLOUD),
    ("http://[::ffff:169.254.169.254]/x", CLOUD),
    ("http://[64:ff9b::a9fe:a9fe]/x", CLOUD),
    ("http://[2002:a9fe:a9fe::1]/x", CLOUD),
    ("http://10.9.9.9/x", PRIVATE),
    ("http://other.test/x", PRIVATE),
    ("http://[fd12::1]/x", PRIVATE),
    ("http://[::ffff:10.9.9.9]/x", PRIVATE),
    ("http://127.0.0.1/x", OURS),
    ("http://localhost/x", OURS),
    ("http://[::1]/x", OURS),
    ("http://0.0.0.0/x", OURS),
]
FOLLOWED: list[tuple[str, dict[str, Any], list[str]]] = [
    (PORTAL, {"to": "/x"}, ["10.1.2.3", "10.1.2.3"]),
    (PORTAL, {"to": "http://PORTAL.test/x"}, ["10.1.2.3", "10.1.2.3"]),
    (PORTAL, {"to": "http://1.2.3.4/x"}, ["10.1.2.3", "1.2.3.4"]),
    (PORTAL, {"to": "http://public.test/x"}, ["10.1.2.3", "1.2.3.4"]),
    (PORTAL, {"to": "http://mixed.test/x"}, ["10.1.2.3", "1.2.3.4"]),
    (PORTAL, {"to": "http://[2a00::1]/x"}, ["10.1.2.3", "2a00::1"]),
    (PORTAL, {"to": "http://[64:ff9b::102:304]/x"}, ["10.1.2.3", "64:ff9b::102:304"]),
    (
        PORTAL,
        {"to": "http://other.test/x", "redirect_hosts": ["Other.test."]},
        ["10.1.2.3", "10.9.9.9"],
    ),
    (PORTAL, {"to": "http://127.0.0.1/x", "redirect_hosts": ["127.0.0.1"]}, ["10.1.2.3", "127.0.0.1"]),
    ("http://169.254.7.7/", {"to": "/x"}, ["169.254.7.7", "169.254.7.7"]),
    ("http://127.0.0.1/", {"to": "http://127.0.0.1/x"}, ["127.0.0.1", "127.0.0.1"]),
    (PORTAL, {"to": "/x", "connect_to": "10.9.9.9:80"}, ["10.9.9.9", "10.9.9.9"]),
    (
        "http://127.0.0.1/",
        {"to": "http://portal.test/x", "server_name": "portal.test"},
        ["127.0.0.1", "10.1.2.3"],
    ),
    ("http://twice.test/", {"to": "http://twice.test/x"}, ["1.2.3.4", "1.2.3.4"]),
]  # fmt: skip
DECLARED_NAMES_OF_THE_CLOUD = ("http://cloud.test/x", {"redirect_hosts": ["cloud.test"]})


@pytest.fixture(scope="module")
def seen() -> list[dict[str, Any]]:
    """What was seen with each of the above, in a network of its own."""
    here = ["unshare", "--net"]
    if os.geteuid() or subprocess.run([*here, "true"], capture_output=True).returncode:
        pytest.skip("a network of its own needs root and network namespaces")
    asks = [(PORTAL, {"to": to}) for to, _why in REFUSED]
    asks += [(url, own) for url, own, _heard in FOLLOWED]
    asks.append((PORTAL, {"to": DECLARED_NAMES_OF_THE_CLOUD[0], **DECLARED_NAMES_OF_THE_CLOUD[1]}))
    done = subprocess.run(
        [*here, sys.executable, "-c", HERE],
        input=json.dumps(asks),
        capture_output=True,
        text=True,
        timeout=2 * PATIENCE_SECONDS,
    )
    found = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(found) == len(asks), done.stderr
    return found


@pytest.mark.parametrize("number", range(len(REFUSED)), ids=[to for to, _why in REFUSED])
def test_a_redirect_is_not_followed_to_where_no_site_looks(number: int, seen: Any) -> None:
    one, (_to, why) = seen[number], REFUSED[number]

    assert one["heard"] == ["10.1.2.3"]
    (tried,) = one["data"]["tries"]
    assert tried["status"] == 302
    assert tried["problem"].startswith("redirected to http://")
    assert tried["problem"].endswith(f", which leads to {why}: not followed")


@pytest.mark.parametrize("number", range(len(FOLLOWED)))
def test_a_redirect_is_followed_to_declared_hosts_and_public_addresses(
    number: int, seen: Any
) -> None:
    one, (_url, _own, heard) = seen[len(REFUSED) + number], FOLLOWED[number]

    assert one["error"] == ""
    assert one["heard"] == heard
    assert one["data"]["tries"][0]["status"] == 200


def test_a_declared_name_that_stands_for_the_clouds_metadata_is_not_followed(seen: Any) -> None:
    assert seen[-1]["heard"] == ["10.1.2.3"]
    assert CLOUD in seen[-1]["data"]["tries"][0]["problem"]


def test_no_secret_of_any_answer_is_kept(seen: Any) -> None:
    assert SECRET not in json.dumps(seen)
    assert all("set-cookie" not in one["raw"].lower() for one in seen)
    assert all("content-type: application/json" in one["raw"].lower() for one in seen)
