-- Keys, foreign keys, CHECK and NOT NULL of partitioned tables: partition by partition, and at the end what plain
-- PostgreSQL would have made.
\getenv srcdir PG_ABS_SRCDIR
\set ECHO none
\i :srcdir/test/lib/twins.sql
\set ECHO all

CALL each_side($$
    CREATE TABLE customers (id int PRIMARY KEY, area int, UNIQUE (area, id));
    INSERT INTO customers SELECT i, i FROM generate_series(0, 9) i;
    CREATE TABLE events (id int, at date, body text, area int) PARTITION BY RANGE (at);
    CREATE TABLE events_2023 PARTITION OF events FOR VALUES FROM ('2023-01-01') TO ('2024-01-01');
    CREATE TABLE events_2024 PARTITION OF events FOR VALUES FROM ('2024-01-01') TO ('2025-01-01') PARTITION BY LIST (id);
    CREATE TABLE events_2024_odd PARTITION OF events_2024 FOR VALUES IN (1, 3, 5, 7, 9);
    CREATE TABLE events_2024_even (body text, junk int, area int, at date, id int);
    ALTER TABLE events_2024_even DROP COLUMN junk;
    ALTER TABLE events_2024 ATTACH PARTITION events_2024_even FOR VALUES IN (0, 2, 4, 6, 8);
    CREATE TABLE events_2025 PARTITION OF events FOR VALUES FROM ('2025-01-01') TO ('2026-01-01');
    INSERT INTO events SELECT i % 10, '2023-05-05'::date + i, 'b' || i, i % 10 FROM generate_series(1, 500) AS i;
$$);

-- unique and primary key
SELECT twin('ALTER TABLE events ADD UNIQUE (at, id)') :run
SELECT twin('ALTER TABLE events ADD CONSTRAINT one UNIQUE (id, at) INCLUDE (body) WITH (fillfactor = 70), ALTER body SET DEFAULT ''x''') :run
SELECT compare();
SELECT twin('ALTER TABLE events ADD PRIMARY KEY (at, id)') :run
SELECT compare();
SELECT twin('ALTER TABLE events ADD PRIMARY KEY (at, id)') :run
SELECT same_error(:'SQLSTATE', :'LAST_ERROR_MESSAGE');
SELECT twin('ALTER TABLE events ADD UNIQUE (id)') :run
SELECT same_error(:'SQLSTATE', :'LAST_ERROR_MESSAGE');
-- some partitions have theirs
CALL each_side($$
    ALTER TABLE events DROP CONSTRAINT events_pkey, DROP CONSTRAINT one;
    ALTER TABLE events_2023 ADD CONSTRAINT mine PRIMARY KEY (at, id);
    ALTER TABLE events_2024 ADD PRIMARY KEY (at, id);
    CREATE UNIQUE INDEX no_constraint ON events_2025 (at, id);
$$);
SELECT twin('ALTER TABLE events ADD PRIMARY KEY (at, id)') :run
SELECT compare();
-- one has another
CALL each_side('ALTER TABLE events DROP CONSTRAINT events_pkey; ALTER TABLE events_2025 ADD PRIMARY KEY (id)');
SELECT twin('ALTER TABLE events ADD PRIMARY KEY (at, id)') :run
SELECT same_error(:'SQLSTATE', :'LAST_ERROR_MESSAGE');
CALL each_side('ALTER TABLE events_2025 DROP CONSTRAINT events_2025_pkey');
SELECT compare();
-- NULLs and duplicates
CALL each_side('ALTER TABLE events DROP CONSTRAINT events_at_id_key; ALTER TABLE events ALTER id DROP NOT NULL; INSERT INTO events SELECT id, at FROM events WHERE at = ''2023-07-07''');
SELECT twin('ALTER TABLE events ADD UNIQUE (at, id)') :run
SELECT same_error(:'SQLSTATE', :'LAST_ERROR_MESSAGE');
SELECT compare();
CALL each_side('DELETE FROM events WHERE at = ''2023-07-07''; INSERT INTO events VALUES (NULL, ''2023-07-07'', ''x'')');
SELECT twin('ALTER TABLE events ADD PRIMARY KEY (at, id)') :run
SELECT same_error(:'SQLSTATE', :'LAST_ERROR_MESSAGE');
SELECT compare();
BEGIN;
ALTER TABLE events ADD UNIQUE (at, id);
\echo :SQLSTATE
ROLLBACK;

-- foreign keys: from partitioned tables, and to them
SELECT twin('ALTER TABLE events ADD FOREIGN KEY (id) REFERENCES customers ON DELETE SET NULL') :run
SELECT compare();
CALL each_side('ALTER TABLE events_2023 ADD CONSTRAINT mine FOREIGN KEY (area, id) REFERENCES customers (area, id) MATCH FULL');
CALL each_side('UPDATE events SET area = NULL WHERE id IS NULL');
SELECT twin('ALTER TABLE events ADD CONSTRAINT theirs FOREIGN KEY (area, id) REFERENCES customers (area, id) MATCH FULL') :run
SELECT compare();
CALL each_side($$
    ALTER TABLE events ADD UNIQUE (at, id);
    CREATE TABLE notes (id int, at date, event_id int, text text) PARTITION BY LIST (id);
    CREATE TABLE notes_1 PARTITION OF notes FOR VALUES IN (1);
    CREATE TABLE notes_2 PARTITION OF notes FOR VALUES IN (2);
    INSERT INTO notes SELECT 1 + id % 2, at, id FROM events WHERE id IS NOT NULL;
    CREATE TABLE remarks AS SELECT at, id FROM events;
$$);
SELECT twin('ALTER TABLE notes ADD FOREIGN KEY (at, event_id) REFERENCES events (at, id)') :run
SELECT compare();
-- VALIDATE leaves the rows about single partitions of the referenced table as they are, before PostgreSQL 18
SELECT twin('ALTER TABLE remarks ADD FOREIGN KEY (at, id) REFERENCES events (at, id)') :run
CALL each_side('DROP TABLE remarks');
CALL each_side('INSERT INTO notes VALUES (2, NULL, 7); UPDATE events SET id = NULL WHERE at = ''2025-08-08''; ALTER TABLE notes DROP CONSTRAINT notes_at_event_id_fkey; INSERT INTO notes VALUES (2, ''1999-09-09'', 7)');
SELECT twin('ALTER TABLE notes ADD FOREIGN KEY (at, event_id) REFERENCES events (at, id)') :run
SELECT same_error(:'SQLSTATE', :'LAST_ERROR_MESSAGE');
SELECT compare();

-- CHECK and NOT NULL, several levels, and partitions that have them already
SELECT twin('ALTER TABLE events ADD CHECK (area < 100)') :run
SELECT twin('ALTER TABLE events ALTER at SET NOT NULL') :run
CALL each_side('ALTER TABLE notes_1 ALTER id SET NOT NULL; ALTER TABLE notes_1 ADD CONSTRAINT c CHECK (event_id >= 0)');
SELECT twin('ALTER TABLE notes ADD CONSTRAINT c CHECK (event_id >= 0)') :run
SELECT twin('ALTER TABLE notes ALTER id SET NOT NULL') :run
SELECT twin('ALTER TABLE ONLY notes ADD CHECK (event_id > 1)') :run
SELECT same_error(:'SQLSTATE', :'LAST_ERROR_MESSAGE');
SELECT twin('ALTER TABLE ONLY notes ALTER at SET NOT NULL') :run
SELECT same_error(:'SQLSTATE', :'LAST_ERROR_MESSAGE');
SELECT compare();

SELECT step, relation, lock, blocks, work, sql FROM zdm.explain('ALTER TABLE events ADD CONSTRAINT k UNIQUE (at, body, id)') ORDER BY step;

\set ECHO none
SET client_min_messages = error;
DROP SCHEMA plain, guarded, twins CASCADE;
