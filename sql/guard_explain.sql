-- zdm.explain says what would happen, and runs nothing; zdm.rules shows the rules.
SET client_min_messages = error;
DROP SCHEMA IF EXISTS guarded CASCADE;
CREATE SCHEMA guarded;
RESET client_min_messages;
SET search_path = guarded;
CREATE TABLE users (id int PRIMARY KEY);
INSERT INTO users SELECT generate_series(1, 100);
CREATE TABLE t (id int, v int, r int) WITH (autovacuum_enabled = off);
INSERT INTO t SELECT i, i, i FROM generate_series(1, 100) AS i;
CREATE TABLE empty (id int);

-- its shape
SELECT attname, atttypid::regtype FROM pg_attribute
WHERE attrelid = (SELECT typrelid FROM pg_type t WHERE t.oid = 'zdm.rules'::regtype) ORDER BY attnum;
SELECT unnest(proargnames) AS name, unnest(proallargtypes)::regtype AS type, unnest(proargmodes) AS mode
FROM pg_proc WHERE oid = 'zdm.explain(text, boolean)'::regprocedure;

\x
-- one step, several steps, refused, passed
SELECT * FROM zdm.explain('CREATE INDEX by_v ON t (v)');
SELECT * FROM zdm.explain('ALTER TABLE t ALTER v SET NOT NULL');
SELECT * FROM zdm.explain('ALTER TABLE t ADD CONSTRAINT fk FOREIGN KEY (r) REFERENCES users');
SELECT * FROM zdm.explain('ALTER TABLE t RENAME v TO w');
SELECT * FROM zdm.explain('ALTER TABLE t ADD x int');
SELECT * FROM zdm.explain('VACUUM FULL t');
SELECT * FROM zdm.explain('SELECT 1; DO ''BEGIN END''; CALL nothing()');
-- in a block
SELECT * FROM zdm.explain('CREATE INDEX by_v ON t (v)', true);
\x
\set short 'statement, step, verdict, rules, relation, lock, blocks, work'
-- the main cases in one text
SELECT :short FROM zdm.explain($$
    CREATE UNIQUE INDEX ON t (v);
    DROP INDEX users_pkey;
    REINDEX TABLE users;
    ALTER TABLE t ADD CHECK (v > 0);
    ALTER TABLE t ADD UNIQUE (v);
    ALTER TABLE t ADD PRIMARY KEY (v);
    ALTER TABLE t ALTER v TYPE bigint;
    ALTER TABLE t ADD z serial;
    CLUSTER users USING users_pkey;
    ALTER TABLE t DROP COLUMN r;
    DROP TABLE t;
    TRUNCATE users CASCADE;
    LOCK TABLE t;
    CREATE TRIGGER x BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION suppress_redundant_updates_trigger();
    ALTER TABLE t ADD FOREIGN KEY (r) REFERENCES users NOT VALID;
    CREATE INDEX CONCURRENTLY ON t (v);
    ALTER TABLE empty ALTER id TYPE bigint;
    SELECT 1$$);
-- nothing of it has happened
SELECT count(*) FROM pg_index WHERE indrelid = 't'::regclass;
SELECT count(*) FROM pg_constraint WHERE conrelid = 't'::regclass;
-- it takes no lock worth the name
BEGIN;
SELECT count(*) > 0 AS rows FROM zdm.explain('ALTER TABLE t ALTER v SET NOT NULL; DROP TABLE t; VACUUM FULL users');
SELECT DISTINCT mode FROM pg_locks WHERE pid = pg_backend_pid() AND locktype = 'relation';
COMMIT;
-- BEGIN and COMMIT in the text
SELECT :short FROM zdm.explain('CREATE INDEX ON t (v); BEGIN; CREATE INDEX ON t (v); ALTER TABLE t ADD x int; COMMIT; CREATE INDEX ON t (v)');
SELECT :short FROM zdm.explain('ROLLBACK; CREATE INDEX ON t (v)', true);
-- what the text itself creates
SELECT :short FROM zdm.explain('BEGIN; CREATE TABLE made (id int, v int); CREATE INDEX ON made (v); ALTER TABLE made ALTER v TYPE text; COMMIT; ALTER TABLE made ALTER v SET NOT NULL; CREATE INDEX ON made (id)');
-- unknown to both
SELECT :short FROM zdm.explain('ALTER TABLE nobody ADD x int');
\echo :SQLSTATE
SELECT :short FROM zdm.explain('CREATE INDEX ON nobody (x)');
\echo :SQLSTATE
SELECT :short FROM zdm.explain('ALTER TABLE IF EXISTS nobody ADD x int; DROP TABLE IF EXISTS nobody');
\set VERBOSITY sqlstate
SELECT :short FROM zdm.explain('ALTER TABLE t ADD');
\set VERBOSITY default
SELECT :short FROM zdm.explain('');
SELECT :short FROM zdm.explain(NULL);
-- modes
SET zdm.mode = 'reject';
SELECT :short FROM zdm.explain('CREATE INDEX ON t (v); ALTER TABLE t ALTER v SET NOT NULL; ALTER TABLE t ADD x int');
SET zdm.mode = 'warn';
SELECT :short FROM zdm.explain('CREATE INDEX ON t (v); ALTER TABLE t RENAME v TO w');
RESET zdm.mode;
SET zdm.rule_actions = 'create-index-blocking=allow, rename-column=warn';
SELECT :short FROM zdm.explain('CREATE INDEX ON t (v); ALTER TABLE t RENAME v TO w');
RESET zdm.rule_actions;

-- the rules
SELECT rule, class, default_action, action, lock, blocks FROM zdm.rules
WHERE rule IN ('create-index-blocking', 'rename-column', 'drop-table', 'prefer-text', 'ddl-dml-mixed', 'add-column-published')
ORDER BY rule COLLATE "C";
-- defaults follow the class
SELECT class, default_action, count(*) > 0 AS some FROM zdm.rules
WHERE class <> 'availability' GROUP BY 1, 2 ORDER BY 1;
SELECT count(*) FROM zdm.rules WHERE summary IS NULL OR safe_form IS NULL OR summary = '' OR safe_form = '';
SET zdm.rule_actions = 'rename-column=warn';
SELECT rule, default_action, action FROM zdm.rules WHERE rule IN ('rename-column', 'set-not-null-scan') ORDER BY 1;
SET zdm.mode = 'warn';
SELECT DISTINCT action FROM zdm.rules;
SET zdm.mode = 'reject';
SELECT DISTINCT action FROM zdm.rules ORDER BY 1;
RESET zdm.mode;
RESET zdm.rule_actions;

\set ECHO none
SET client_min_messages = error;
DROP SCHEMA guarded CASCADE;
