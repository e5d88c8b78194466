-- CREATE INDEX on a partitioned table: ON ONLY the parent, each partition concurrently, attached; at the end what plain
-- PostgreSQL would have made.
\getenv srcdir PG_ABS_SRCDIR
\set ECHO none
\i :srcdir/test/lib/twins.sql
\set ECHO all

CALL each_side($$
    CREATE TABLE events (id int, at date, body text) PARTITION BY RANGE (at);
    CREATE TABLE events_2023 PARTITION OF events FOR VALUES FROM ('2023-01-01') TO ('2024-01-01');
    CREATE TABLE events_2024 PARTITION OF events FOR VALUES FROM ('2024-01-01') TO ('2025-01-01') PARTITION BY LIST (id);
    CREATE TABLE events_2024_odd PARTITION OF events_2024 FOR VALUES IN (1, 3, 5, 7, 9);
    CREATE TABLE events_2024_even PARTITION OF events_2024 FOR VALUES IN (0, 2, 4, 6, 8);
    CREATE TABLE "events 2025" (body text, junk int, at date, id int);
    ALTER TABLE "events 2025" DROP COLUMN junk;
    ALTER TABLE events ATTACH PARTITION "events 2025" FOR VALUES FROM ('2025-01-01') TO ('2026-01-01');
    CREATE TABLE events_2026 PARTITION OF events FOR VALUES FROM ('2026-01-01') TO ('2027-01-01');
    INSERT INTO events SELECT i % 10, '2023-05-05'::date + i, 'b' || i FROM generate_series(1, 900) AS i;
$$);

-- every depth, and partitions whose columns are in another order
SELECT twin('CREATE INDEX by_at ON events (at)') :run
SELECT twin('CREATE INDEX ON events (at DESC, lower(body) text_pattern_ops) WHERE id > 2') :run
SELECT twin('CREATE UNIQUE INDEX ON events (at, id) INCLUDE (body)') :run
SELECT compare();

-- equal indexes of partitions are taken as PostgreSQL takes them
CALL each_side('CREATE INDEX mine ON "events 2025" (body); CREATE INDEX ours ON events_2024 (body); CREATE INDEX other ON events_2023 (body DESC) WITH (fillfactor = 50)');
SELECT twin('CREATE INDEX IF NOT EXISTS by_body ON events (body)') :run
SELECT twin('CREATE INDEX IF NOT EXISTS by_body ON events (body)') :run
SELECT compare();

-- names that PostgreSQL must cut, and that are taken
CALL each_side($$
    CREATE TABLE t23456789_123456789_123456789_123456789_123456789_123456789 (id int) PARTITION BY LIST (id);
    CREATE TABLE t23456789_123456789_123456789_123456789_123456789_123456789_1 PARTITION OF t23456789_123456789_123456789_123456789_123456789_123456789 FOR VALUES IN (1);
    CREATE TABLE t23456789_123456789_123456789_123456789_123456789_123456789_2 PARTITION OF t23456789_123456789_123456789_123456789_123456789_123456789 FOR VALUES IN (2);
    INSERT INTO t23456789_123456789_123456789_123456789_123456789_123456789 VALUES (1), (2);
$$);
SELECT twin('CREATE INDEX ON t23456789_123456789_123456789_123456789_123456789_123456789 (id)') :run
SELECT compare();

-- in another tablespace
SET allow_in_place_tablespaces = on;
SET client_min_messages = error;
DROP TABLESPACE IF EXISTS guard_partition_index;
RESET client_min_messages;
CREATE TABLESPACE guard_partition_index LOCATION '';
SELECT twin('CREATE INDEX ON events (id) TABLESPACE guard_partition_index') :run
SELECT compare();

-- an INVALID one, which an earlier attempt has left in a partition, is built anew
CALL each_side('UPDATE events SET id = 0 WHERE at = ''2023-05-06''');
SET zdm.mode = off;
CREATE INDEX CONCURRENTLY events_2023_expr_idx ON events_2023 ((1 / id));
RESET zdm.mode;
CREATE INDEX ON events ((1 / id));
SELECT indexrelid::regclass, indisvalid FROM pg_index WHERE pg_get_expr(indexprs, indrelid) = '(1 / id)';

-- a failure in one partition leaves nothing behind
SELECT twin('CREATE INDEX ON events ((1 / id))') :run
SELECT same_error(:'SQLSTATE', :'LAST_ERROR_MESSAGE');
SELECT compare();

-- duplicates are looked for first, in all partitions
CALL each_side('DROP INDEX events_at_id_body_idx; INSERT INTO events SELECT * FROM events WHERE at = ''2023-07-07''');
SELECT twin('CREATE UNIQUE INDEX one ON events (at, id)') :run
SELECT same_error(:'SQLSTATE', :'LAST_ERROR_MESSAGE');
SELECT twin('CREATE UNIQUE INDEX ON events (id)') :run
SELECT same_error(:'SQLSTATE', :'LAST_ERROR_MESSAGE');
SELECT compare();

-- a foreign partition has no index: here the statement itself comes last, and finds the others
CALL each_side($$
    CREATE TABLE far (id int) PARTITION BY LIST (id);
    CREATE TABLE far_1 PARTITION OF far FOR VALUES IN (1);
    INSERT INTO far VALUES (1);
$$);
SET client_min_messages = error;
CREATE FOREIGN DATA WRAPPER nothing;
CREATE SERVER nowhere FOREIGN DATA WRAPPER nothing;
CALL each_side('CREATE FOREIGN TABLE far_2 PARTITION OF far FOR VALUES IN (2) SERVER nowhere');
RESET client_min_messages;
SELECT twin('CREATE INDEX ON far (id)') :run
SELECT twin('CREATE UNIQUE INDEX ON far (id)') :run
SELECT same_error(:'SQLSTATE', :'LAST_ERROR_MESSAGE');
SELECT compare();

-- in a transaction block it cannot be
BEGIN;
CREATE INDEX ON events (id, at);
\echo :SQLSTATE
ROLLBACK;

-- instant: nothing in it, or nothing below it; ONLY; CONCURRENTLY gets PostgreSQL's answer
CALL each_side($$
    CREATE TABLE hollow (id int) PARTITION BY LIST (id);
    CREATE TABLE leafless (id int) PARTITION BY LIST (id);
    CREATE TABLE hollow_1 PARTITION OF hollow FOR VALUES IN (1);
$$);
SELECT twin('CREATE INDEX ON hollow (id)') :run
SELECT twin('CREATE INDEX ON leafless (id)') :run
SELECT twin('CREATE INDEX ON ONLY events (id)') :run
SELECT compare();
CREATE INDEX CONCURRENTLY ON events (id);

-- by hand, as tools and people do it
SELECT twin('CREATE INDEX by_hand ON ONLY hollow (id)') :run
SELECT twin('CREATE INDEX by_hand_1 ON hollow_1 (id)') :run
SELECT twin('ALTER INDEX by_hand ATTACH PARTITION by_hand_1') :run
SELECT indexrelid::regclass, indisvalid FROM pg_index WHERE indexrelid::regclass::text ~ 'by_hand' ORDER BY 1;

-- REINDEX goes partition by partition; to drop a partitioned index there is no form but the plain one, under the lock rules

REINDEX INDEX by_at;
REINDEX TABLE events_2024;
SELECT twin('DROP INDEX events_2023_at_idx') :run
SELECT same_error(:'SQLSTATE', :'LAST_ERROR_MESSAGE');
SELECT relation, lock, work, detail FROM zdm.explain('DROP INDEX by_body');
SELECT twin('DROP INDEX by_body') :run
BEGIN;
SELECT twin('DROP INDEX by_at') :run
COMMIT;
SELECT compare();

SELECT step, relation, lock, blocks, work, detail FROM zdm.explain('CREATE INDEX ON far (id, id)') ORDER BY step;
SELECT step, relation, lock, blocks, work, detail FROM zdm.explain('CREATE INDEX ON events (body, id)') ORDER BY step;

\set ECHO none
SET client_min_messages = error;
DROP SCHEMA plain, guarded, twins CASCADE;
DROP SERVER nowhere CASCADE;
DROP TABLESPACE guard_partition_index;
DROP FOREIGN DATA WRAPPER nothing;
