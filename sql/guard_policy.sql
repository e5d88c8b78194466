-- Who decides what: by role, by database, by session; a month of watching; how large is small.
SET client_min_messages = error;
DROP SCHEMA IF EXISTS policy CASCADE;
CREATE SCHEMA policy;
DROP ROLE IF EXISTS regress_zdm_deployer;
CREATE ROLE regress_zdm_deployer LOGIN;
RESET client_min_messages;
SET search_path = policy;
\pset tuples_only on
\pset format unaligned
CREATE TABLE t (id int PRIMARY KEY, v int) WITH (autovacuum_enabled = off);
INSERT INTO t SELECT i, i FROM generate_series(1, 1000) AS i;
CREATE TABLE empty (id int PRIMARY KEY, v int);
CREATE TABLE tiny (id int PRIMARY KEY, v int);
INSERT INTO tiny VALUES (1, 1);
GRANT ALL ON SCHEMA policy TO regress_zdm_deployer;
ALTER TABLE t OWNER TO regress_zdm_deployer;

-- of all settings: who may change them, their unit and default
\pset tuples_only off
\pset format aligned
SELECT name, boot_val, unit, min_val, context FROM pg_settings WHERE name LIKE 'zdm.%' ORDER BY name COLLATE "C";
\pset tuples_only on
\pset format unaligned

-- granted to a role that is no superuser
SET ROLE regress_zdm_deployer;
\set VERBOSITY terse
SET zdm.rule_actions = 'rename-column=allow';
SET zdm.small_table_size = '1MB';
SET zdm.max_lock_hold = '1s';
SET zdm.max_dml_rows = 10;
RESET ROLE;
GRANT SET ON PARAMETER zdm.rule_actions, zdm.small_table_size, zdm.max_lock_hold, zdm.max_dml_rows TO regress_zdm_deployer;
SET ROLE regress_zdm_deployer;
SET zdm.rule_actions = 'rename-column=allow';
SET zdm.small_table_size = '1MB';
SET zdm.max_lock_hold = '1s';
SET zdm.max_dml_rows = 10;
SHOW zdm.small_table_size;
SHOW zdm.max_lock_hold;
RESET zdm.small_table_size;
RESET zdm.max_lock_hold;
RESET zdm.max_dml_rows;
BEGIN;
ALTER TABLE t RENAME COLUMN v TO w;
ROLLBACK;
RESET zdm.rule_actions;
ALTER TABLE t RENAME COLUMN v TO w;
RESET ROLE;
REVOKE SET ON PARAMETER zdm.rule_actions, zdm.small_table_size, zdm.max_lock_hold, zdm.max_dml_rows FROM regress_zdm_deployer;
SET zdm.small_table_size = -2;
SET zdm.max_lock_hold = -1;
SET zdm.max_dml_rows = -1;

-- by role, by database, by session: the nearer one counts
SELECT current_database() AS here \gset
ALTER DATABASE :"here" SET zdm.rule_actions = 'rename-column=warn';
ALTER ROLE regress_zdm_deployer SET zdm.rule_actions = 'rename-column=reject';
ALTER ROLE regress_zdm_deployer SET zdm.rule_actions = 'no-such-rule=warn';
SELECT session_user AS me \gset
\c - -
\set VERBOSITY terse
SET search_path = policy;
SHOW zdm.rule_actions;
BEGIN; ALTER TABLE t RENAME COLUMN v TO w; ROLLBACK;
\c - regress_zdm_deployer
\set VERBOSITY terse
SET search_path = policy;
SHOW zdm.rule_actions;
ALTER TABLE t RENAME COLUMN v TO w;
\c - :me
\set VERBOSITY terse
SET search_path = policy;
SET zdm.rule_actions = 'rename-column=allow';
BEGIN; ALTER TABLE t RENAME COLUMN v TO w; ROLLBACK;
RESET zdm.rule_actions;
SHOW zdm.rule_actions;
ALTER DATABASE :"here" RESET zdm.rule_actions;
ALTER ROLE regress_zdm_deployer RESET zdm.rule_actions;
\c - -
\set VERBOSITY terse
SET search_path = policy;
\set quiet 'drop-view=allow, drop-table=allow'
-- within a function, and no longer
CREATE FUNCTION rename_it() RETURNS void LANGUAGE sql SET zdm.rule_actions = 'rename-column=allow' AS 'ALTER TABLE policy.tiny RENAME COLUMN v TO w';
SELECT rename_it();
ALTER TABLE tiny RENAME COLUMN w TO v;
-- in one transaction
BEGIN;
SET LOCAL zdm.rule_actions = 'rename-column=allow';
ALTER TABLE tiny RENAME COLUMN w TO v;
COMMIT;
SHOW zdm.rule_actions;

-- mode warn: what rewrite would have done, and the statement is done as written
SET zdm.mode = 'warn';
\set VERBOSITY default
ALTER TABLE t ADD CHECK (v > 0);
VACUUM FULL t;
BEGIN;
ALTER TABLE t ALTER v SET NOT NULL;
ROLLBACK;
BEGIN;
ALTER TABLE t ADD CONSTRAINT k CHECK (v > 0) NOT VALID;
ALTER TABLE t VALIDATE CONSTRAINT k;
ROLLBACK;
\set VERBOSITY terse
-- allow is allow
SET zdm.rule_actions = 'vacuum-full=allow';
VACUUM FULL t;
RESET zdm.rule_actions;
RESET zdm.mode;

-- reviewed: used up by one guarded statement, not by others; in a block at its end
SET zdm.safety_assured = on;
SELECT count(*) FROM t;
CREATE TABLE fresh (id int);
SHOW zdm.safety_assured;
ALTER TABLE t RENAME COLUMN v TO w;
SHOW zdm.safety_assured;
ALTER TABLE t RENAME COLUMN w TO v;
BEGIN;
SET zdm.safety_assured = on;
ALTER TABLE t RENAME COLUMN w TO x;
ALTER TABLE t RENAME COLUMN x TO v;
COMMIT;
SHOW zdm.safety_assured;
ALTER TABLE t RENAME COLUMN v TO w;
BEGIN;
SET LOCAL zdm.safety_assured = on;
ALTER TABLE t RENAME COLUMN v TO w;
ALTER TABLE t RENAME COLUMN w TO v;
ROLLBACK;
SHOW zdm.safety_assured;

-- how large is small; the same statements by every measure
CREATE FUNCTION verdicts() RETURNS SETOF text LANGUAGE sql AS $$
    SELECT statement || ' ' || verdict || ' ' || coalesce(array_to_string(rules, ','), '')
    FROM zdm.explain('ALTER TABLE policy.empty ALTER v SET NOT NULL;
        ALTER TABLE policy.tiny ALTER v SET NOT NULL;
        ALTER TABLE policy.t ALTER v SET NOT NULL;
        CREATE INDEX ON policy.empty (v);
        CREATE INDEX ON policy.tiny (v);
        ALTER TABLE policy.empty ADD FOREIGN KEY (v) REFERENCES policy.t;
        ALTER TABLE policy.tiny ADD FOREIGN KEY (v) REFERENCES policy.t;
        ALTER TABLE policy.tiny ADD FOREIGN KEY (v) REFERENCES policy.empty;
        ALTER TABLE policy.tiny ALTER v TYPE bigint;
        VACUUM FULL policy.tiny')
    WHERE step = 1 ORDER BY statement $$;
SELECT verdicts();
SET zdm.small_table_size = '8kB';
SELECT verdicts();
SET zdm.small_table_size = '1MB';
SELECT verdicts();
SET zdm.small_table_size = -1;
SELECT verdicts();
-- and what is new here or one's own stays so
BEGIN; CREATE TABLE made (v int); ALTER TABLE made ALTER v SET NOT NULL; CREATE INDEX ON made (v); ROLLBACK;
CREATE TEMP TABLE own (v int); ALTER TABLE own ALTER v SET NOT NULL;
\set VERBOSITY default
ALTER TABLE empty ALTER v SET NOT NULL;
\set VERBOSITY terse
SELECT attnotnull FROM pg_attribute WHERE attrelid = 'policy.empty'::regclass AND attname = 'v';
RESET zdm.small_table_size;

-- renames of tables are judged at COMMIT
SET zdm.rule_actions = :'quiet';
BEGIN; ALTER TABLE tiny RENAME TO gone; COMMIT;
\echo :SQLSTATE
BEGIN; SAVEPOINT a; ALTER TABLE tiny RENAME TO gone; ROLLBACK TO a; COMMIT;
BEGIN; SAVEPOINT a; ALTER TABLE tiny RENAME TO gone; RELEASE a; CREATE VIEW tiny AS SELECT * FROM gone; COMMIT;
BEGIN; DROP VIEW tiny; ALTER TABLE gone RENAME TO tiny; COMMIT;
BEGIN; DROP VIEW tiny; ALTER TABLE gone RENAME TO tiny; CREATE VIEW gone AS SELECT * FROM tiny; COMMIT;
DO $$ BEGIN ALTER TABLE tiny RENAME TO lost; END $$;
DO $$ BEGIN ALTER TABLE tiny RENAME TO lost; EXECUTE 'CREATE VIEW policy.tiny AS SELECT * FROM policy.lost'; END $$;
SELECT relname, relkind FROM pg_class WHERE relname IN ('tiny', 'gone', 'lost') AND relnamespace = 'policy'::regnamespace ORDER BY 1;

RESET zdm.rule_actions;

-- what migration tools write around the DDL of one table: silence
CREATE TABLE schema_migrations (version varchar PRIMARY KEY);
CREATE TABLE ar_internal_metadata (key varchar PRIMARY KEY, value varchar, created_at timestamp(6), updated_at timestamp(6));
BEGIN; ALTER TABLE t ADD COLUMN rails int; INSERT INTO schema_migrations (version) VALUES ('20260101000000') RETURNING version; COMMIT;
BEGIN; ALTER TABLE t ALTER rails SET DEFAULT 1; SELECT a.attname, format_type(a.atttypid, a.atttypmod) IS NULL FROM pg_attribute a LEFT JOIN pg_attrdef d ON a.attrelid = d.adrelid AND a.attnum = d.adnum WHERE a.attrelid = '"t"'::regclass AND a.attname = 'rails'; DELETE FROM schema_migrations WHERE version = '20260101000000'; COMMIT;
CREATE TABLE django_migrations (id bigint GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY, app varchar(255) NOT NULL, name varchar(255) NOT NULL, applied timestamptz NOT NULL);
BEGIN; ALTER TABLE "t" ADD COLUMN "django" integer NULL; ALTER TABLE "t" ALTER COLUMN "django" SET DEFAULT 0; ALTER TABLE "t" ALTER COLUMN "django" DROP DEFAULT; SELECT "name", "applied" FROM "django_migrations"; INSERT INTO "django_migrations" ("app", "name", "applied") VALUES ('shop', '0001_initial', now()) RETURNING "django_migrations"."id"; COMMIT;
CREATE TABLE alembic_version (version_num varchar(32) NOT NULL PRIMARY KEY);
INSERT INTO alembic_version VALUES ('a');
BEGIN; ALTER TABLE t ADD COLUMN alembic int; UPDATE alembic_version SET version_num = 'b' WHERE alembic_version.version_num = 'a'; COMMIT;
CREATE TABLE changes (change_id text PRIMARY KEY, change text, planned_at timestamptz);
CREATE TABLE tags (tag_id text PRIMARY KEY, change_id text REFERENCES changes);
CREATE TABLE dependencies (change_id text REFERENCES changes, type text, dependency text, PRIMARY KEY (change_id, dependency));
CREATE TABLE events (event text, change_id text, change text, PRIMARY KEY (change_id, event));
BEGIN; LOCK TABLE policy.changes IN EXCLUSIVE MODE; ALTER TABLE t ADD COLUMN sqitch int; INSERT INTO changes VALUES ('1', 'add', now()); INSERT INTO tags VALUES ('1', '1'); INSERT INTO dependencies VALUES ('1', 'require', 'x'), ('1', 'conflict', 'y'); INSERT INTO events VALUES ('deploy', '1', 'add'); SELECT count(*) FROM changes; COMMIT;
CREATE TABLE migrations (hash text PRIMARY KEY, previous_hash text REFERENCES migrations, filename text, date timestamptz DEFAULT now());
BEGIN; ALTER TABLE t ADD COLUMN graphile int; INSERT INTO migrations (hash, previous_hash, filename) VALUES ('sha1:1', NULL, '000001.sql'); COMMIT;
CREATE TABLE goose_db_version (id serial PRIMARY KEY, version_id bigint NOT NULL, is_applied boolean NOT NULL, tstamp timestamp DEFAULT now());
BEGIN; ALTER TABLE t ADD COLUMN goose int; INSERT INTO goose_db_version (version_id, is_applied) VALUES (1, true); COMMIT;
CREATE TABLE atlas_schema_revisions (version varchar PRIMARY KEY, description varchar, applied bigint DEFAULT 0, total bigint DEFAULT 0, executed_at timestamptz, error text, partial_hashes jsonb);
BEGIN; INSERT INTO atlas_schema_revisions (version, applied, total, executed_at) VALUES ('1', 0, 2, now()) ON CONFLICT (version) DO UPDATE SET applied = excluded.applied; ALTER TABLE t ADD COLUMN atlas int; INSERT INTO atlas_schema_revisions (version, applied, total, executed_at) VALUES ('1', 1, 2, now()) ON CONFLICT (version) DO UPDATE SET applied = excluded.applied, partial_hashes = '["h1:x"]'; COMMIT;
CREATE TABLE flyway_schema_history (installed_rank int PRIMARY KEY, version varchar(50), success boolean NOT NULL);
BEGIN; SELECT pg_advisory_xact_lock(77431708279161) IS NULL; ALTER TABLE t ADD COLUMN flyway int; INSERT INTO flyway_schema_history SELECT coalesce(max(installed_rank), 0) + 1, '1', true FROM flyway_schema_history; COMMIT;
CREATE TABLE databasechangelog (id varchar(255), dateexecuted timestamp, orderexecuted int);
CREATE TABLE databasechangeloglock (id int PRIMARY KEY, locked boolean, lockedby varchar(255));
BEGIN; ALTER TABLE t ADD COLUMN liquibase int; INSERT INTO databasechangelog SELECT '1', now(), count(*) FROM databasechangelog; UPDATE databasechangeloglock SET locked = false WHERE id = 1; COMMIT;
BEGIN; CREATE TABLE prisma (id int PRIMARY KEY, t_id int REFERENCES t); CREATE INDEX ON prisma (t_id); INSERT INTO prisma SELECT 1, 1; ALTER TABLE t ADD COLUMN prisma int; COMMIT;

SET client_min_messages = error;
DROP SCHEMA policy CASCADE;
DROP ROLE regress_zdm_deployer;
