"""What only PostgreSQL needs: to empty our schema, whoever has put something into it."""

from __future__ import annotations

from sqlalchemy import Connection, text

CLEAR = text("""
DO $clear$ DECLARE one text; BEGIN
FOREACH one IN ARRAY (SELECT coalesce(array_agg(statement), '{}') FROM (
  SELECT format('DROP %s IF EXISTS public.%I CASCADE', CASE c.relkind
      WHEN 'v' THEN 'VIEW' WHEN 'm' THEN 'MATERIALIZED VIEW' WHEN 'f' THEN 'FOREIGN TABLE'
      WHEN 'S' THEN 'SEQUENCE' WHEN 'c' THEN 'TYPE' ELSE 'TABLE' END, c.relname) AS statement
    FROM pg_class c
    WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S', 'c')
      AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.objid = c.oid AND d.deptype IN ('e', 'i', 'a'))
  UNION ALL SELECT format('DROP ROUTINE IF EXISTS %s CASCADE', p.oid::regprocedure)
    FROM pg_proc p
    WHERE p.pronamespace = 'public'::regnamespace
      AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.objid = p.oid AND d.deptype = 'e')
  UNION ALL SELECT format('DROP %s IF EXISTS public.%I CASCADE',
      CASE t.typtype WHEN 'd' THEN 'DOMAIN' ELSE 'TYPE' END, t.typname)
    FROM pg_type t
    WHERE t.typnamespace = 'public'::regnamespace AND t.typtype IN ('d', 'e', 'r')
      AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.objid = t.oid AND d.deptype = 'e')
) AS all_of_it) LOOP EXECUTE one; END LOOP; END $clear$
""")
"""Functions outlive the triggers that call them; what belongs to an extension is not ours."""


def clear(db: Connection) -> None:
    """Remove all that stands in our schema, in the transaction of the connection."""
    db.execute(text("SET LOCAL client_min_messages = warning"))
    db.execute(CLEAR)
