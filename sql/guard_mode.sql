-- Modes, actions of single rules, reviewed statements.
SET client_min_messages = error;
DROP SCHEMA IF EXISTS guarded CASCADE;
CREATE SCHEMA guarded;
RESET client_min_messages;
SET search_path = guarded;
\pset tuples_only on
\pset format unaligned
CREATE TABLE t (id int, v int) WITH (autovacuum_enabled = off);
INSERT INTO t SELECT i, i FROM generate_series(1, 100) AS i;
CREATE VIEW indexes AS SELECT relname, indisvalid FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid
    WHERE indrelid = 'guarded.t'::regclass ORDER BY 1;

-- off: nothing is said, nothing is changed
SET zdm.mode = 'off';
CREATE INDEX by_off ON t (v);
ALTER TABLE t RENAME v TO w;
ALTER TABLE t RENAME w TO v;
BEGIN;
CREATE INDEX by_off2 ON t (v);
COMMIT;
DROP INDEX by_off, by_off2;

-- warn: says what rewrite would do, and lets it run as it is
SET zdm.mode = 'warn';
CREATE INDEX by_warn ON t (v);
\echo :SQLSTATE
ALTER TABLE t RENAME v TO w;
ALTER TABLE t RENAME w TO v;
BEGIN;
ALTER TABLE t ALTER v SET NOT NULL;
ROLLBACK;
ALTER TABLE t ADD z serial;
ALTER TABLE t ADD UNIQUE (v);
ALTER TABLE t ADD a int;
TABLE indexes;
SET zdm.mode = 'off';
ALTER TABLE t DROP z, DROP a, DROP CONSTRAINT t_v_key;
DROP INDEX by_warn;

-- reject: what would be rewritten is refused, and the hint is the safe SQL
SET zdm.mode = 'reject';
CREATE INDEX by_reject ON t (v);
\echo :SQLSTATE
ALTER TABLE t ALTER v SET NOT NULL;
\echo :SQLSTATE
ALTER TABLE t RENAME v TO w;
\echo :SQLSTATE
BEGIN;
CREATE INDEX by_reject ON t (v);
\echo :SQLSTATE
ROLLBACK;
CREATE INDEX CONCURRENTLY by_reject ON t (v);
ALTER TABLE t ADD a int;
ALTER TABLE t DROP a;
DROP INDEX CONCURRENTLY by_reject;
TABLE indexes;
RESET zdm.mode;

-- actions of single rules
SET zdm.rule_actions = 'create-index-blocking=allow, rename-column=warn, set-not-null-scan=reject';
CREATE INDEX by_rule ON t (v);
ALTER TABLE t RENAME v TO w;
ALTER TABLE t RENAME w TO v;
\set VERBOSITY terse
ALTER TABLE t ALTER v SET NOT NULL;
\echo :SQLSTATE
\set VERBOSITY default
-- in a block, what is allowed is allowed
BEGIN;
CREATE INDEX by_rule2 ON t (v);
ROLLBACK;
-- a mode is a ceiling
SET zdm.mode = 'warn';
\set VERBOSITY terse
CREATE INDEX by_rule2 ON t (v);
ALTER TABLE t ALTER v SET NOT NULL;
\set VERBOSITY default
ALTER TABLE t ALTER v DROP NOT NULL;
SET zdm.mode = 'reject';
CREATE INDEX by_rule3 ON t (v);
RESET zdm.mode;
DROP INDEX by_rule, by_rule2, by_rule3;
-- several rules on one statement: the strictest wins
SET zdm.rule_actions = 'add-check-validating=reject';
\set VERBOSITY terse
ALTER TABLE t ALTER v SET NOT NULL, ADD CHECK (id > 0);
\echo :SQLSTATE
\set VERBOSITY default
SELECT attnotnull FROM pg_attribute WHERE attrelid = 't'::regclass AND attname = 'v';
RESET zdm.rule_actions;

-- reviewed: nothing is said, and it runs as it is; SET is used up by one guarded statement
SET zdm.safety_assured = on;
SHOW zdm.safety_assured;
SELECT count(*) FROM t;
CREATE TABLE new (id int);
SHOW zdm.safety_assured;
ALTER TABLE t RENAME v TO w;
SHOW zdm.safety_assured;
ALTER TABLE t RENAME w TO v;
\echo :SQLSTATE
SET zdm.safety_assured = on;
ALTER TABLE t RENAME w TO v;
-- in a block: at its end
BEGIN;
SET zdm.safety_assured = on;
ALTER TABLE t RENAME v TO w;
ALTER TABLE t RENAME w TO v;
CREATE INDEX by_block ON t (v);
SHOW zdm.safety_assured;
COMMIT;
SHOW zdm.safety_assured;
ALTER TABLE t RENAME v TO w;
\echo :SQLSTATE
SET zdm.safety_assured = on;
DROP INDEX by_block;
-- used up by a failure as well
SET zdm.safety_assured = on;
ALTER TABLE t RENAME v TO id;
SHOW zdm.safety_assured;

-- given by the role, or by the connection, it stays
CREATE ROLE regress_zdm_assured LOGIN;
GRANT ALL ON SCHEMA guarded TO regress_zdm_assured;
ALTER TABLE t OWNER TO regress_zdm_assured;
ALTER ROLE regress_zdm_assured SET zdm.safety_assured = on;
\c - regress_zdm_assured
SET search_path = guarded;
ALTER TABLE t RENAME v TO w;
SHOW zdm.safety_assured;
ALTER TABLE t RENAME w TO v;
BEGIN;
ALTER TABLE t RENAME v TO w;
COMMIT;
ALTER TABLE t RENAME w TO v;
-- but an administrator may forbid it
\c - postgres
ALTER ROLE regress_zdm_assured SET zdm.allow_safety_assured = off;
\c - regress_zdm_assured
SET search_path = guarded;
ALTER TABLE t RENAME v TO w;
\echo :SQLSTATE
SET zdm.safety_assured = off;
ALTER TABLE t RENAME v TO w;
\echo :SQLSTATE
SET zdm.safety_assured = on;
\echo :SQLSTATE
-- and with it the way of pg_restore
SET application_name = 'pg_restore';
ALTER TABLE t RENAME v TO w;
\echo :SQLSTATE
\c - postgres
ALTER ROLE regress_zdm_assured RESET ALL;
\c - regress_zdm_assured
SET application_name = 'pg_restore';
ALTER TABLE guarded.t RENAME v TO w;
ALTER TABLE guarded.t RENAME w TO v;

\c - postgres
\set ECHO none
SET client_min_messages = error;
DROP SCHEMA guarded CASCADE;
DROP ROLE regress_zdm_assured;
