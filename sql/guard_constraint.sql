-- ADD CHECK, UNIQUE and PRIMARY KEY: what is left is what plain PostgreSQL would have made.
\getenv srcdir PG_ABS_SRCDIR
\set ECHO none
\i :srcdir/test/lib/twins.sql
\set ECHO all

CALL each_side($$
    CREATE TABLE users (id int, email text, age int, "Last Login" date, country char(2), maybe int);
    INSERT INTO users SELECT i, 'user' || i, i + 10, 'epoch', 'at', nullif(i, 7) FROM generate_series(1, 100) AS i;
$$);

-- CHECK: every form, and the names that PostgreSQL chooses
SELECT twin('ALTER TABLE users ADD CHECK (age > 0)') :run
SELECT twin('ALTER TABLE users ADD CHECK (age > 1)') :run
SELECT twin('ALTER TABLE users ADD CHECK (age > id)') :run
SELECT twin('ALTER TABLE users ADD CONSTRAINT adult CHECK (age > 5 OR age IS NULL)') :run
SELECT twin('ALTER TABLE users ADD CONSTRAINT "not ""later""; --" CHECK ("Last Login" < ''2100-01-01'') NO INHERIT') :run
SELECT twin('ALTER TABLE ONLY users ADD CONSTRAINT short CHECK (length(email) < 99)') :run
SELECT twin('ALTER TABLE users ADD CHECK (age < 200), ADD CONSTRAINT "Long" CHECK (email <> '''')') :run
SELECT twin('ALTER TABLE users ADD CHECK (maybe > 0)') :run
SELECT twin('ALTER TABLE users ADD CHECK (true)') :run
SELECT compare();

-- NOT VALID passes as it is; VALIDATE as well
SELECT twin('ALTER TABLE users ADD CONSTRAINT later CHECK (id > 0) NOT VALID') :run
SELECT compare();
SELECT twin('ALTER TABLE users VALIDATE CONSTRAINT later') :run
SELECT compare();

-- CHECK: what is in the way, and bad input
SELECT twin('ALTER TABLE users ADD CHECK (age > 50)') :run
SELECT same_error(:'SQLSTATE', :'LAST_ERROR_MESSAGE');
SELECT twin('ALTER TABLE users ADD CHECK (age < 500), ADD CONSTRAINT few CHECK (id < 50)') :run
SELECT same_error(:'SQLSTATE', :'LAST_ERROR_MESSAGE');
SELECT twin('ALTER TABLE users ADD CONSTRAINT adult CHECK (age > 7)') :run
SELECT same_error(:'SQLSTATE', :'LAST_ERROR_MESSAGE');
SELECT twin('ALTER TABLE users ADD CHECK (nothing > 50)') :run
SELECT same_error(:'SQLSTATE', :'LAST_ERROR_MESSAGE');
SELECT twin('ALTER TABLE users ADD CHECK (age)') :run
SELECT same_error(:'SQLSTATE', :'LAST_ERROR_MESSAGE');
SELECT twin('ALTER TABLE users ADD CHECK (age > (SELECT 1))') :run
SELECT same_error(:'SQLSTATE', :'LAST_ERROR_MESSAGE');
SELECT twin('ALTER TABLE users ADD CHECK (100 / (id - 7) < 1000)') :run
SELECT same_error(:'SQLSTATE', :'LAST_ERROR_MESSAGE');
SELECT twin('ALTER TABLE nobody ADD CHECK (age > 0)') :run
SELECT same_error(:'SQLSTATE', :'LAST_ERROR_MESSAGE');
SELECT compare();

-- CHECK on a table with children: all of them
CALL each_side($$
    CREATE TABLE parent (id int);
    CREATE TABLE child () INHERITS (parent);
    INSERT INTO parent VALUES (1);
    INSERT INTO child VALUES (-1);
$$);
SELECT twin('ALTER TABLE ONLY parent ADD CONSTRAINT positive CHECK (id > 0)') :run
SELECT same_error(:'SQLSTATE', :'LAST_ERROR_MESSAGE');
SELECT twin('ALTER TABLE ONLY parent ADD CONSTRAINT positive CHECK (id > 0) NO INHERIT') :run
SELECT twin('ALTER TABLE parent ADD CONSTRAINT large CHECK (id > -9)') :run
SELECT twin('ALTER TABLE parent ALTER COLUMN id SET NOT NULL') :run
SELECT compare();

-- UNIQUE: every form, and the names that PostgreSQL chooses
SELECT twin('ALTER TABLE users ADD UNIQUE (id)') :run
SELECT twin('ALTER TABLE users ADD UNIQUE (id)') :run
SELECT twin('ALTER TABLE users ADD UNIQUE (email, "Last Login")') :run
SELECT twin('ALTER TABLE users ADD CONSTRAINT "one ""mail""; --" UNIQUE (email) INCLUDE (age) WITH (fillfactor = 60)') :run
SELECT twin('ALTER TABLE users ADD CONSTRAINT nulls UNIQUE NULLS NOT DISTINCT (maybe)') :run
SELECT twin('ALTER TABLE users ADD UNIQUE (maybe), ADD UNIQUE (age) USING INDEX TABLESPACE pg_default') :run
CALL each_side('CREATE UNIQUE INDEX ready ON users (age, id)');
SELECT twin('ALTER TABLE users ADD CONSTRAINT from_index UNIQUE USING INDEX ready') :run
SELECT compare();

-- UNIQUE: what is in the way, and bad input
SELECT twin('ALTER TABLE users ADD UNIQUE (country)') :run
SELECT same_error(:'SQLSTATE', :'LAST_ERROR_MESSAGE');
SELECT twin('ALTER TABLE users ADD CONSTRAINT nulls UNIQUE (maybe)') :run
SELECT same_error(:'SQLSTATE', :'LAST_ERROR_MESSAGE');
SELECT twin('ALTER TABLE users ADD CONSTRAINT adult UNIQUE (maybe)') :run
SELECT same_error(:'SQLSTATE', :'LAST_ERROR_MESSAGE');
SELECT twin('ALTER TABLE users ADD UNIQUE (nothing)') :run
SELECT same_error(:'SQLSTATE', :'LAST_ERROR_MESSAGE');
SELECT twin('ALTER TABLE users ADD UNIQUE (id, id)') :run
SELECT same_error(:'SQLSTATE', :'LAST_ERROR_MESSAGE');
SELECT compare();

-- a prebuilt index would enforce a deferrable constraint at once
ALTER TABLE users ADD CONSTRAINT deferred UNIQUE (age) DEFERRABLE INITIALLY DEFERRED;
\echo :SQLSTATE
ALTER TABLE users ADD CONSTRAINT deferred UNIQUE (age) DEFERRABLE;
\echo :SQLSTATE
ALTER TABLE users ADD PRIMARY KEY (id) DEFERRABLE;
\echo :SQLSTATE
SELECT compare();

-- EXCLUDE has no safe form
ALTER TABLE users ADD EXCLUDE (id WITH =);
\echo :SQLSTATE

-- PRIMARY KEY: its columns become NOT NULL first
SELECT twin('ALTER TABLE users ADD PRIMARY KEY (id)') :run
SELECT compare();
SELECT twin('ALTER TABLE users ADD PRIMARY KEY (age)') :run
SELECT same_error(:'SQLSTATE', :'LAST_ERROR_MESSAGE');
CALL each_side('ALTER TABLE users DROP CONSTRAINT users_pkey');
SELECT twin('ALTER TABLE users ADD CONSTRAINT "the ""key"";" PRIMARY KEY (age, "Last Login") INCLUDE (country)') :run
SELECT compare();
CALL each_side('ALTER TABLE users DROP CONSTRAINT "the ""key"";", ALTER age DROP NOT NULL, ALTER id DROP NOT NULL, ALTER "Last Login" DROP NOT NULL');
SELECT twin('ALTER TABLE users ADD PRIMARY KEY (maybe)') :run
SELECT same_error(:'SQLSTATE', :'LAST_ERROR_MESSAGE');
SELECT twin('ALTER TABLE users ADD PRIMARY KEY (country)') :run
SELECT same_error(:'SQLSTATE', :'LAST_ERROR_MESSAGE');
SELECT compare();

-- PRIMARY KEY USING INDEX
CALL each_side('CREATE UNIQUE INDEX ready ON users (id); CREATE UNIQUE INDEX unready ON users (maybe)');
SELECT twin('ALTER TABLE users ADD PRIMARY KEY USING INDEX unready') :run
SELECT same_error(:'SQLSTATE', :'LAST_ERROR_MESSAGE');
SELECT twin('ALTER TABLE users ADD CONSTRAINT pk PRIMARY KEY USING INDEX ready') :run
SELECT compare();
CALL each_side('ALTER TABLE users DROP CONSTRAINT pk; CREATE UNIQUE INDEX ready ON users (id)');
SELECT twin('ALTER TABLE users ADD CONSTRAINT pk PRIMARY KEY USING INDEX ready') :run
SELECT twin('ALTER TABLE users ADD PRIMARY KEY USING INDEX no_such_index') :run
SELECT same_error(:'SQLSTATE', :'LAST_ERROR_MESSAGE');
SELECT compare();

\set ECHO none
SET client_min_messages = error;
DROP SCHEMA plain, guarded, twins CASCADE;
