\echo Use "CREATE EXTENSION zdm" to load this file. \quit

-- guard
CREATE FUNCTION zdm.guarded() RETURNS boolean
    LANGUAGE c STABLE PARALLEL RESTRICTED AS 'MODULE_PATHNAME', 'zdm_guarded';
COMMENT ON FUNCTION zdm.guarded() IS 'true if DDL in this session passes the guard: library, extension and a mode other than off are in force';

CREATE FUNCTION zdm.explain(
    statements text, in_transaction boolean DEFAULT false,
    OUT statement int, OUT step int, OUT verdict text, OUT rules text[], OUT relation text, OUT lock text,
    OUT blocks text, OUT work text, OUT sql text, OUT detail text, OUT hint text)
    RETURNS SETOF record
    LANGUAGE c STRICT VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'zdm_explain';
COMMENT ON FUNCTION zdm.explain(text, boolean) IS 'what the guard would do with these statements; runs nothing';

CREATE FUNCTION zdm.rule_table(
    OUT rule text, OUT class text, OUT default_action text, OUT action text, OUT lock text, OUT blocks text,
    OUT summary text, OUT safe_form text)
    RETURNS SETOF record
    LANGUAGE c STRICT STABLE PARALLEL RESTRICTED AS 'MODULE_PATHNAME', 'zdm_rules';
COMMENT ON FUNCTION zdm.rule_table() IS 'the rows of the view zdm.rules';

CREATE VIEW zdm.rules AS
    SELECT rule, class, default_action, action, lock, blocks, summary, safe_form FROM zdm.rule_table();
COMMENT ON VIEW zdm.rules IS 'every rule of the guard, with the action now in force';

GRANT USAGE ON SCHEMA zdm TO PUBLIC;
GRANT SELECT ON zdm.rules TO PUBLIC;
