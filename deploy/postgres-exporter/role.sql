-- The role by which the exporter looks at Postgres: it may see statistics and nothing of the data.
-- Run by psql as the owner of the database; a second run gives the role the password of the file.
\set ON_ERROR_STOP on
\set password `cat /run/secrets/postgres_exporter_password`
select not exists (select from pg_roles where rolname = 'monitor') as missing \gset
\if :missing
create role monitor;
\endif
alter role monitor with login connection limit 5 nosuperuser nocreatedb nocreaterole
  password :'password';
grant pg_monitor to monitor;
alter role monitor set statement_timeout = '5s';
