-- Partitioned tables.

-- given
CREATE TABLE devices (id int PRIMARY KEY);
INSERT INTO devices SELECT generate_series(1, 50);
CREATE TABLE logs (id bigint NOT NULL, at date NOT NULL, device int, body text) PARTITION BY RANGE (at);
CREATE TABLE logs_2024 PARTITION OF logs FOR VALUES FROM ('2024-01-01') TO ('2025-01-01');
CREATE TABLE logs_2025 PARTITION OF logs FOR VALUES FROM ('2025-01-01') TO ('2026-01-01');
INSERT INTO logs SELECT i, '2024-06-01'::date + i, i % 50 + 1, 'b' FROM generate_series(1, 500) AS i;
CREATE TABLE kinds (id int NOT NULL, kind text NOT NULL, v int) PARTITION BY LIST (kind);
CREATE TABLE kinds_a PARTITION OF kinds FOR VALUES IN ('a');
CREATE TABLE kinds_rest PARTITION OF kinds DEFAULT;
INSERT INTO kinds SELECT i, chr(97 + i % 3), i FROM generate_series(1, 500) AS i;
CREATE TABLE logs_2026 (id bigint NOT NULL, at date NOT NULL, device int, body text);
INSERT INTO logs_2026 SELECT i, '2026-01-01'::date + i % 300, i % 50 + 1, 'c' FROM generate_series(1, 500) AS i;
CREATE TABLE kinds_x (id int NOT NULL, kind text NOT NULL, v int);
INSERT INTO kinds_x SELECT i, 'x', i FROM generate_series(1, 500) AS i;

-- Constraints
-- expect set-not-null-scan
ALTER TABLE logs ALTER COLUMN device SET NOT NULL;
-- expect set-not-null-scan
ALTER TABLE logs_2024 ALTER COLUMN device SET NOT NULL;
-- expect add-check-validating
ALTER TABLE logs ADD CONSTRAINT device_known CHECK (device > 0);
-- expect nothing
ALTER TABLE logs ADD CONSTRAINT device_known CHECK (device > 0) NOT VALID;
-- expect add-unique-blocking
ALTER TABLE logs ADD CONSTRAINT logs_unique UNIQUE (id, at);
-- expect add-pk-blocking; before 18
ALTER TABLE logs ADD PRIMARY KEY (id, at);
-- expect add-pk-blocking; since 18; but /^constraint \S+_not_null on public\.logs_\d+ / (USING INDEX makes the NOT NULL of a partition its own besides)
ALTER TABLE logs ADD PRIMARY KEY (id, at);
-- expect add-unique-blocking
ALTER TABLE logs_2024 ADD UNIQUE (id);
-- expect add-fk-partitioned
ALTER TABLE logs ADD CONSTRAINT logs_device FOREIGN KEY (device) REFERENCES devices (id);
-- expect add-fk-partitioned; in a transaction
ALTER TABLE logs ADD FOREIGN KEY (device) REFERENCES devices;
-- expect add-fk-validating
ALTER TABLE logs_2024 ADD FOREIGN KEY (device) REFERENCES devices;
-- expect nothing; error 42809; before 18
ALTER TABLE logs ADD FOREIGN KEY (device) REFERENCES devices NOT VALID;
-- expect nothing; since 18
ALTER TABLE logs ADD FOREIGN KEY (device) REFERENCES devices NOT VALID;
-- first
ALTER TABLE logs ADD PRIMARY KEY (id, at);
CREATE TABLE details (id bigint, at date, x int);
INSERT INTO details SELECT id, at, 1 FROM logs;
-- expect add-fk-validating; before 18; but /^constraint details_id_at_fkey\d on public.details .* parent details_id_at_fkey$/ (VALIDATE leaves the rows that stand for each partition NOT VALID, which nothing but the catalog shows)
ALTER TABLE details ADD FOREIGN KEY (id, at) REFERENCES logs (id, at);
-- first
ALTER TABLE logs ADD PRIMARY KEY (id, at);
CREATE TABLE details (id bigint, at date, x int);
INSERT INTO details SELECT id, at, 1 FROM logs;
-- expect add-fk-validating; since 18
ALTER TABLE details ADD FOREIGN KEY (id, at) REFERENCES logs (id, at);

-- Columns
-- expect nothing
ALTER TABLE logs ADD COLUMN level text DEFAULT 'info' NOT NULL;
-- expect add-column-volatile-default
ALTER TABLE logs ADD COLUMN key uuid DEFAULT gen_random_uuid();
-- expect alter-column-type-rewrite
ALTER TABLE logs ALTER COLUMN device TYPE bigint;
-- expect nothing
ALTER TABLE logs ALTER COLUMN body TYPE varchar;
-- expect drop-column; when empty nothing
ALTER TABLE logs DROP COLUMN body;
-- expect rename-column
ALTER TABLE logs RENAME COLUMN body TO text;
-- expect rename-table
ALTER TABLE logs RENAME TO log_lines;
-- expect nothing
ALTER TABLE logs_2024 RENAME TO logs_of_2024;

-- Partitions come.
-- expect nothing
CREATE TABLE logs_2027 PARTITION OF logs FOR VALUES FROM ('2027-01-01') TO ('2028-01-01');
-- expect nothing
CREATE TABLE IF NOT EXISTS logs_2024 PARTITION OF logs FOR VALUES FROM ('2024-01-01') TO ('2025-01-01');
-- expect nothing; in a transaction
CREATE TABLE logs_2027 PARTITION OF logs FOR VALUES FROM ('2027-01-01') TO ('2028-01-01');
-- expect nothing
CREATE TABLE logs_rest PARTITION OF logs DEFAULT;
-- expect create-partition-default-scan
CREATE TABLE kinds_x2 PARTITION OF kinds FOR VALUES IN ('x', 'y');
-- expect create-partition-default-scan; in a transaction
CREATE TABLE kinds_x2 PARTITION OF kinds FOR VALUES IN ('x');
-- first
ALTER TABLE kinds_rest ADD CHECK (kind IN ('b', 'c'));
-- expect nothing
CREATE TABLE kinds_x2 PARTITION OF kinds FOR VALUES IN ('x');
-- expect attach-partition-scan
ALTER TABLE logs ATTACH PARTITION logs_2026 FOR VALUES FROM ('2026-01-01') TO ('2027-01-01');
-- expect attach-partition-scan; in a transaction
ALTER TABLE logs ATTACH PARTITION logs_2026 FOR VALUES FROM ('2026-01-01') TO ('2027-01-01');
-- first
ALTER TABLE logs_2026 ADD CHECK (at >= '2026-01-01' AND at < '2027-01-01');
-- expect nothing
ALTER TABLE logs ATTACH PARTITION logs_2026 FOR VALUES FROM ('2026-01-01') TO ('2027-01-01');
-- first
ALTER TABLE logs_2026 ADD CHECK (at >= '2026-01-01' AND at < '2027-01-01') NOT VALID;
-- expect attach-partition-scan
ALTER TABLE logs ATTACH PARTITION logs_2026 FOR VALUES FROM ('2026-01-01') TO ('2027-01-01');
-- expect attach-partition-scan
ALTER TABLE kinds ATTACH PARTITION kinds_x FOR VALUES IN ('x');
-- first
ALTER TABLE kinds_x ADD CHECK (kind = 'x');
-- expect attach-partition-scan
ALTER TABLE kinds ATTACH PARTITION kinds_x FOR VALUES IN ('x');
-- first
ALTER TABLE kinds_x ADD CHECK (kind = 'x');
ALTER TABLE kinds_rest ADD CHECK (kind <> 'x');
-- expect nothing
ALTER TABLE kinds ATTACH PARTITION kinds_x FOR VALUES IN ('x');
-- first
CREATE INDEX ON logs (device);
ALTER TABLE logs_2026 ADD CHECK (at >= '2026-01-01' AND at < '2027-01-01');
-- expect attach-partition-scan
ALTER TABLE logs ATTACH PARTITION logs_2026 FOR VALUES FROM ('2026-01-01') TO ('2027-01-01');
-- first
CREATE INDEX ON logs (device);
CREATE INDEX ON logs_2026 (device);
ALTER TABLE logs_2026 ADD CHECK (at >= '2026-01-01' AND at < '2027-01-01');
-- expect nothing
ALTER TABLE logs ATTACH PARTITION logs_2026 FOR VALUES FROM ('2026-01-01') TO ('2027-01-01');
-- expect nothing; in a transaction
CREATE TABLE logs_2028 (LIKE logs INCLUDING ALL);
INSERT INTO logs_2028 SELECT 1, '2028-02-02', 1, 'x';
ALTER TABLE logs ATTACH PARTITION logs_2028 FOR VALUES FROM ('2028-01-01') TO ('2029-01-01');

-- Partitions go.
-- expect detach-partition-blocking; when empty detach-partition-blocking
ALTER TABLE logs DETACH PARTITION logs_2024;
-- expect nothing; in a transaction
ALTER TABLE logs DETACH PARTITION logs_2024;
-- expect nothing
ALTER TABLE logs DETACH PARTITION logs_2024 CONCURRENTLY;
-- expect nothing
ALTER TABLE kinds DETACH PARTITION kinds_a;
-- expect nothing
DROP TABLE logs_2024;
-- expect nothing; in a transaction
DROP TABLE logs_2024;
-- expect drop-table; when empty nothing
DROP TABLE logs;
-- expect truncate; when empty nothing
TRUNCATE logs;
-- expect truncate; when empty nothing
TRUNCATE logs_2024;

-- Indexes
-- expect create-index-partitioned
CREATE INDEX logs_device ON logs (device);
-- first
CREATE INDEX logs_device ON logs (device);
-- expect reindex-blocking
REINDEX INDEX logs_device;
-- first
CREATE INDEX logs_device ON logs (device);
-- expect nothing
DROP INDEX logs_device;
-- expect vacuum-full
VACUUM FULL logs;
-- expect nothing
VACUUM logs;
-- expect nothing
ALTER TABLE logs SET TABLESPACE pg_default;
