-- Makes the role zapauth_owner for the service's connections. The role owns the database and everything in it, and is no
-- superuser. Run this with psql as a superuser, in the service's database. A second run is safe: it sets the password again.
\set ON_ERROR_STOP on
-- The password comes from the environment, because `ps` shows command lines.
\getenv password DATABASE_PASSWORD
\if :{?password}
\else
  \warn 'DATABASE_PASSWORD is not set.'
  SELECT 1 / 0;
\endif

BEGIN;
SELECT 'CREATE ROLE zapauth_owner' WHERE to_regrole('zapauth_owner') IS NULL \gexec
ALTER ROLE zapauth_owner LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS PASSWORD :'password';
SELECT format('ALTER DATABASE %I OWNER TO zapauth_owner', current_database()) \gexec

-- An earlier docker-compose.yml made objects in the schema public as the superuser. Change the owner of the tables (their
-- indexes and the sequences of their columns follow), views, other sequences, types and functions.
SELECT format('ALTER %s %s OWNER TO zapauth_owner',
              CASE relkind WHEN 'S' THEN 'SEQUENCE' WHEN 'v' THEN 'VIEW' WHEN 'm' THEN 'MATERIALIZED VIEW' ELSE 'TABLE' END,
              oid::regclass)
  FROM pg_class c
 WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p', 'S', 'v', 'm')
   AND NOT EXISTS (SELECT FROM pg_depend WHERE classid = 'pg_class'::regclass AND objid = c.oid AND deptype IN ('a', 'i', 'e'))
 ORDER BY oid \gexec
SELECT format('ALTER TYPE %s OWNER TO zapauth_owner', t.oid::regtype)
  FROM pg_type t LEFT JOIN pg_class c ON c.oid = typrelid
 WHERE typnamespace = 'public'::regnamespace AND (typtype IN ('e', 'd') OR c.relkind = 'c')
   AND NOT EXISTS (SELECT FROM pg_depend WHERE classid = 'pg_type'::regclass AND objid = t.oid AND deptype = 'e')
 ORDER BY t.oid \gexec
SELECT format('ALTER ROUTINE %s OWNER TO zapauth_owner', oid::regprocedure)
  FROM pg_proc p
 WHERE pronamespace = 'public'::regnamespace
   AND NOT EXISTS (SELECT FROM pg_depend WHERE classid = 'pg_proc'::regclass AND objid = p.oid AND deptype = 'e')
 ORDER BY oid \gexec
COMMIT;
