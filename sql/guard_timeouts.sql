-- Concurrent builds as written while a timeout is set: they clean up after themselves. And what follows a build.
\getenv srcdir PG_ABS_SRCDIR
\set ECHO none
\i :srcdir/test/lib/twins.sql
\set ECHO all

CREATE FUNCTION public.regress_zdm_slow(int) RETURNS int IMMUTABLE LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(10); RETURN 1; END $$;
CALL each_side($$
    CREATE TABLE t (id int, v text);
    INSERT INTO t SELECT i, i FROM generate_series(1, 100) AS i;
$$);

-- the end of time: no INVALID index
SET statement_timeout = '500ms';
CREATE INDEX CONCURRENTLY slow ON t (public.regress_zdm_slow(id));
\echo :SQLSTATE
SELECT count(*) FROM pg_index WHERE indrelid = 't'::regclass;
SET statement_timeout = '1min';
SELECT twin('CREATE INDEX by_v ON t (v)') :run
SET lock_timeout = '10ms';
RESET statement_timeout;
CREATE INDEX CONCURRENTLY by_id ON t (id);
REINDEX INDEX CONCURRENTLY by_id;
DROP INDEX CONCURRENTLY by_id;
-- PostgreSQL's own answer in a transaction block
BEGIN;
CREATE INDEX CONCURRENTLY by_id ON t (id);
ROLLBACK;
RESET lock_timeout;
-- without a timeout as it is
CREATE INDEX CONCURRENTLY by_id ON t (id);
DROP INDEX CONCURRENTLY by_id;
SELECT compare();

-- an index over an expression gets its statistics
SELECT twin('CREATE INDEX lowered ON t (id, lower(v))') :run
SELECT count(*) FROM pg_stats WHERE schemaname = 'guarded' AND tablename = 'lowered';
SET zdm.rule_actions = 'auto-analyze=allow';
SELECT twin('CREATE INDEX raised ON t (upper(v))') :run
RESET zdm.rule_actions;
SELECT compare();

-- hints of what has no safe form here
CLUSTER t USING by_v;
VACUUM FULL t, twins.plain_error;

\set ECHO none
SET client_min_messages = error;
DROP SCHEMA plain, guarded, twins CASCADE;
DROP FUNCTION public.regress_zdm_slow(int);
