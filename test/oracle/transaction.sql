-- The shape of a transaction.

-- given
CREATE TABLE a (id int PRIMARY KEY, v int, note text);
INSERT INTO a SELECT i, i, 'n' FROM generate_series(1, 1000) AS i;
CREATE TABLE b (id int PRIMARY KEY, a_id int, w int);
INSERT INTO b SELECT i, i, i FROM generate_series(1, 1000) AS i;
CREATE TABLE c (id int PRIMARY KEY);
INSERT INTO c SELECT generate_series(1, 100);
CREATE TABLE schema_version (version text);
INSERT INTO schema_version VALUES ('1');

-- As tools send it: the change, then their note of it.
-- expect nothing; in a transaction
ALTER TABLE a ADD COLUMN x int;
INSERT INTO schema_version VALUES ('2');
-- expect nothing; in a transaction
ALTER TABLE a ADD COLUMN x int;
UPDATE schema_version SET version = '2' WHERE version = '1';
-- expect nothing; in a transaction
ALTER TABLE a ADD COLUMN x int;
ALTER TABLE a ALTER COLUMN x SET DEFAULT 5;
COMMENT ON COLUMN a.x IS 'x';
-- expect nothing; in a transaction
SET LOCAL lock_timeout = '2s';
SET LOCAL statement_timeout = '10s';
ALTER TABLE a ADD COLUMN x int;
-- expect nothing; in a transaction
CREATE TABLE d (id int PRIMARY KEY, v int);
INSERT INTO d SELECT id, v FROM a;
CREATE INDEX ON d (v);
ALTER TABLE d ALTER v SET NOT NULL;
ALTER TABLE d ADD CHECK (v > 0);
-- expect nothing; in a transaction
CREATE TABLE d (id int PRIMARY KEY);
CREATE TABLE e (id int PRIMARY KEY, d_id int REFERENCES d);
ALTER TABLE e ADD COLUMN more int REFERENCES d;
-- expect nothing; in a transaction
SELECT count(*) FROM a;
UPDATE a SET v = 1 WHERE id = 1;

-- A second table.
-- expect multi-table-access-exclusive; in a transaction; when empty multi-table-access-exclusive
ALTER TABLE a ADD COLUMN x int;
ALTER TABLE b ADD COLUMN x int;
-- expect multi-table-access-exclusive; in a transaction; when empty multi-table-access-exclusive
ALTER TABLE a ADD COLUMN x int;
SAVEPOINT s;
ALTER TABLE b ADD COLUMN x int;
RELEASE s;
-- expect nothing; in a transaction
SAVEPOINT s;
ALTER TABLE a ADD COLUMN x int;
ROLLBACK TO s;
ALTER TABLE b ADD COLUMN x int;
-- expect nothing; in a transaction
ALTER TABLE a ADD COLUMN x int;
COMMENT ON TABLE b IS 'b';

-- Rows in bulk while a table is locked.
-- first
SET zdm.max_dml_rows = 500;
ANALYZE;
-- expect ddl-dml-mixed, unbatched-dml; in a transaction; when empty ddl-dml-mixed, unbatched-dml
ALTER TABLE a ADD COLUMN x int;
UPDATE a SET x = v;
-- first
SET zdm.max_dml_rows = 500;
ANALYZE;
-- expect ddl-dml-mixed; in a transaction; when empty ddl-dml-mixed
ALTER TABLE a ADD COLUMN x int;
INSERT INTO a (id, x) SELECT id + 100000, 1 FROM a;
-- first
SET zdm.max_dml_rows = 500;
ANALYZE;
-- expect ddl-dml-mixed, unbatched-dml; in a transaction; when empty ddl-dml-mixed, unbatched-dml
ALTER TABLE a ADD COLUMN x int;
DELETE FROM b;
-- first
SET zdm.max_dml_rows = 500;
ANALYZE;
-- expect nothing; in a transaction
ALTER TABLE a ADD COLUMN x int;
SELECT count(*) FROM a;
-- expect nothing; in a transaction
ALTER TABLE a ADD COLUMN x int;
UPDATE a SET x = 1 WHERE id = 5;

-- Constraints
-- expect validate-in-same-txn; in a transaction
ALTER TABLE b ADD CONSTRAINT f FOREIGN KEY (a_id) REFERENCES a NOT VALID;
ALTER TABLE b VALIDATE CONSTRAINT f;
-- first
ALTER TABLE b ADD CONSTRAINT f FOREIGN KEY (a_id) REFERENCES a NOT VALID;
-- expect validate-in-same-txn; in a transaction
ALTER TABLE b ADD COLUMN y int;
ALTER TABLE b VALIDATE CONSTRAINT f;
-- first
ALTER TABLE b ADD CONSTRAINT f FOREIGN KEY (a_id) REFERENCES a NOT VALID;
-- expect nothing; in a transaction
ALTER TABLE b VALIDATE CONSTRAINT f;
ALTER TABLE b ADD COLUMN y int;
-- expect multiple-fks-one-txn; in a transaction; when empty multiple-fks-one-txn
ALTER TABLE b ADD CONSTRAINT f FOREIGN KEY (a_id) REFERENCES a NOT VALID;
ALTER TABLE b ADD CONSTRAINT g FOREIGN KEY (w) REFERENCES c NOT VALID;
-- expect nothing; in a transaction
ALTER TABLE b ADD CONSTRAINT f FOREIGN KEY (a_id) REFERENCES a NOT VALID;
ALTER TABLE b ADD CONSTRAINT g FOREIGN KEY (w) REFERENCES a NOT VALID;

-- Everything within functions is in one transaction.
-- expect create-index-blocking
DO $$ BEGIN EXECUTE 'CREATE INDEX ON a (v)'; END $$;
-- expect nothing
DO $$ BEGIN CREATE TABLE d (v int); CREATE INDEX ON d (v); END $$;
-- expect set-not-null-scan
DO $$ BEGIN ALTER TABLE a ALTER v SET NOT NULL; EXCEPTION WHEN undefined_column THEN NULL; END $$;
-- expect multi-table-access-exclusive; when empty multi-table-access-exclusive
DO $$ BEGIN ALTER TABLE a ADD x int; ALTER TABLE b ADD x int; END $$;
