#!/usr/bin/python
# Copyright: (c) 2026, Upkeep's founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Observe certificates in files and as servers present them."""

from __future__ import annotations

DOCUMENTATION = r"""
module: certificates_info
short_description: Observe certificates in files and as servers present them
version_added: 0.1.0
description:
  - Returns certificates as bytes (DER in base64), the chain in its order, whether the host trusts it, and the protocol.
  - Of a server that has certificates for RSA and for ECDSA keys it returns both.
  - Of a key it returns no more than a hash of its public half, which C(openssl) derives on the host.
  - If neither files nor endpoints are declared, it looks at what nginx, Apache and certbot on the host are set up with,
    pairing each file with the endpoints that should serve it. A configuration that cannot be read whole is an error.
  - Never changes the host; check mode makes no difference.
requirements:
  - C(openssl) on the host, for keys, PKCS#12, PKCS#7, the trust of files, and for chains with Python before 3.10
options:
  source:
    description:
      - By which name that which is asked from outside is known, C(site/<name>). It takes the host's place in results
        and findings. Without it, what is seen is the host's own.
    type: str
    default: ""
  files:
    description:
      - Files with certificates, PEM, DER, PKCS#12, PKCS#7, or base64 of PEM as in a kubeconfig; patterns are expanded.
    type: list
    elements: path
    default: []
  endpoints:
    description:
      - Servers, C([protocol://][name@]host[:port]). The name is asked for in TLS; without it, the host is.
      - Protocols are C(tls) (the default), C(smtp), C(imap), C(pop3), C(ftp), C(ldap), C(postgres) and C(mysql).
    type: list
    elements: str
    default: []
  served:
    description: Of a file, the endpoint or the endpoints that should serve it. Both are looked at.
    type: dict
    default: {}
  keys:
    description:
      - Of a certificate's file, the key's file.
      - A key in the same file, and certbot's C(privkey.pem) beside C(fullchain.pem), are found.
    type: dict
    default: {}
  names:
    description: Of a file or endpoint, the names that its certificate must be for, instead of the name asked for.
    type: dict
    default: {}
  ca_file:
    description: A file with the authorities to trust, instead of the host's own.
    type: path
    default: ""
  passphrase:
    description: What opens keys and PKCS#12 files that are locked.
    type: str
    default: ""
  old_protocols:
    description: Whether to try if endpoints accept TLS 1.1 or older.
    type: bool
    default: true
  timeout_seconds:
    description: How long one connection may take, in seconds.
    type: float
    default: 5.0
author:
  - Upkeep's founders (@astral-core)
"""

EXAMPLES = r"""
- name: Look at what the web servers on the host are set up with
  astral.upkeep.certificates_info:
  become: true

- name: Look at a certificate on disk and as it is served
  astral.upkeep.certificates_info:
    served:
      /etc/ssl/portal.pem: [portal.example.org:443, smtp://mail.example.org:25]
    keys:
      /etc/ssl/portal.pem: /etc/ssl/private/portal.key
"""

RETURN = r"""
observations:
  description: One observation per file and endpoint.
  returned: always
  type: list
  elements: dict
  contains:
    subject:
      description: The file's path, or the endpoint as it was written.
      type: str
      returned: always
      sample: portal.example.org:443
    data:
      description:
        - Certificates, trust, names asked for, key, protocol.
        - Of a file, C(trusts) has the trust of those behind the first, by their place; C(fault) says what of the file
          could not be read. Of an endpoint, C(others) has what it presents for other kinds of keys.
      type: dict
      returned: always
      sample: {kind: endpoint, der: MIIB…, chain: [], trust: {trusted: true}, protocol: TLSv1.3}
    raw:
      description: The certificates as PEM.
      type: str
      returned: when they could be seen
    error:
      description: Why they could not be seen.
      type: str
      returned: when they could not
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.astral.upkeep.plugins.module_utils.gather.certificates.certificates import (
    ARGUMENTS,
    gather,
)
from ansible_collections.astral.upkeep.plugins.module_utils.host.host import Host
from ansible_collections.astral.upkeep.plugins.module_utils.host.results import to_wire


def main() -> None:
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    seen = gather(module.params, Host())
    module.exit_json(changed=False, observations=[to_wire(observation) for observation in seen])


if __name__ == "__main__":
    main()
