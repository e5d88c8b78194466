-- A change of type that rewrites nothing keeps its CHECKs and its statistics; one that rewrites is refused with SQL that
-- works, and so is what a view or a trigger forbids.
\getenv srcdir PG_ABS_SRCDIR
\set ECHO none
\i :srcdir/test/lib/twins.sql
\set ECHO all
\getenv builddir PG_ABS_BUILDDIR
\set hints :builddir /results/guard_change_type.hints

CALL each_side($$
    CREATE TABLE t (id int PRIMARY KEY, v varchar(10) NOT NULL DEFAULT 'x', w varchar(10), n int NOT NULL DEFAULT 7,
        "A b" text, free varchar(10), CONSTRAINT "v; --" CHECK (length(v) < 9), CHECK (v <> w) NO INHERIT,
        CHECK (n < 5000), CHECK (w <> '') NOT VALID);
    COMMENT ON CONSTRAINT "v; --" ON t IS 'it''s short';
    CREATE INDEX ON t (w);
    CREATE INDEX by_n ON t (n);
    CREATE INDEX "by A" ON t ("A b" DESC, n) INCLUDE (v);
    CREATE STATISTICS pairs ON id, w FROM t;
    INSERT INTO t SELECT i, i, i || 'w', i, i FROM generate_series(1, 500) AS i;
$$);
SELECT pg_relation_filenode('t') AS file \gset

-- CHECKs come back as they were
SELECT twin('ALTER TABLE t ALTER v TYPE varchar(20)') :run
SELECT twin('ALTER TABLE t ALTER v TYPE text, ALTER free TYPE text, ALTER w SET DEFAULT ''y''') :run
SELECT compare();
SELECT obj_description(oid, 'pg_constraint') FROM pg_constraint WHERE conname = 'v; --' AND conrelid = 't'::regclass;
-- none over the column
SELECT twin('ALTER TABLE t ALTER free TYPE varchar') :run
SELECT compare();

-- statistics are made anew
ANALYZE t;
SELECT twin('ALTER TABLE t ALTER "A b" TYPE varchar') :run
SELECT count(*) FROM pg_stats WHERE schemaname = 'guarded' AND tablename = 't' AND attname = 'A b';
SELECT twin('ALTER TABLE t ALTER w TYPE varchar(30), ALTER v TYPE varchar') :run
SELECT count(*) FROM pg_stats_ext WHERE statistics_schemaname = 'guarded' AND n_distinct IS NOT NULL;
SELECT compare();
-- in a transaction block that is worth a warning
BEGIN;
ALTER TABLE t ALTER "A b" TYPE text;
ROLLBACK;
-- without statistics to lose there is nothing to say
CALL each_side('CREATE TABLE fresh (v varchar(10)); INSERT INTO fresh VALUES (1)');
SELECT twin('ALTER TABLE fresh ALTER v TYPE text') :run
SELECT compare();

-- children that inherit a CHECK
CALL each_side('CREATE TABLE parent (v varchar(10) CHECK (v <> '''')); CREATE TABLE child () INHERITS (parent); INSERT INTO child VALUES (1)');
\set VERBOSITY terse
ALTER TABLE parent ALTER v TYPE text;
\echo :SQLSTATE
\set VERBOSITY default

-- what depends on the column
CALL each_side($$
    CREATE VIEW one WITH (security_barrier) AS SELECT id, w FROM t;
    CREATE VIEW two AS SELECT w FROM one;
    COMMENT ON VIEW two IS 'the second';
    GRANT SELECT, UPDATE ON one TO PUBLIC;
    CREATE TRIGGER nothing BEFORE UPDATE OF w ON t FOR EACH ROW EXECUTE FUNCTION suppress_redundant_updates_trigger();
$$);
-- (majors print views differently)
\set VERBOSITY terse
ALTER TABLE t ALTER w TYPE text;
\echo :SQLSTATE
\set VERBOSITY default
SELECT detail, regexp_replace(hint, ' AS SELECT.*?;', ' AS ...;', 'g') AS hint FROM zdm.explain('ALTER TABLE t ALTER w TYPE text');
SELECT hint FROM zdm.explain('ALTER TABLE t ALTER w TYPE text') \g :hints
SET client_min_messages = error;
\set ECHO none
\i :hints
\set ECHO all
RESET client_min_messages;
CALL each_side('ALTER TABLE t ALTER id SET NOT NULL');
SELECT format_type(atttypid, atttypmod) FROM pg_attribute WHERE attrelid = 'two'::regclass AND attname = 'w';
SELECT has_table_privilege('pg_monitor', oid, 'SELECT'), has_table_privilege('pg_monitor', oid, 'UPDATE'),
    has_table_privilege('pg_monitor', oid, 'DELETE'), reloptions FROM pg_class WHERE oid = 'one'::regclass;
SELECT obj_description('two'::regclass, 'pg_class');
SELECT count(*) FROM pg_trigger WHERE tgrelid = 't'::regclass AND NOT tgisinternal;
CREATE POLICY mine ON t USING (free <> '');
ALTER TABLE t ALTER free TYPE text;
DROP POLICY mine ON t;
DROP TRIGGER nothing ON t;
DROP VIEW one CASCADE;

-- a rewrite by hand
SELECT hint FROM zdm.explain('ALTER TABLE t ALTER n TYPE bigint') \g :hints
SET client_min_messages = error;
\o /dev/null
\i :hints
SELECT hint FROM zdm.explain('ALTER TABLE t ALTER "A b" TYPE int USING ("A b" || ''0'')::int') \g :hints
\i :hints
SELECT hint FROM zdm.explain('ALTER TABLE t RENAME v TO "The V"') \g :hints
\i :hints
\o
RESET client_min_messages;
SELECT :file = pg_relation_filenode('t') AS "no rewrite";
\d t
SELECT count(*), sum(n), sum("A b"), count("The V") FROM t;
SELECT hint FROM zdm.explain('ALTER TABLE t ALTER id TYPE bigint; ALTER TABLE t RENAME id TO key');

-- another name for the table, with the old one as a view
SELECT hint FROM zdm.explain('ALTER TABLE fresh RENAME TO fresher') \g :hints
\i :hints
SELECT * FROM fresh;

\set ECHO none
SET client_min_messages = error;
DROP SCHEMA plain, guarded, twins CASCADE;
