-- Which commands reach partitions and children, and with which lock.

-- given
CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NEW; END $$;
CREATE TABLE other (id int PRIMARY KEY);
INSERT INTO other SELECT generate_series(1, 10);
CREATE TABLE base (id int NOT NULL, v int, w text, CONSTRAINT positive CHECK (v > 0), CONSTRAINT alone CHECK (v < 5000) NO INHERIT);
CREATE TABLE derived (x int) INHERITS (base);
CREATE TABLE further () INHERITS (derived);
INSERT INTO base SELECT i, i FROM generate_series(1, 300) AS i;
INSERT INTO derived SELECT i, i FROM generate_series(1, 300) AS i;
INSERT INTO further SELECT i, i FROM generate_series(1, 300) AS i;
CREATE INDEX base_id ON base (id);
CREATE TRIGGER touched BEFORE UPDATE ON base FOR EACH ROW EXECUTE FUNCTION touch();
-- expect nothing
ALTER TABLE base ADD COLUMN n int;
-- expect nothing
ALTER TABLE base ALTER v SET DEFAULT 1;
-- expect nothing
ALTER TABLE ONLY base ALTER v SET DEFAULT 1;
-- expect drop-not-null
ALTER TABLE base ALTER id DROP NOT NULL;
-- expect nothing
ALTER TABLE base ALTER v SET STATISTICS 500;
-- expect nothing
ALTER TABLE base ALTER w SET STORAGE EXTERNAL;
-- expect nothing
ALTER TABLE base ALTER w SET COMPRESSION pglz;
-- expect nothing
ALTER TABLE base ALTER w TYPE varchar;
-- expect drop-column; when empty nothing
ALTER TABLE base DROP COLUMN w;
-- expect drop-check
ALTER TABLE base DROP CONSTRAINT positive;
-- expect drop-check
ALTER TABLE base DROP CONSTRAINT alone;
-- expect nothing
ALTER TABLE base ADD CONSTRAINT c CHECK (v < 1000) NOT VALID;
-- first
ALTER TABLE base ADD CONSTRAINT c CHECK (v < 1000) NOT VALID;
-- expect nothing
ALTER TABLE base VALIDATE CONSTRAINT c;
-- expect nothing
ALTER TABLE base ADD CONSTRAINT f FOREIGN KEY (v) REFERENCES other NOT VALID;
-- expect nothing
ALTER TABLE base SET (fillfactor = 70);
-- expect nothing
ALTER TABLE base OWNER TO CURRENT_USER;
-- expect nothing
ALTER TABLE base CLUSTER ON base_id;
-- expect disable-trigger; when empty disable-trigger
ALTER TABLE base DISABLE TRIGGER touched;
-- expect nothing
ALTER TABLE base ENABLE ALWAYS TRIGGER touched;
-- expect nothing
ALTER TABLE base SET TABLESPACE pg_default;
-- expect nothing
ALTER TABLE base RENAME CONSTRAINT positive TO above_zero;
-- expect rename-column
ALTER TABLE base RENAME w TO words;
-- expect nothing
CREATE TRIGGER more BEFORE INSERT ON base FOR EACH ROW EXECUTE FUNCTION touch();
-- expect truncate; when empty nothing
TRUNCATE base;
-- expect truncate; when empty nothing
TRUNCATE ONLY base;
-- expect nothing; in a transaction
LOCK TABLE base IN SHARE MODE;
-- expect nothing; in a transaction
LOCK TABLE ONLY base IN SHARE MODE;
-- expect reindex-blocking
REINDEX TABLE base;
-- expect vacuum-full
VACUUM FULL base;
-- expect drop-table, drop-table-cascade; when empty drop-table-cascade
DROP TABLE base CASCADE;
-- expect drop-table; when empty nothing
DROP TABLE further;

-- given
CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NEW; END $$;
CREATE TABLE other (id int PRIMARY KEY);
INSERT INTO other SELECT generate_series(1, 10);
CREATE TABLE whole (id int NOT NULL, v int, w text, CONSTRAINT positive CHECK (v > 0)) PARTITION BY RANGE (id);
CREATE TABLE low PARTITION OF whole FOR VALUES FROM (0) TO (100);
CREATE TABLE high PARTITION OF whole FOR VALUES FROM (100) TO (1000) PARTITION BY RANGE (id);
CREATE TABLE higher PARTITION OF high FOR VALUES FROM (100) TO (1000);
INSERT INTO whole SELECT i, i % 10 + 1 FROM generate_series(1, 300) AS i;
CREATE INDEX whole_v ON whole (v);
ALTER TABLE whole ADD CONSTRAINT known FOREIGN KEY (v) REFERENCES other;
CREATE TRIGGER touched BEFORE UPDATE ON whole FOR EACH ROW EXECUTE FUNCTION touch();
-- expect nothing
ALTER TABLE whole ADD COLUMN n int;
-- expect nothing
ALTER TABLE whole ALTER v SET DEFAULT 1;
-- expect drop-not-null
ALTER TABLE whole ALTER id DROP NOT NULL;
-- expect nothing
ALTER TABLE whole ALTER v SET STATISTICS 500;
-- expect nothing
ALTER TABLE whole ALTER w SET STORAGE EXTERNAL;
-- expect nothing
ALTER TABLE whole ALTER w TYPE varchar;
-- expect drop-column; when empty nothing
ALTER TABLE whole DROP COLUMN w;
-- expect drop-check
ALTER TABLE whole DROP CONSTRAINT positive;
-- expect nothing
ALTER TABLE whole DROP CONSTRAINT known;
-- expect nothing
ALTER TABLE whole ADD CONSTRAINT c CHECK (v < 1000) NOT VALID;
-- first
ALTER TABLE whole ADD CONSTRAINT c CHECK (v < 1000) NOT VALID;
-- expect nothing
ALTER TABLE whole VALIDATE CONSTRAINT c;
-- expect nothing
ALTER TABLE whole OWNER TO CURRENT_USER;
-- expect disable-trigger; when empty disable-trigger
ALTER TABLE whole DISABLE TRIGGER touched;
-- expect disable-trigger; when empty disable-trigger
ALTER TABLE ONLY whole DISABLE TRIGGER touched;
-- expect nothing
ALTER TABLE whole ENABLE ALWAYS TRIGGER touched;
-- expect nothing
ALTER TABLE whole RENAME CONSTRAINT positive TO above_zero;
-- expect rename-column
ALTER TABLE whole RENAME w TO words;
-- expect nothing
CREATE TRIGGER more BEFORE INSERT ON whole FOR EACH ROW EXECUTE FUNCTION touch();
-- expect nothing
CREATE TRIGGER once AFTER INSERT ON whole FOR EACH STATEMENT EXECUTE FUNCTION touch();
-- expect nothing
DROP TRIGGER touched ON whole;
-- expect nothing
ALTER TABLE whole ALTER CONSTRAINT known DEFERRABLE;
-- expect truncate; when empty nothing
TRUNCATE whole;
-- expect nothing; in a transaction
LOCK TABLE whole;
-- expect vacuum-full
VACUUM FULL whole;
-- expect drop-table, drop-table-fk-locks; when empty drop-table-fk-locks
DROP TABLE whole;
-- expect nothing
DROP TABLE low;
-- expect nothing
DROP TABLE high;
-- expect enable-rls; when empty nothing
ALTER TABLE whole ENABLE ROW LEVEL SECURITY;
-- expect nothing
ALTER TABLE whole REPLICA IDENTITY FULL;
-- expect nothing
COMMENT ON TABLE whole IS 'all of it';
