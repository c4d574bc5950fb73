# Copyright: (c) 2026, Upkeep's founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is in a database of PostgreSQL: tables, indexes, sequences, and how well they are kept."""

from __future__ import annotations

from ansible_collections.astral.upkeep.plugins.module_utils.databases.engine import Topic

# Of a sequence that the account may neither use nor read, last_value is null: that is no sequence at its beginning.
SEQUENCES = """
with one as (
  select format('%I.%I', s.schemaname, s.sequencename) as name, s.data_type::text as type, s.last_value, s.max_value,
    s.min_value, s.increment_by, s.cycle, c.oid,
    has_schema_privilege(n.oid, 'USAGE') and has_sequence_privilege(c.oid, 'SELECT,USAGE') as may
  from pg_sequences s join pg_namespace n on n.nspname = s.schemaname
    join pg_class c on c.relnamespace = n.oid and c.relname = s.sequencename)
select json_build_object(
  'unseen', (select count(*) from one where not may),
  'rows', (select coalesce(json_agg(worst), '[]') from (
    select name, type, last_value, max_value, min_value, increment_by, cycle,
      case when increment_by > 0 then (last_value::numeric - min_value) / nullif(max_value::numeric - min_value, 0)
        else (max_value::numeric - last_value) / nullif(max_value::numeric - min_value, 0) end::float8 as share
    from one where may and last_value is not null order by share desc nulls last, name limit 50) as worst))"""

OBJECTS = (
    Topic(
        "sequences",
        {0: SEQUENCES},
        grant="GRANT SELECT ON ALL SEQUENCES IN SCHEMA public TO {account}",
        second=True,
    ),
)
