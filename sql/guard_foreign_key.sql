-- ADD FOREIGN KEY becomes NOT VALID and VALIDATE; what is left is what plain PostgreSQL would have made.
\getenv srcdir PG_ABS_SRCDIR
\set ECHO none
\i :srcdir/test/lib/twins.sql
\set ECHO all

CALL each_side($$
    CREATE TABLE users (id int PRIMARY KEY, area int, code text, boss int, UNIQUE (area, code));
    INSERT INTO users SELECT i, i / 10, 'c' || i, nullif(i - 1, 0) FROM generate_series(1, 100) AS i;
    CREATE TABLE orders (id int PRIMARY KEY, user_id int, area int, code varchar(10), "Payer Id" bigint, lost int);
    INSERT INTO orders SELECT i, i, i / 10, 'c' || i, i, i + 1 FROM generate_series(1, 100) AS i;
$$);

-- every form, and the names that PostgreSQL chooses
SELECT twin('ALTER TABLE orders ADD FOREIGN KEY (user_id) REFERENCES users') :run
SELECT twin('ALTER TABLE orders ADD FOREIGN KEY (user_id) REFERENCES users (id)') :run
SELECT twin('ALTER TABLE ONLY orders ADD CONSTRAINT named FOREIGN KEY (user_id) REFERENCES users (id) ON DELETE CASCADE ON UPDATE SET NULL') :run
SELECT twin('ALTER TABLE users ADD CONSTRAINT up FOREIGN KEY (boss) REFERENCES users') :run
SELECT twin('ALTER TABLE orders ADD FOREIGN KEY (area, code) REFERENCES users (area, code) ON DELETE SET NULL (code)') :run
SELECT twin('ALTER TABLE orders ADD FOREIGN KEY (code, area) REFERENCES users (code, area) MATCH FULL') :run
SELECT twin('ALTER TABLE orders ADD CONSTRAINT "who ""pays""; --" FOREIGN KEY ("Payer Id") REFERENCES users') :run
SELECT twin('ALTER TABLE orders ADD FOREIGN KEY ("Payer Id") REFERENCES users DEFERRABLE INITIALLY DEFERRED') :run
SELECT twin('ALTER TABLE orders ADD FOREIGN KEY (user_id) REFERENCES users, ADD FOREIGN KEY ("Payer Id") REFERENCES users') :run
SELECT twin('ALTER TABLE IF EXISTS orders ADD FOREIGN KEY (id) REFERENCES users') :run
SELECT compare();

-- NOT VALID passes as it is; VALIDATE as well
SELECT twin('ALTER TABLE orders ADD CONSTRAINT later FOREIGN KEY (user_id) REFERENCES users NOT VALID') :run
SELECT compare();
SELECT twin('ALTER TABLE orders VALIDATE CONSTRAINT later') :run
SELECT compare();

-- a missing row: PostgreSQL's own error, and no constraint
SELECT twin('ALTER TABLE orders ADD FOREIGN KEY (lost) REFERENCES users') :run
SELECT same_error(:'SQLSTATE', :'LAST_ERROR_MESSAGE');
CALL each_side($$
    CREATE TABLE pairs AS SELECT area, code FROM orders;
    UPDATE pairs SET code = 'a "lost" ''one''' WHERE code = 'c7';
$$);
SELECT twin('ALTER TABLE pairs ADD CONSTRAINT pair FOREIGN KEY (code, area) REFERENCES users (code, area)') :run
SELECT same_error(:'SQLSTATE', :'LAST_ERROR_MESSAGE');
SELECT compare();

-- NULL in one column
CALL each_side($$
    CREATE TABLE halves (id int, area int, code text);
    INSERT INTO halves VALUES (1, NULL, 'none'), (2, NULL, NULL);
$$);
SELECT twin('ALTER TABLE halves ADD CONSTRAINT simple FOREIGN KEY (area, code) REFERENCES users (area, code)') :run
CALL each_side('DELETE FROM halves WHERE id = 1');
SELECT twin('ALTER TABLE halves ADD CONSTRAINT fully FOREIGN KEY (area, code) REFERENCES users (area, code) MATCH FULL') :run
SELECT compare();

-- bad input gets PostgreSQL's own answer
SELECT twin('ALTER TABLE orders ADD CONSTRAINT named FOREIGN KEY (user_id) REFERENCES users') :run
SELECT same_error(:'SQLSTATE', :'LAST_ERROR_MESSAGE');
SELECT twin('ALTER TABLE orders ADD FOREIGN KEY (user_id) REFERENCES nobody') :run
SELECT same_error(:'SQLSTATE', :'LAST_ERROR_MESSAGE');
SELECT twin('ALTER TABLE orders ADD FOREIGN KEY (nothing) REFERENCES users') :run
SELECT same_error(:'SQLSTATE', :'LAST_ERROR_MESSAGE');
SELECT twin('ALTER TABLE orders ADD FOREIGN KEY (user_id, area) REFERENCES users') :run
SELECT same_error(:'SQLSTATE', :'LAST_ERROR_MESSAGE');
-- 18 says more in the detail
\set VERBOSITY terse
SELECT twin('ALTER TABLE orders ADD FOREIGN KEY (code) REFERENCES users') :run
SELECT left(same_error(:'SQLSTATE', :'LAST_ERROR_MESSAGE'), 13);
\set VERBOSITY default
SELECT twin('ALTER TABLE nobody ADD FOREIGN KEY (user_id) REFERENCES users') :run
SELECT same_error(:'SQLSTATE', :'LAST_ERROR_MESSAGE');
SELECT twin('ALTER TABLE IF EXISTS nobody ADD FOREIGN KEY (user_id) REFERENCES users') :run
CALL each_side('CREATE VIEW recent AS SELECT * FROM orders');
SELECT twin('ALTER TABLE recent ADD FOREIGN KEY (user_id) REFERENCES users') :run
SELECT same_error(:'SQLSTATE', :'LAST_ERROR_MESSAGE');
SELECT twin('ALTER TABLE orders ADD FOREIGN KEY (user_id) REFERENCES recent') :run
SELECT same_error(:'SQLSTATE', :'LAST_ERROR_MESSAGE');
SELECT compare();

-- a role that owns one table and may only refer to the other
CREATE ROLE regress_zdm_fk;
CALL each_side($$
    CREATE TABLE own (id int);
    INSERT INTO own VALUES (1);
    ALTER TABLE own OWNER TO regress_zdm_fk;
$$);
GRANT USAGE, CREATE ON SCHEMA guarded TO regress_zdm_fk;
SET ROLE regress_zdm_fk;
ALTER TABLE own ADD FOREIGN KEY (id) REFERENCES users;
\echo :SQLSTATE
ALTER TABLE orders ADD CONSTRAINT mine FOREIGN KEY (user_id) REFERENCES own;
\echo :SQLSTATE
RESET ROLE;
GRANT REFERENCES ON users TO regress_zdm_fk;
SET ROLE regress_zdm_fk;
ALTER TABLE own ADD FOREIGN KEY (id) REFERENCES users;
RESET ROLE;
SELECT conname, convalidated FROM pg_constraint WHERE conrelid = 'own'::regclass;

\set ECHO none
SET client_min_messages = error;
DROP SCHEMA plain, guarded, twins CASCADE;
DROP ROLE regress_zdm_fk;
