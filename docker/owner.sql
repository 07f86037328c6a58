-- Makes zapauth_owner, whom the service connects as: owner of the database and of all that is in it, and no superuser.
-- Run as a superuser, by psql, in the service's database. A second run is safe; it sets the password anew.
\set ON_ERROR_STOP on
-- From the environment: a command line is seen by `ps`.
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

-- What an earlier composition made in schema public as the superuser: tables with their indexes and the sequences of
-- their columns; views, other sequences; functions.
SELECT format('ALTER %s %s OWNER TO zapauth_owner',
              CASE relkind WHEN 'S' THEN 'SEQUENCE' WHEN 'v' THEN 'VIEW' WHEN 'm' THEN 'MATERIALIZED VIEW' ELSE 'TABLE' END,
              oid::regclass)
  FROM pg_class c
 WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p', 'S', 'v', 'm')
   AND NOT EXISTS (SELECT FROM pg_depend WHERE classid = 'pg_class'::regclass AND objid = c.oid AND deptype IN ('a', 'i', 'e'))
 ORDER BY oid \gexec
SELECT format('ALTER ROUTINE %s OWNER TO zapauth_owner', oid::regprocedure)
  FROM pg_proc p
 WHERE pronamespace = 'public'::regnamespace
   AND NOT EXISTS (SELECT FROM pg_depend WHERE classid = 'pg_proc'::regclass AND objid = p.oid AND deptype = 'e')
 ORDER BY oid \gexec
COMMIT;
