-- What PostgreSQL 18 brought: NOT NULL as a constraint, virtual columns, temporal keys, NOT ENFORCED.
SELECT current_setting('server_version_num')::int < 180000 AS too_old \gset
\if :too_old
\quit
\endif
\getenv srcdir PG_ABS_SRCDIR
\set ECHO none
\i :srcdir/test/lib/twins.sql
\set ECHO all
CALL each_side($$
    CREATE TABLE t (id int PRIMARY KEY, a int, b int, c int, d int, v int GENERATED ALWAYS AS (id * 2) VIRTUAL,
        during int4range);
    INSERT INTO t (id, a, b, c, d, during) SELECT i, i, i, i, nullif(i, 7), int4range(i, i + 1)
        FROM generate_series(1, 100) AS i;
    CREATE TABLE child () INHERITS (t);
$$);

-- NOT NULL as a constraint: in two steps, under the name it would have had
SELECT twin('ALTER TABLE t ADD CONSTRAINT filled NOT NULL a') :run
SELECT twin('ALTER TABLE t ADD NOT NULL b') :run
SELECT twin('ALTER TABLE t ADD NOT NULL c NOT VALID') :run
SELECT twin('ALTER TABLE t ADD NOT NULL c NOT VALID, ADD NOT NULL d') :run
SELECT same_error(:'SQLSTATE', :'LAST_ERROR_MESSAGE');
SELECT twin('ALTER TABLE t ADD NOT NULL d') :run
SELECT same_error(:'SQLSTATE', :'LAST_ERROR_MESSAGE');
SELECT twin('ALTER TABLE t ADD NOT NULL nothing') :run
SELECT same_error(:'SQLSTATE', :'LAST_ERROR_MESSAGE');
SELECT compare();

-- a NOT NULL that is NOT VALID promises nothing
ALTER TABLE t ALTER c SET NOT NULL;
SELECT twin('ALTER TABLE t DROP CONSTRAINT t_pkey') :run
SELECT twin('ALTER TABLE t ADD PRIMARY KEY (c)') :run
SELECT same_error(:'SQLSTATE', :'LAST_ERROR_MESSAGE');
SELECT twin('ALTER TABLE t VALIDATE CONSTRAINT t_c_not_null') :run
SELECT twin('ALTER TABLE t ALTER c SET NOT NULL') :run
SELECT twin('ALTER TABLE t ADD PRIMARY KEY (c)') :run
SELECT compare();

-- NOT ENFORCED scans nothing
SELECT twin('ALTER TABLE t ADD CONSTRAINT wish CHECK (a < 0) NOT ENFORCED') :run
SELECT twin('ALTER TABLE t ADD CONSTRAINT wished FOREIGN KEY (a) REFERENCES t (c) NOT ENFORCED') :run

-- nor does it prove anything
SELECT twin('ALTER TABLE t ADD CONSTRAINT unproven CHECK (d IS NOT NULL) NOT ENFORCED') :run
SELECT twin('ALTER TABLE t ALTER d SET NOT NULL') :run
SELECT same_error(:'SQLSTATE', :'LAST_ERROR_MESSAGE');
SELECT compare();

-- a virtual column is in no row
SELECT twin('ALTER TABLE t ADD w int GENERATED ALWAYS AS (a + 1)') :run
SELECT twin('ALTER TABLE t ADD x int GENERATED ALWAYS AS (a + 1) VIRTUAL') :run
SELECT twin('ALTER TABLE t ALTER v TYPE bigint') :run
SELECT twin('ALTER TABLE t ALTER v SET NOT NULL') :run
SELECT twin('ALTER TABLE t ADD CHECK (v > 0)') :run
SELECT compare();
ALTER TABLE t ADD s int GENERATED ALWAYS AS (a + 1) STORED;

-- a key WITHOUT OVERLAPS is no unique index, and the rows of a key with PERIOD are not found later
CALL each_side($$
    CREATE TABLE span (room int4range, during int4range);
    INSERT INTO span SELECT '[1,1]', int4range(i, i + 10) FROM generate_series(1, 91, 10) AS i;
    CREATE TABLE part (room int4range, during int4range);
    INSERT INTO part SELECT '[1,1]', int4range(i, i + 15) FROM generate_series(1, 50) AS i;
$$);
ALTER TABLE span ADD PRIMARY KEY (room, during WITHOUT OVERLAPS);
ALTER TABLE span ADD UNIQUE (room, during WITHOUT OVERLAPS);
CALL each_side('ALTER TABLE span ADD PRIMARY KEY (room, during WITHOUT OVERLAPS)');
ALTER TABLE part ADD FOREIGN KEY (room, PERIOD during) REFERENCES span (room, PERIOD during);
ALTER TABLE part ADD CONSTRAINT named FOREIGN KEY (room, PERIOD during) REFERENCES span;

-- VALIDATE of a domain's constraint lets others write
CALL each_side($$
    CREATE DOMAIN positive AS int;
    CREATE TABLE uses (a positive);
    INSERT INTO uses VALUES (1), (NULL);
$$);
SELECT twin('ALTER DOMAIN positive ADD CONSTRAINT above CHECK (VALUE > 0)') :run
SELECT twin('ALTER DOMAIN positive ADD CHECK (value > 1)') :run
SELECT same_error(:'SQLSTATE', :'LAST_ERROR_MESSAGE');
SELECT conname, convalidated FROM pg_constraint WHERE contypid = 'guarded.positive'::regtype;
ALTER DOMAIN positive SET NOT NULL;

-- what is not enforced is not checked
SELECT twin('ALTER TABLE t ADD y int DEFAULT 1 CHECK (y > 5) NOT ENFORCED, ADD z int CHECK (z > 5) ENFORCED') :run
SELECT compare();

\set ECHO none
SET client_min_messages = error;
DROP SCHEMA plain, guarded, twins CASCADE;
