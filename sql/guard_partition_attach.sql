-- ATTACH PARTITION, CREATE TABLE ... PARTITION OF and DETACH PARTITION: what PostgreSQL would scan or build under its lock
-- is proven and built beforehand; at the end what plain PostgreSQL would have made.
\getenv srcdir PG_ABS_SRCDIR
\set ECHO none
\i :srcdir/test/lib/twins.sql
\set ECHO all

CALL each_side($$
    CREATE TABLE customers (id int PRIMARY KEY);
    INSERT INTO customers SELECT generate_series(0, 9);
    CREATE TABLE events (id int REFERENCES customers ON DELETE CASCADE, at date, body text, PRIMARY KEY (at, id)) PARTITION BY RANGE (at);
    CREATE INDEX ON events (lower(body)) WHERE id > 2;
    CREATE INDEX by_body ON events (body DESC);
    CREATE INDEX by_body2 ON events (body) INCLUDE (id) WITH (fillfactor = 70);
    CREATE TABLE events_2023 PARTITION OF events FOR VALUES FROM ('2023-01-01') TO ('2024-01-01');
    CREATE TABLE events_rest PARTITION OF events DEFAULT;
    CREATE TABLE events_2024 (body text, junk int, id int NOT NULL, at date NOT NULL);
    ALTER TABLE events_2024 DROP COLUMN junk;
    INSERT INTO events SELECT i % 10, '2023-05-05'::date + i, 'b' || i FROM generate_series(1, 100) AS i;
    INSERT INTO events_2024 SELECT 'b' || i, i % 10, '2024-01-01'::date + i FROM generate_series(1, 100) AS i;
    INSERT INTO events SELECT i % 10, '2033-05-05'::date + i, 'b' || i FROM generate_series(1, 100) AS i;
$$);

-- bounds, default partition, indexes, keys and foreign keys
SELECT twin('ALTER TABLE events ATTACH PARTITION events_2024 FOR VALUES FROM (''2024-01-01'') TO (''2025-01-01'')') :run
SELECT compare();

-- a new partition beside a default one that is not empty
SELECT twin('CREATE TABLE events_2025 PARTITION OF events (CHECK (id > 0), body DEFAULT ''x'' NOT NULL) FOR VALUES FROM (''2025-01-01'') TO (''2026-01-01'') WITH (fillfactor = 80)') :run
SELECT twin('CREATE TABLE IF NOT EXISTS events_2025 PARTITION OF events FOR VALUES FROM (''2025-01-01'') TO (''2026-01-01'')') :run
SELECT twin('CREATE TABLE events_2026 PARTITION OF events FOR VALUES FROM (''2026-01-01'') TO (''2027-01-01'') PARTITION BY LIST (id)') :run
SELECT compare();
-- rows of it are already there
SELECT twin('CREATE TABLE events_2033 PARTITION OF events FOR VALUES FROM (''2033-01-01'') TO (''2034-01-01'')') :run
SELECT same_error(:'SQLSTATE', :'LAST_ERROR_MESSAGE');
-- in a transaction block
BEGIN;
CREATE TABLE events_2027 PARTITION OF events FOR VALUES FROM ('2027-01-01') TO ('2028-01-01');
\echo :SQLSTATE
ROLLBACK;

-- DETACH: in a block, or beside a default partition, as written; else CONCURRENTLY
SELECT twin('ALTER TABLE events DETACH PARTITION events_2023') :run
SELECT twin('ALTER TABLE events DETACH PARTITION events_rest') :run
BEGIN;
ALTER TABLE events DETACH PARTITION events_2025;
ROLLBACK;
SELECT twin('ALTER TABLE events DETACH PARTITION events_2024') :run
SELECT twin('ALTER TABLE events DETACH PARTITION events_2026') :run
SELECT compare();
SELECT twin('ALTER TABLE events DETACH PARTITION events_2026') :run
SELECT same_error(:'SQLSTATE', :'LAST_ERROR_MESSAGE');
SELECT twin('ALTER TABLE events DETACH PARTITION customers') :run
SELECT same_error(:'SQLSTATE', :'LAST_ERROR_MESSAGE');

-- what would fail fails before anything is built
SELECT twin('ALTER TABLE events ATTACH PARTITION events_2024 FOR VALUES FROM (''2024-01-02'') TO (''2024-02-01'')') :run
SELECT same_error(:'SQLSTATE', :'LAST_ERROR_MESSAGE');
SELECT twin('ALTER TABLE events ATTACH PARTITION events_2024 FOR VALUES FROM (''2025-01-02'') TO (''2025-02-01'')') :run
SELECT same_error(:'SQLSTATE', :'LAST_ERROR_MESSAGE');
SELECT twin('ALTER TABLE events ATTACH PARTITION customers FOR VALUES FROM (''2024-01-02'') TO (''2024-02-01'')') :run
SELECT same_error(:'SQLSTATE', :'LAST_ERROR_MESSAGE');
SELECT twin('ALTER TABLE events ATTACH PARTITION events_2025 FOR VALUES FROM (''2024-01-02'') TO (''2024-02-01'')') :run
SELECT same_error(:'SQLSTATE', :'LAST_ERROR_MESSAGE');
SELECT twin('ALTER TABLE events ATTACH PARTITION nobody DEFAULT') :run
SELECT same_error(:'SQLSTATE', :'LAST_ERROR_MESSAGE');
SELECT compare();
CALL each_side('ALTER TABLE events_2024 DROP CONSTRAINT events_id_fkey; INSERT INTO events_2024 VALUES (''x'', 77, ''2024-03-03'')');
SELECT twin('ALTER TABLE events ATTACH PARTITION events_2024 FOR VALUES FROM (''2024-01-01'') TO (''2025-01-01'')') :run
SELECT same_error(:'SQLSTATE', :'LAST_ERROR_MESSAGE');
CALL each_side('DELETE FROM events_2024 WHERE id = 77; ALTER TABLE events_2024 DROP CONSTRAINT events_2024_pkey; INSERT INTO events_2024 SELECT * FROM events_2024 LIMIT 1');
SELECT twin('ALTER TABLE events ATTACH PARTITION events_2024 FOR VALUES FROM (''2024-01-01'') TO (''2025-01-01'')') :run
SELECT same_error(:'SQLSTATE', :'LAST_ERROR_MESSAGE');
SELECT compare();

-- by hand: with the proof, and all that is needed, it passes without a word; an empty one too
CALL each_side($$
    DELETE FROM events_2024;
    INSERT INTO events_2024 VALUES ('a', 1, '2024-04-04');
    ALTER TABLE events_2024 ADD PRIMARY KEY (id, at), ADD CHECK (at BETWEEN '2024-02-02' AND '2024-05-05'), ADD FOREIGN KEY (id) REFERENCES customers ON DELETE CASCADE;
    CREATE TABLE events_2029 (LIKE events);
$$);
CALL each_side('ALTER TABLE events_2024 DROP CONSTRAINT events_2024_pkey, ADD PRIMARY KEY (at, id)');
SELECT twin('ALTER TABLE events ATTACH PARTITION events_2024 FOR VALUES FROM (''2024-01-01'') TO (''2025-01-01'')') :run
SELECT twin('ALTER TABLE events ATTACH PARTITION events_2029 FOR VALUES FROM (''2029-01-01'') TO (''2030-01-01'')') :run
SELECT compare();

-- lists, hashes, expressions, several levels, both sides partitioned
CALL each_side($$
    CREATE TABLE top (id int, kind text, note varchar(20)) PARTITION BY LIST (lower(kind));
    CREATE TABLE top_rest PARTITION OF top DEFAULT PARTITION BY HASH (id);
    CREATE TABLE top_rest_0 PARTITION OF top_rest FOR VALUES WITH (MODULUS 2, REMAINDER 0);
    CREATE TABLE top_rest_1 PARTITION OF top_rest FOR VALUES WITH (MODULUS 2, REMAINDER 1);
    CREATE TABLE top_a PARTITION OF top FOR VALUES IN ('a', 'aa') PARTITION BY RANGE (note, id);
    CREATE INDEX ON top (note);
    INSERT INTO top SELECT i, 'zzz', i FROM generate_series(1, 20) i;
    CREATE TABLE part_a (id int, kind text, note varchar(20));
    INSERT INTO part_a VALUES (1, 'A', 'x'), (2, 'aa', 'y');
    CREATE TABLE part_b (id int, kind text, note varchar(20)) PARTITION BY LIST (id);
    CREATE TABLE part_b_1 (note varchar(20), id int, kind text);
    ALTER TABLE part_b ATTACH PARTITION part_b_1 FOR VALUES IN (1);
    CREATE TABLE part_b_2 PARTITION OF part_b FOR VALUES IN (2);
    INSERT INTO part_b VALUES (1, 'B', 'x'), (2, NULL, 'y');
    CREATE TABLE hashed (LIKE part_a) PARTITION BY HASH (id, note);
    CREATE TABLE hashed_all (LIKE hashed);
    INSERT INTO hashed_all SELECT i, i, i FROM generate_series(1, 10) i;
    CREATE TABLE numbered (id bigint, n int) PARTITION BY HASH (id, n);
    CREATE TABLE numbered_all AS SELECT i::bigint AS id, 1 AS n FROM generate_series(1, 10) i;
    CREATE TABLE others (LIKE part_a);
    INSERT INTO others SELECT i, i, i FROM generate_series(1, 10) i;
$$);
SELECT twin('ALTER TABLE top_a ATTACH PARTITION part_a FOR VALUES FROM (MINVALUE, MINVALUE) TO (''y'', 3)') :run
SELECT twin('ALTER TABLE top ATTACH PARTITION part_b FOR VALUES IN (''b'', NULL)') :run
SELECT regexp_replace(sql, '''\d+''::oid', 'OID') FROM zdm.explain('ALTER TABLE numbered ATTACH PARTITION numbered_all FOR VALUES WITH (MODULUS 1, REMAINDER 0)') WHERE step > 1;
SET client_min_messages = warning;
SELECT twin('ALTER TABLE numbered ATTACH PARTITION numbered_all FOR VALUES WITH (MODULUS 1, REMAINDER 0)') :run
RESET client_min_messages;
-- hashed text cannot be proven
ALTER TABLE hashed ATTACH PARTITION hashed_all FOR VALUES WITH (MODULUS 1, REMAINDER 0);
SELECT twin('ALTER TABLE top_a ATTACH PARTITION others DEFAULT') :run
SELECT same_error(:'SQLSTATE', :'LAST_ERROR_MESSAGE');
CALL each_side('UPDATE others SET kind = ''AA'', note = ''z''');
SELECT twin('ALTER TABLE top_a ATTACH PARTITION others DEFAULT') :run
SELECT compare();

-- what must come first has no safe form
CALL each_side($$
    CREATE TABLE later (id int, UNIQUE (id) DEFERRABLE) PARTITION BY LIST (id);
    CREATE TABLE later_1 (id int);
    INSERT INTO later_1 VALUES (1);
$$);
SELECT twin('ALTER TABLE later ATTACH PARTITION later_1 FOR VALUES IN (1)') :run
DROP TABLE plain.later;

-- partition maintenance without a filled default partition, and DROP, follow the lock rules only, also in a block
CALL each_side('CREATE TABLE days (id int, at date) PARTITION BY RANGE (at); CREATE TABLE days_rest PARTITION OF days DEFAULT');
BEGIN;
CREATE TABLE days_1 PARTITION OF days FOR VALUES FROM ('2024-01-01') TO ('2024-01-02');
INSERT INTO days VALUES (1, '2024-01-01');
COMMIT;
CREATE TABLE days_2 PARTITION OF days FOR VALUES FROM ('2024-01-02') TO ('2024-01-03');
BEGIN;
DROP TABLE days_2;
CREATE TABLE days_2 PARTITION OF days FOR VALUES FROM ('2024-01-02') TO ('2024-01-03');
ALTER TABLE days DETACH PARTITION days_2;
DROP TABLE days_2;
COMMIT;
DROP TABLE days_1;
INSERT INTO days VALUES (1, '2025-01-01');
ALTER TABLE days_rest ADD CHECK (at >= '2025-01-01');
ALTER TABLE days ALTER at SET NOT NULL;
CREATE TABLE days_1 PARTITION OF days FOR VALUES FROM ('2024-01-01') TO ('2024-01-02');

SELECT step, relation, lock, blocks, work, sql, detail FROM zdm.explain('ALTER TABLE top_a DETACH PARTITION part_a') ORDER BY step;
SELECT step, relation, lock, blocks, work, sql, detail FROM zdm.explain('CREATE TABLE top_c PARTITION OF top FOR VALUES IN (''c'')') ORDER BY step;
SELECT verdict, relation, lock, blocks, work, hint FROM zdm.explain('ALTER TABLE top_a DETACH PARTITION part_a', true);

\set ECHO none
SET client_min_messages = error;
DROP SCHEMA plain, guarded, twins CASCADE;
