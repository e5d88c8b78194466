-- Where and how relations are kept, materialized views, and domains: what copies or scans is made concurrent, or refused.
\getenv srcdir PG_ABS_SRCDIR
\set ECHO none
\i :srcdir/test/lib/twins.sql
\set ECHO all
\getenv builddir PG_ABS_BUILDDIR
\set hints :builddir /results/guard_storage.hints

CALL each_side($$
    CREATE TABLE t (id int PRIMARY KEY, v text, EXCLUDE USING btree (v WITH =));
    INSERT INTO t SELECT i, i FROM generate_series(1, 100) AS i;
    CREATE INDEX by_v ON t (v);
    CREATE TABLE empty (id int);
    CREATE INDEX of_empty ON empty (id);
    CREATE MATERIALIZED VIEW m AS SELECT id, v FROM t;
    CREATE MATERIALIZED VIEW never AS SELECT id FROM t WITH NO DATA;
    CREATE MATERIALIZED VIEW nothing AS SELECT id FROM t WHERE false;
$$);

-- a refresh without a unique index is refused; the statistics may know of a column
REFRESH MATERIALIZED VIEW m;
\echo :SQLSTATE
ANALYZE m;
SELECT hint FROM zdm.explain('REFRESH MATERIALIZED VIEW m') \g :hints
\i :hints
CALL each_side('DROP INDEX IF EXISTS m_id_idx; CREATE UNIQUE INDEX m_id_idx ON m (id)');
-- with one it is concurrent, in a transaction block too
CALL each_side('INSERT INTO t VALUES (101, ''x'')');
SELECT twin('REFRESH MATERIALIZED VIEW m') :run
SELECT count(*) FROM m;
BEGIN;
INSERT INTO t VALUES (102, 'y');
REFRESH MATERIALIZED VIEW m WITH DATA;
SELECT array_agg(DISTINCT mode) FROM pg_locks WHERE relation = 'm'::regclass AND pid = pg_backend_pid() AND mode = 'AccessExclusiveLock';
COMMIT;
SELECT count(*) FROM m;
SELECT verdict, rules, lock, work, sql FROM zdm.explain('REFRESH MATERIALIZED VIEW m', true);
SELECT compare();
-- nothing to read in them yet: as it is
SELECT twin('REFRESH MATERIALIZED VIEW never') :run
SELECT twin('REFRESH MATERIALIZED VIEW nothing') :run
SELECT twin('REFRESH MATERIALIZED VIEW CONCURRENTLY m') :run
SELECT twin('REFRESH MATERIALIZED VIEW m WITH NO DATA') :run
SELECT twin('REFRESH MATERIALIZED VIEW m') :run
SELECT twin('REFRESH MATERIALIZED VIEW t') :run
SELECT same_error(:'SQLSTATE', :'LAST_ERROR_MESSAGE');
SELECT compare();

-- tablespaces
SET allow_in_place_tablespaces = on;
CREATE TABLESPACE regress_zdm_space LOCATION '';
SELECT twin('ALTER INDEX by_v SET TABLESPACE regress_zdm_space') :run
SELECT twin('ALTER INDEX by_v SET TABLESPACE regress_zdm_space') :run
SELECT twin('ALTER INDEX IF EXISTS t_pkey SET TABLESPACE regress_zdm_space') :run
SELECT twin('ALTER INDEX of_empty SET TABLESPACE regress_zdm_space') :run
SELECT twin('ALTER TABLE empty SET TABLESPACE regress_zdm_space') :run
SELECT twin('ALTER TABLE t SET TABLESPACE pg_default') :run
SELECT twin('ALTER INDEX by_v SET TABLESPACE nowhere') :run
SELECT same_error(:'SQLSTATE', :'LAST_ERROR_MESSAGE');
SELECT compare();
ALTER INDEX t_v_excl SET TABLESPACE regress_zdm_space;
\echo :SQLSTATE
ALTER TABLE t SET TABLESPACE regress_zdm_space;
\echo :SQLSTATE
ALTER MATERIALIZED VIEW m SET TABLESPACE regress_zdm_space;
BEGIN;
ALTER INDEX by_v SET TABLESPACE pg_default;
ROLLBACK;
\echo :SQLSTATE
SET zdm.mode = off;
DROP SCHEMA plain CASCADE;
RESET zdm.mode;
ALTER INDEX ALL IN TABLESPACE regress_zdm_space SET TABLESPACE pg_default;
\echo :SQLSTATE
SELECT hint FROM zdm.explain('ALTER INDEX ALL IN TABLESPACE regress_zdm_space SET TABLESPACE pg_default') \g :hints
\i :hints
ALTER INDEX ALL IN TABLESPACE regress_zdm_space SET TABLESPACE pg_default;
SELECT hint FROM zdm.explain('ALTER TABLE t SET TABLESPACE regress_zdm_space') \g :hints
\i :hints
ALTER TABLE ALL IN TABLESPACE regress_zdm_space SET TABLESPACE pg_default;
\echo :SQLSTATE
ALTER TABLE ALL IN TABLESPACE regress_zdm_space OWNED BY pg_monitor SET TABLESPACE pg_default;
ALTER TABLE ALL IN TABLESPACE regress_zdm_space SET TABLESPACE regress_zdm_space;
SELECT hint FROM zdm.explain('ALTER TABLE ALL IN TABLESPACE regress_zdm_space SET TABLESPACE pg_default') \g :hints
\i :hints
DROP TABLESPACE regress_zdm_space;

-- logged, access method
ALTER TABLE t SET LOGGED, SET ACCESS METHOD heap;
ALTER TABLE t SET UNLOGGED;
\echo :SQLSTATE
ALTER TABLE empty SET UNLOGGED;
SELECT hint FROM zdm.explain('ALTER TABLE t SET UNLOGGED') \g :hints
\i :hints
SELECT relpersistence FROM pg_class WHERE oid = 't'::regclass;

-- domains
CREATE DOMAIN positive AS int;
CREATE DOMAIN deeper AS positive;
ALTER DOMAIN positive ADD CHECK (VALUE <> 7);
CREATE TABLE uses (a positive, b deeper);
ALTER DOMAIN positive ADD CHECK (VALUE <> 8);
INSERT INTO uses VALUES (1, 2);
\set VERBOSITY terse
ALTER DOMAIN positive ADD CONSTRAINT above CHECK (VALUE > 0) NOT VALID;
ALTER DOMAIN positive SET NOT NULL;
\echo :SQLSTATE
SELECT split_part(hint, E'\n', 1) AS hint FROM zdm.explain('ALTER DOMAIN positive SET NOT NULL') \g :hints
\i :hints
ALTER DOMAIN positive SET DEFAULT 5;
ALTER DOMAIN positive DROP CONSTRAINT above;
ALTER DOMAIN nobody SET NOT NULL;
\echo :SQLSTATE
\set VERBOSITY default

\set ECHO none
SET client_min_messages = error;
DROP SCHEMA IF EXISTS plain, guarded, twins CASCADE;
