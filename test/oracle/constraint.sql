-- Constraints and NOT NULL.

-- given
CREATE TABLE accounts (id int PRIMARY KEY, code text UNIQUE);
INSERT INTO accounts SELECT i, 'c' || i FROM generate_series(1, 100) AS i;
CREATE TABLE payments (id bigint PRIMARY KEY, account_id int, amount numeric NOT NULL DEFAULT 1, currency char(3), ref text, at timestamptz);
INSERT INTO payments SELECT i, 1 + i % 100, i, 'EUR', 'r' || i, now() FROM generate_series(1, 1000) AS i;
ALTER TABLE payments ADD CONSTRAINT positive CHECK (amount > 0);
ALTER TABLE payments ADD CONSTRAINT at_known CHECK (at IS NOT NULL);
ALTER TABLE payments ADD CONSTRAINT ref_long CHECK (length(ref) > 0) NOT VALID;
CREATE UNIQUE INDEX payments_ref ON payments (ref);
COMMENT ON COLUMN payments.ref IS 'of the bank';
COMMENT ON CONSTRAINT positive ON payments IS 'no refunds';

-- SET NOT NULL
-- expect set-not-null-scan
ALTER TABLE "payments" ALTER COLUMN "account_id" SET NOT NULL;
-- expect set-not-null-scan
ALTER TABLE payments ALTER account_id SET NOT NULL, ALTER currency SET NOT NULL;
-- expect set-not-null-scan
ALTER TABLE ONLY payments ALTER COLUMN ref SET NOT NULL;
-- expect set-not-null-scan
ALTER TABLE IF EXISTS public.payments ALTER COLUMN ref SET NOT NULL;
-- expect set-not-null-scan
ALTER TABLE payments ALTER currency SET DEFAULT 'EUR', ALTER currency SET NOT NULL;
-- expect set-not-null-scan; in a transaction
ALTER TABLE payments ALTER COLUMN account_id SET NOT NULL;
-- expect set-not-null-scan; in a transaction
UPDATE payments SET currency = 'EUR' WHERE currency IS NULL;
ALTER TABLE payments ALTER COLUMN currency SET NOT NULL;
-- expect nothing
ALTER TABLE payments ALTER COLUMN amount SET NOT NULL;
-- expect nothing
ALTER TABLE payments ALTER COLUMN at SET NOT NULL;
-- expect nothing
ALTER TABLE payments ALTER COLUMN id SET NOT NULL;
-- expect nothing
ALTER TABLE IF EXISTS not_there ALTER COLUMN id SET NOT NULL;
-- expect drop-not-null
ALTER TABLE payments ALTER COLUMN amount DROP NOT NULL;
-- expect nothing
ALTER TABLE payments ALTER COLUMN ref DROP NOT NULL;
-- first
ALTER TABLE payments ADD CHECK (account_id > 0 AND account_id IS NOT NULL);
-- expect nothing
ALTER TABLE payments ALTER account_id SET NOT NULL;
-- first
ALTER TABLE payments ADD CONSTRAINT nn CHECK (account_id IS NOT NULL) NOT VALID;
-- expect set-not-null-scan
ALTER TABLE payments ALTER account_id SET NOT NULL;
-- first
ALTER TABLE payments ADD CONSTRAINT nn CHECK (account_id IS NOT NULL) NOT VALID;
-- expect nothing
ALTER TABLE payments VALIDATE CONSTRAINT nn;
ALTER TABLE payments ALTER account_id SET NOT NULL;
ALTER TABLE payments DROP CONSTRAINT nn;
-- first
UPDATE payments SET ref = NULL WHERE id = 7;
-- expect set-not-null-scan; error 23502
ALTER TABLE payments ALTER ref SET NOT NULL;

-- CHECK
-- expect add-check-validating
ALTER TABLE "payments" ADD CONSTRAINT "currency_is_upper" CHECK (currency = upper(currency));
-- expect add-check-validating
ALTER TABLE payments ADD CHECK (amount < 1e9);
-- expect add-check-validating
ALTER TABLE payments ADD CONSTRAINT "mixed Case" CHECK (ref <> '' OR account_id IS NULL) NO INHERIT;
-- expect add-check-validating
ALTER TABLE payments ADD CHECK (id > 0), ADD CHECK (account_id > 0);
-- expect add-check-validating; in a transaction
ALTER TABLE payments ADD CONSTRAINT small CHECK (amount < 1e9);
-- expect nothing
ALTER TABLE payments ADD CONSTRAINT small CHECK (amount < 1e9) NOT VALID;
-- expect nothing
ALTER TABLE payments ADD CONSTRAINT small CHECK (amount < 1e9) NOT VALID;
ALTER TABLE payments VALIDATE CONSTRAINT small;
-- expect nothing
ALTER TABLE payments VALIDATE CONSTRAINT ref_long;
-- expect nothing
ALTER TABLE payments VALIDATE CONSTRAINT positive;
-- expect validate-in-same-txn; in a transaction
ALTER TABLE payments ADD CONSTRAINT small CHECK (amount < 1e9) NOT VALID;
ALTER TABLE payments VALIDATE CONSTRAINT small;
-- expect nothing; in a transaction
ALTER TABLE payments VALIDATE CONSTRAINT ref_long;
-- expect drop-check
ALTER TABLE payments DROP CONSTRAINT positive;
-- expect drop-check
ALTER TABLE payments DROP CONSTRAINT IF EXISTS ref_long;
-- expect nothing
ALTER TABLE payments DROP CONSTRAINT IF EXISTS not_there;
-- expect nothing
ALTER TABLE payments RENAME CONSTRAINT positive TO amount_is_positive;
-- expect nothing
COMMENT ON CONSTRAINT positive ON payments IS 'no refunds here';
-- expect add-check-validating; error 23514
ALTER TABLE payments ADD CONSTRAINT small CHECK (amount < 500);
-- expect nothing; error 42710
ALTER TABLE payments ADD CONSTRAINT positive CHECK (amount > 0) NOT VALID;

-- Foreign keys
-- expect add-fk-validating; when empty nothing
ALTER TABLE "payments" ADD CONSTRAINT "fk_rails_81dc04a02a" FOREIGN KEY ("account_id") REFERENCES "accounts" ("id");
-- expect add-fk-validating
ALTER TABLE payments ADD FOREIGN KEY (account_id) REFERENCES accounts ON DELETE CASCADE ON UPDATE SET NULL;
-- expect add-fk-validating
ALTER TABLE payments ADD CONSTRAINT "payments_account_id_fk" FOREIGN KEY (account_id) REFERENCES accounts (id) DEFERRABLE INITIALLY DEFERRED;
-- expect add-fk-validating
ALTER TABLE payments ADD FOREIGN KEY (account_id) REFERENCES accounts MATCH FULL;
-- expect add-fk-validating; in a transaction
ALTER TABLE payments ADD CONSTRAINT fk FOREIGN KEY (account_id) REFERENCES accounts (id);
-- expect nothing
ALTER TABLE payments ADD CONSTRAINT fk FOREIGN KEY (account_id) REFERENCES accounts (id) NOT VALID;
-- expect nothing
ALTER TABLE payments ADD CONSTRAINT fk FOREIGN KEY (account_id) REFERENCES accounts (id) NOT VALID;
ALTER TABLE payments VALIDATE CONSTRAINT fk;
-- expect validate-in-same-txn; in a transaction
ALTER TABLE payments ADD CONSTRAINT fk FOREIGN KEY (account_id) REFERENCES accounts (id) NOT VALID;
ALTER TABLE payments VALIDATE CONSTRAINT fk;
-- first
ALTER TABLE payments ADD CONSTRAINT fk FOREIGN KEY (account_id) REFERENCES accounts (id);
-- expect nothing
ALTER TABLE payments DROP CONSTRAINT fk;
-- first
ALTER TABLE payments ADD CONSTRAINT fk FOREIGN KEY (account_id) REFERENCES accounts (id);
-- expect nothing
ALTER TABLE payments ALTER CONSTRAINT fk DEFERRABLE INITIALLY DEFERRED;
-- first
ALTER TABLE payments ADD CONSTRAINT fk FOREIGN KEY (account_id) REFERENCES accounts (id);
-- expect nothing
ALTER TABLE payments RENAME CONSTRAINT fk TO payments_account;
-- expect add-fk-validating; error 23503
ALTER TABLE payments ADD CONSTRAINT fk FOREIGN KEY (id) REFERENCES accounts (id);
-- A table that refers to itself.
-- first
CREATE TABLE tree (id int PRIMARY KEY, parent int);
INSERT INTO tree SELECT i, nullif(i / 2, 0) FROM generate_series(1, 300) AS i;
-- expect add-fk-validating
ALTER TABLE tree ADD FOREIGN KEY (parent) REFERENCES tree;
-- A new table: its other side is locked, which is nothing to report.
-- expect nothing
CREATE TABLE refunds (id bigint PRIMARY KEY, payment_id bigint NOT NULL REFERENCES payments);
-- expect nothing
CREATE TABLE refunds (id bigint PRIMARY KEY, payment_id bigint, CONSTRAINT r FOREIGN KEY (payment_id) REFERENCES payments (id) ON DELETE CASCADE);
-- expect nothing; in a transaction
CREATE TABLE refunds (id bigint PRIMARY KEY, payment_id bigint);
ALTER TABLE refunds ADD FOREIGN KEY (payment_id) REFERENCES payments;
-- expect multiple-fks-one-txn; when empty multiple-fks-one-txn
CREATE TABLE refunds (id bigint PRIMARY KEY, payment_id bigint REFERENCES payments, account_id int REFERENCES accounts);
-- expect nothing
CREATE TABLE refunds (id bigint PRIMARY KEY, payment_id bigint REFERENCES payments, other bigint REFERENCES payments);
-- expect multiple-fks-one-txn; in a transaction
CREATE TABLE refunds (id bigint PRIMARY KEY, payment_id bigint REFERENCES payments);
ALTER TABLE refunds ADD COLUMN account_id int REFERENCES accounts;

-- UNIQUE
-- expect add-unique-blocking
ALTER TABLE "payments" ADD CONSTRAINT "payments_ref_key" UNIQUE ("ref");
-- expect add-unique-blocking
ALTER TABLE payments ADD UNIQUE (account_id, id);
-- expect add-unique-blocking
ALTER TABLE payments ADD CONSTRAINT u UNIQUE NULLS NOT DISTINCT (ref, currency);
-- expect add-unique-blocking
ALTER TABLE payments ADD CONSTRAINT u UNIQUE (ref) INCLUDE (amount) WITH (fillfactor = 80);
-- expect add-unique-blocking; in a transaction
ALTER TABLE payments ADD CONSTRAINT u UNIQUE (ref);
-- expect nothing
ALTER TABLE payments ADD CONSTRAINT payments_ref_unique UNIQUE USING INDEX payments_ref;
-- expect nothing
CREATE UNIQUE INDEX CONCURRENTLY u ON payments (ref, id);
ALTER TABLE payments ADD CONSTRAINT u UNIQUE USING INDEX u;
-- expect add-unique-blocking; error 23505
ALTER TABLE payments ADD CONSTRAINT u UNIQUE (currency);
-- expect drop-unique-constraint
ALTER TABLE accounts DROP CONSTRAINT accounts_code_key;
-- expect add-unique-blocking
ALTER TABLE payments ADD CONSTRAINT u UNIQUE (ref) DEFERRABLE INITIALLY IMMEDIATE;

-- PRIMARY KEY
-- first
CREATE TABLE keyless (a int, b text, c int NOT NULL);
INSERT INTO keyless SELECT i, 'b' || i, i FROM generate_series(1, 1000) AS i;
-- expect add-pk-blocking
ALTER TABLE keyless ADD PRIMARY KEY (a);
-- first
CREATE TABLE keyless (a int, b text, c int NOT NULL);
INSERT INTO keyless SELECT i, 'b' || i, i FROM generate_series(1, 1000) AS i;
-- expect add-pk-blocking
ALTER TABLE ONLY keyless ADD CONSTRAINT keyless_pk PRIMARY KEY (c, b);
-- first
CREATE TABLE keyless (a int, b text, c int NOT NULL);
INSERT INTO keyless SELECT i, 'b' || i, i FROM generate_series(1, 1000) AS i;
CREATE UNIQUE INDEX by_a ON keyless (a);
-- expect add-pk-using-index-nullable
ALTER TABLE keyless ADD CONSTRAINT keyless_pk PRIMARY KEY USING INDEX by_a;
-- first
CREATE TABLE keyless (a int, b text, c int NOT NULL);
INSERT INTO keyless SELECT i, 'b' || i, i FROM generate_series(1, 1000) AS i;
CREATE UNIQUE INDEX by_c ON keyless (c);
-- expect nothing
ALTER TABLE keyless ADD PRIMARY KEY USING INDEX by_c;
-- expect drop-primary-key; when empty drop-primary-key
ALTER TABLE payments DROP CONSTRAINT payments_pkey;
-- expect drop-primary-key; when empty drop-primary-key
ALTER TABLE accounts DROP CONSTRAINT accounts_pkey CASCADE;
-- expect redefine-primary-key
ALTER TABLE payments DROP CONSTRAINT payments_pkey, ADD PRIMARY KEY (id, amount);
-- first
CREATE UNIQUE INDEX new_key ON payments (id, amount);
-- expect nothing
ALTER TABLE payments DROP CONSTRAINT payments_pkey, ADD CONSTRAINT payments_pkey PRIMARY KEY USING INDEX new_key;

-- EXCLUDE
-- first
CREATE TABLE bookings (id int PRIMARY KEY, room int4range, during tstzrange);
INSERT INTO bookings SELECT i, int4range(i, i + 1), tstzrange(now(), now() + '1 hour') FROM generate_series(1, 300) AS i;
-- expect add-exclude-blocking
ALTER TABLE bookings ADD CONSTRAINT no_overlap EXCLUDE USING gist (room WITH &&, during WITH &&);
-- first
CREATE TABLE bookings (id int PRIMARY KEY, room int4range, during tstzrange);
INSERT INTO bookings SELECT i, int4range(i, i + 1), tstzrange(now(), now() + '1 hour') FROM generate_series(1, 300) AS i;
-- expect add-exclude-blocking; in a transaction
ALTER TABLE bookings ADD EXCLUDE USING gist (during WITH &&, room WITH &&) WHERE (id > 0);

-- Several at once.
-- expect add-check-validating, set-not-null-scan
ALTER TABLE payments ALTER account_id SET NOT NULL, ADD CHECK (account_id > 0);
-- expect add-fk-validating, set-not-null-scan
ALTER TABLE payments ADD COLUMN note text, ALTER account_id SET NOT NULL, ADD FOREIGN KEY (account_id) REFERENCES accounts;
-- expect add-check-validating
ALTER TABLE payments DROP CONSTRAINT positive, ADD CONSTRAINT positive CHECK (amount >= 0);
-- expect add-unique-blocking
ALTER TABLE payments ADD COLUMN note text DEFAULT 'x', ADD CONSTRAINT u UNIQUE (ref);

-- Inheritance
-- given
CREATE TABLE base (id int, v int);
CREATE TABLE derived (w int) INHERITS (base);
CREATE TABLE further () INHERITS (derived);
INSERT INTO base SELECT i, i FROM generate_series(1, 500) AS i;
INSERT INTO derived SELECT i, i, i FROM generate_series(1, 500) AS i;
INSERT INTO further SELECT i, i, i FROM generate_series(1, 500) AS i;
-- expect set-not-null-scan
ALTER TABLE base ALTER v SET NOT NULL;
-- expect add-check-validating
ALTER TABLE base ADD CONSTRAINT c CHECK (v > 0);
-- expect add-check-validating
ALTER TABLE base ADD CONSTRAINT c CHECK (v > 0) NO INHERIT;
-- expect create-index-blocking
CREATE INDEX ON base (v);
-- expect add-unique-blocking
ALTER TABLE derived ADD UNIQUE (id);
-- expect nothing
ALTER TABLE base ADD COLUMN note text;
-- expect nothing
ALTER TABLE further NO INHERIT derived;
-- first
CREATE TABLE other (id int, v int);
INSERT INTO other SELECT i, i FROM generate_series(1, 500) AS i;
-- expect nothing
ALTER TABLE other INHERIT base;

-- Domains
-- given
CREATE DOMAIN positive AS int;
CREATE DOMAIN unused AS text;
CREATE TABLE t (id int PRIMARY KEY, n positive);
INSERT INTO t SELECT i, i FROM generate_series(1, 1000) AS i;
-- expect alter-domain-constraint-validating; another end (it stays NOT VALID: before 18, VALIDATE blocks writes)
ALTER DOMAIN positive ADD CONSTRAINT p CHECK (VALUE > 0);
-- expect nothing
ALTER DOMAIN positive ADD CONSTRAINT p CHECK (VALUE > 0) NOT VALID;
-- expect nothing
ALTER DOMAIN unused ADD CONSTRAINT u CHECK (VALUE <> '');
-- expect alter-domain-set-not-null; another end (a CHECK stands for NOT NULL, which has no safe form)
ALTER DOMAIN positive SET NOT NULL;
-- expect nothing
ALTER DOMAIN unused SET NOT NULL;
-- expect nothing
ALTER DOMAIN positive SET DEFAULT 1;
-- expect nothing
CREATE DOMAIN other AS int CHECK (VALUE > 0);
-- expect alter-domain-constraint-validating; in a transaction; another end (it stays NOT VALID: before 18, VALIDATE blocks writes)
ALTER DOMAIN positive ADD CONSTRAINT p CHECK (VALUE > 0);
