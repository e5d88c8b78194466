-- What the guard is told, and what it refuses to be told.

-- defaults, and who may change them
SELECT name, current_setting(name) AS value, context
FROM pg_settings
WHERE name IN ('zdm.mode', 'zdm.rule_actions', 'zdm.safety_assured', 'zdm.allow_safety_assured', 'zdm.lock_timeout',
    'zdm.lock_patience', 'zdm.long_transaction', 'zdm.instant_timeout', 'zdm.max_workers', 'zdm.run_jobs',
    'zdm.batch_time')
ORDER BY name COLLATE "C";

-- modes; zdm.guarded() is what a script asserts
SELECT zdm.guarded();
SET zdm.mode = 'off';
SELECT zdm.guarded();
SET zdm.mode = 'warn';
SELECT zdm.guarded();
SET zdm.mode = 'reject';
SELECT zdm.guarded();
SET zdm.mode = 'careful';
RESET zdm.mode;
SHOW zdm.mode;

-- actions of single rules
SET zdm.rule_actions = 'rename-column=warn, vacuum-full = allow ,set-not-null-scan=reject';
SHOW zdm.rule_actions;
SET zdm.rule_actions = '';
SET zdm.rule_actions = ' , ';
SET zdm.rule_actions = 'no-such-rule=warn';
SET zdm.rule_actions = 'rename-column=forbid';
SET zdm.rule_actions = 'rename-column=rewrite';
SET zdm.rule_actions = 'rename-column';
SET zdm.rule_actions = '=warn';
SET zdm.rule_actions = 'rename-column=warn, no-such-rule=warn';
SHOW zdm.rule_actions;
RESET zdm.rule_actions;

-- a prefix of its own: no misspelt setting goes unnoticed
SET zdm.lock_timeuot = '1s';

-- limits
\set VERBOSITY sqlstate
SET zdm.lock_timeout = 0;
SET zdm.lock_patience = -1;
\set VERBOSITY default
SELECT name, min_val, max_val, unit FROM pg_settings WHERE name IN ('zdm.lock_timeout', 'zdm.lock_patience') ORDER BY name;
SET zdm.lock_patience = '2min';
SHOW zdm.lock_patience;
RESET zdm.lock_patience;

-- reviewed statements can be forbidden
SET zdm.safety_assured = on;
SHOW zdm.safety_assured;
RESET zdm.safety_assured;
SET zdm.allow_safety_assured = off;
SET zdm.safety_assured = on;
SHOW zdm.safety_assured;
RESET zdm.allow_safety_assured;

-- an ordinary role may choose its own patience, not its own rules
CREATE ROLE regress_zdm_settings;
SET ROLE regress_zdm_settings;
SET zdm.lock_patience = '5s';
SET zdm.batch_time = '10ms';
SET zdm.safety_assured = on;
SET zdm.mode = 'off';
SET zdm.rule_actions = 'rename-column=allow';
SET zdm.allow_safety_assured = on;
SET zdm.lock_timeout = '1h';
SET zdm.run_jobs = off;
SET zdm.max_workers = 8;
SELECT zdm.guarded();
RESET zdm.safety_assured;
RESET ROLE;
DROP ROLE regress_zdm_settings;
