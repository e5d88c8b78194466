-- CREATE EXTENSION brings what it says, to whom it says, and DROP EXTENSION takes it away.
SELECT plan(11);

SELECT has_extension('zdm');
SELECT throws_ok('CREATE EXTENSION zdm', '42710', NULL, 'a second CREATE EXTENSION is refused');
SELECT lives_ok('SET client_min_messages = error; CREATE EXTENSION IF NOT EXISTS zdm; RESET client_min_messages',
    'and IF NOT EXISTS makes it harmless');
SELECT is(nspname, 'zdm', 'it lives in schema zdm')
FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace
WHERE extname = 'zdm';

-- What PUBLIC may call or read in the schema is the interface.
SELECT is_empty($$
    SELECT p.oid::regprocedure
    FROM pg_proc p
    WHERE p.pronamespace = 'zdm'::regnamespace AND has_function_privilege('public', p.oid, 'EXECUTE')
        AND p.prorettype NOT IN ('trigger'::regtype, 'event_trigger'::regtype)
        AND obj_description(p.oid, 'pg_proc') IS NULL
$$, 'every public function has a comment');
SELECT is_empty($$
    SELECT c.oid::regclass
    FROM pg_class c
    WHERE c.relnamespace = 'zdm'::regnamespace AND c.relkind = 'v' AND obj_description(c.oid, 'pg_class') IS NULL
$$, 'every view has a comment');
SELECT is_empty($$
    SELECT p.oid::regprocedure FROM pg_proc p WHERE p.pronamespace = 'zdm'::regnamespace AND p.prosecdef
$$, 'nothing is SECURITY DEFINER');
SELECT schema_privs_are('zdm', 'public', ARRAY['USAGE'], 'PUBLIC may use the schema and create nothing in it');
SELECT is_empty($$
    SELECT c.oid::regclass
    FROM pg_class c
    WHERE c.relnamespace = 'zdm'::regnamespace AND c.relkind IN ('r', 'p', 'S')
        AND has_table_privilege('public', c.oid, 'SELECT, INSERT, UPDATE, DELETE, TRUNCATE')
$$, 'the tables are nobody''s');

SET client_min_messages = warning;
DROP EXTENSION zdm;
SELECT is_empty($$
    SELECT proname::text FROM pg_proc WHERE probin LIKE '%zdm%' OR pronamespace = to_regnamespace('zdm')
    UNION ALL
    SELECT relname::text FROM pg_class WHERE relnamespace = to_regnamespace('zdm')
    UNION ALL
    SELECT typname::text FROM pg_type WHERE typnamespace = to_regnamespace('zdm')
    UNION ALL
    SELECT evtname::text FROM pg_event_trigger WHERE evtname LIKE 'zdm%'
$$, 'DROP EXTENSION leaves nothing');
SELECT lives_ok('CREATE EXTENSION zdm', 'and it can come back');

SELECT * FROM finish();
