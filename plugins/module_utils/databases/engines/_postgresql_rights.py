# Copyright: (c) 2026, Upkeep's founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an account of PostgreSQL lacks, and the statements of an administrator that give it. Pure."""

from __future__ import annotations

import re
from typing import Any, Dict, List, Mapping, NamedTuple, Tuple

GRANT_CHARACTERS = 1000
"""How long a list of schemas in a statement may be, which a person is to read."""
READER = "upkeep_reader"
"""The role that a site could name in explain_as, if it names none."""
REFUSED = "refused"
"""Why nothing was seen: the role of explain_as did not get in, and no statement is known that lets it."""

# The name is the site's own: in hexadecimal digits it is no part of the statement.
_OF_READER = """
    coalesce((select json_build_object('exists', true, 'login', rolcanlogin,
        'connect', has_database_privilege(oid, current_database(), 'CONNECT'))
      from pg_roles where rolname = convert_from(decode('{hex}', 'hex'), 'UTF8')),
    json_build_object('exists', false, 'login', true,
      'connect', has_database_privilege('public', current_database(), 'CONNECT')))"""


class Lack(NamedTuple):
    """Why a topic cannot be read, the statements that fix it, and the line of postgresql.conf that must be there."""

    why: str = ""
    statements: Tuple[str, ...] = ()
    setting: str = ""


def reader_of(database: Mapping[str, Any]) -> str:
    """Return the role that reads tables: the one that the site names, else the one that it could."""
    second = database.get("explain_as") or {}
    return str(second.get("user") or READER)


def asked_of(role: str) -> str:
    """Return SQL for what a role is: whether it `exists`, and may `login`, and `connect` to the database."""
    return _OF_READER.replace("{hex}", role.encode().hex())


def let_in(role: str, known: Mapping[str, Any], database: str) -> List[str]:
    """Return the statements that let a role connect to a database; the password is asked for, so it is in no history.

    known: what `asked_of` gave.
    """
    name = quoted(role)
    statements = []
    if not known["exists"]:
        statements += [f"CREATE ROLE {name} LOGIN", f"\\password {name}"]
    elif not known["login"]:
        statements.append(f"ALTER ROLE {name} LOGIN")
    if not known["connect"]:
        statements.append(f"GRANT CONNECT ON DATABASE {quoted(database)} TO {name}")
    return statements


def reads(hidden: Mapping[str, List[str]], role: str) -> List[str]:
    """Return the statements that let a role read what stands in these schemas, by `TABLES` and `SEQUENCES`.

    What is read by its name, as statements do, takes the right to look into a schema too: `SCHEMAS`.
    """
    looks = (
        [f"GRANT USAGE ON SCHEMA {_listed(hidden['SCHEMAS'])} TO {quoted(role)}"]
        if hidden.get("SCHEMAS")
        else []
    )
    return looks + [
        f"GRANT SELECT ON ALL {objects} IN SCHEMA {_listed(hidden[objects])} TO {quoted(role)}"
        for objects in ("SEQUENCES", "TABLES")
        if hidden.get(objects)
    ]


def _listed(schemas: List[str]) -> str:
    """Return names of schemas, which SQL has quoted; of many, the first, and in a comment how many more there are."""
    names = [readable(one) for one in dict.fromkeys(schemas)]
    shown: List[str] = []
    for name in names:
        if shown and sum(map(len, shown)) + len(name) > GRANT_CHARACTERS:
            break
        shown.append(name)
    more = len(names) - len(shown)
    return ", ".join(shown) + (f" /* and {more} more schemas */" if more else "")


def of_extension(
    name: str, extensions: Mapping[str, Any], account: str, setting: str
) -> Tuple[str, int, Lack]:
    """Return an extension's schema and version (1.9 is 109), or what is missing before it can be asked.

    extensions: those of the database, by name version, schema, and whether the account may use it: `true`. setting: the
    line that loads its library, if the server has not.
    """
    if name not in extensions:
        return "", 0, Lack(f"this database has no {name}", (f"CREATE EXTENSION {name}",), setting)
    version, schema, may = extensions[name]
    if may != "true":
        grant = f"GRANT USAGE ON SCHEMA {readable(schema)} TO {quoted(account)}"
        return "", 0, Lack("the account may not use its schema", (grant,))
    parts = re.match(r"(\d+)\.(\d+)", version)
    return schema, int(parts.group(1)) * 100 + int(parts.group(2)) if parts else 0, Lack()


def quoted(name: str) -> str:
    """Return a name as SQL writes it: plain if it can be."""
    if re.fullmatch(r"[a-z_][a-z0-9_]{0,62}", name):
        return name
    return readable('"' + name.replace('"', '""') + '"')


def readable(name: str) -> str:
    """Return a name that SQL has quoted so that it can be printed: what cannot stands as its number in Unicode."""
    if name.isprintable():
        return name
    doubled = name.replace("\\", "\\\\")
    return "U&" + "".join(one if one.isprintable() else f"\\+{ord(one):06X}" for one in doubled)


def merged(many: List[Dict[str, List[str]]]) -> Dict[str, List[str]]:
    """Return the schemas of all topics together, by the kind of object, each once and in their order."""
    found: Dict[str, List[str]] = {}
    for one in many:
        for objects, schemas in one.items():
            found[objects] = sorted({*found.get(objects, []), *map(str, schemas)})
    return found
