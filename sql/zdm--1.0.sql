\echo Use "CREATE EXTENSION zdm" to load this file. \quit

-- guard
CREATE FUNCTION zdm.guarded() RETURNS boolean
    LANGUAGE c STABLE PARALLEL RESTRICTED AS 'MODULE_PATHNAME', 'zdm_guarded';
COMMENT ON FUNCTION zdm.guarded() IS 'true if DDL in this session passes the guard: library, extension and a mode other than off are in force';

GRANT USAGE ON SCHEMA zdm TO PUBLIC;
