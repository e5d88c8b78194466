-- Plans as jobs: what zdm.jobs and zdm.steps say of them, and to whom. A plan runs in transactions of its own, so nothing
-- here can be in one: objects are dropped at the end.
\set ECHO none
\set QUIET 1
\pset format unaligned
\pset tuples_only true
\pset pager off
\set ON_ERROR_STOP 0
SET client_min_messages = error;
SELECT * FROM no_plan();

CREATE SCHEMA planned;
SET search_path = planned, public;
CREATE ROLE plan_owner;
CREATE ROLE plan_other;
GRANT USAGE, CREATE ON SCHEMA planned TO plan_owner;
CREATE TABLE t (id int PRIMARY KEY, v int);
INSERT INTO t SELECT g, CASE WHEN g > 9 THEN g * 10 ELSE g END FROM generate_series(1, 11) g;
ALTER TABLE t OWNER TO plan_owner;
SET ROLE plan_owner;

-- one that is done
ALTER TABLE t ALTER v SET NOT NULL;
SELECT max(id) AS job FROM zdm.jobs \gset
SELECT results_eq(format('SELECT kind, state, relation, description, owner::text COLLATE "default", percent, workers, attempts, error FROM zdm.jobs WHERE id = %s', :job),
    $$VALUES ('ddl', 'done', 'planned.t', 'ALTER TABLE t ALTER v SET NOT NULL', 'plan_owner', 100.0, 0, 1, NULL::text)$$,
    'zdm.jobs tells what was done');
SELECT results_eq(format($$SELECT step, phase, state, sql FROM zdm.steps WHERE job = %s$$, :job), $$VALUES
    (1, 'apply', 'done', 'SELECT 1 FROM planned.t WHERE v IS NULL LIMIT 1'),
    (2, 'apply', 'done', 'ALTER TABLE planned.t ADD CONSTRAINT t_v_zdm_not_null CHECK (v IS NOT NULL) NOT VALID'),
    (3, 'apply', 'done', 'ALTER TABLE planned.t VALIDATE CONSTRAINT t_v_zdm_not_null'),
    (4, 'apply', 'done', 'ALTER TABLE planned.t ALTER COLUMN v SET NOT NULL; ALTER TABLE planned.t DROP CONSTRAINT t_v_zdm_not_null')$$,
    'zdm.steps tells how');
SELECT is_empty(format($$SELECT * FROM zdm.steps WHERE job = %s AND NOT (started_at <= finished_at AND lock_wait_ms >= 0
    AND lock_held_ms >= 0 AND attempts = 1 AND error IS NULL)$$, :job), 'with times, of each step');

-- one that failed
CREATE UNIQUE INDEX ON t ((v % 10));
SELECT max(id) AS failed FROM zdm.jobs \gset
SELECT isnt(:failed, :job, 'a single concurrent step is a job, too');
SELECT results_eq(format('SELECT state, error, finished_at IS NOT NULL FROM zdm.jobs WHERE id = %s', :failed),
    $$VALUES ('failed', 'could not create unique index "t_expr_idx" (Key ((v % 10))=(0) is duplicated.)', true)$$, 'a failed plan is failed, with its error');
SELECT results_eq(format($$SELECT step, state, error FROM zdm.steps WHERE job = %s$$, :failed), $$VALUES
    (1, 'failed', 'could not create unique index "t_expr_idx" (Key ((v % 10))=(0) is duplicated.)'), (2, 'pending', NULL),
    (3, 'pending', NULL)$$, 'and says where');
SELECT is_empty('SELECT * FROM zdm.uninstall_blockers()', 'what has ended keeps nobody from leaving');

-- what takes one transaction is none
ALTER TABLE t ADD COLUMN x int;
SELECT is(max(id), :failed::bigint, 'what takes one transaction is no job') FROM zdm.jobs;

-- rights
RESET ROLE;
SET ROLE plan_other;
SELECT is_empty(format('SELECT * FROM zdm.jobs WHERE id IN (%s, %s)', :job, :failed), 'nobody sees the jobs of another');
SELECT is_empty('SELECT * FROM zdm.steps', 'nor their steps');
SELECT throws_ok(format('SELECT zdm.cancel(%s)', :job), '42501', NULL, 'nor steers them');
SELECT throws_ok(format('SELECT zdm.retry(%s)', :failed), '42501', NULL, 'nor tries them again');
SELECT throws_ok('SELECT * FROM zdm.job_step', '42501', NULL, 'the table is closed');
RESET ROLE;
GRANT pg_monitor TO plan_other;
SET ROLE plan_other;
SELECT isnt_empty(format('SELECT * FROM zdm.steps WHERE job = %s', :job), 'pg_monitor sees them');
SELECT throws_ok(format('SELECT zdm.cancel(%s)', :job), '42501', NULL, 'and steers them not');
RESET ROLE;
SET ROLE plan_owner;
SELECT throws_ok(format('SELECT zdm.cancel(%s)', :job), '55000', NULL, 'what is done cannot be cancelled');
SELECT throws_ok(format('SELECT zdm.pause(%s)', :job), '55000', NULL, 'nor paused');
SELECT throws_ok(format('SELECT zdm.retry(%s)', :job), '55000', NULL, 'nor tried again');
DELETE FROM t WHERE id = 11;
SELECT lives_ok(format('SELECT zdm.retry(%s)', :failed), 'what has failed can be tried again, when the rows are right');
CALL zdm.wait(:failed);
SELECT results_eq($$SELECT indisvalid FROM pg_index WHERE indexrelid = 'planned.t_expr_idx'::regclass$$, 'VALUES (true)', 'and is done');
CALL zdm.wait(:job);
SELECT pass('zdm.wait of one that is done returns');

RESET ROLE;
DROP SCHEMA planned CASCADE;
REVOKE pg_monitor FROM plan_other;
DROP ROLE plan_owner, plan_other;
SELECT * FROM finish();
