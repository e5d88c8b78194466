# A plan that is stopped in any of its steps leaves the schema as it was, and says what stopped it.
#
# An event trigger halts the statement before and after each DDL command that it runs: no lock, no timing.
use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('cancel');
$node->init;
$node->append_conf('postgresql.conf', "shared_preload_libraries = 'zdm'\nautovacuum = off\nlog_statement = none");
$node->start;
$node->safe_psql('postgres', q{
    CREATE EXTENSION zdm;
    SET zdm.mode = 'off';
    CREATE TABLE users (id int PRIMARY KEY);
    INSERT INTO users SELECT generate_series(1, 100);
    CREATE TABLE t (id int, v int, r int, w varchar(10));
    INSERT INTO t SELECT i, i, i, i FROM generate_series(1, 100) AS i;
    CREATE INDEX by_id ON t (id);
    CREATE INDEX by_w ON t (w);

    -- events are counted by a sequence, which no rollback takes back
    CREATE SEQUENCE events;
    CREATE TABLE halt (at bigint);
    INSERT INTO halt VALUES (0);
    CREATE FUNCTION halt() RETURNS event_trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF current_setting('application_name') = 'ddl' AND nextval('events') = (SELECT at FROM halt) THEN
            LOOP
                PERFORM pg_sleep(0.01);
            END LOOP;
        END IF;
    END $$;
    CREATE EVENT TRIGGER halt_before ON ddl_command_start EXECUTE FUNCTION halt();
    CREATE EVENT TRIGGER halt_after ON ddl_command_end EXECUTE FUNCTION halt();
});

my $facts = q{
    SELECT conname || ' ' || pg_get_constraintdef(oid) || CASE WHEN convalidated THEN '' ELSE ' NOT VALID' END
        FROM pg_constraint WHERE conrelid IN ('t'::regclass, 'users'::regclass)
    UNION ALL SELECT pg_get_indexdef(indexrelid) || CASE WHEN indisvalid THEN '' ELSE ' INVALID' END
        FROM pg_index WHERE indrelid IN ('t'::regclass, 'users'::regclass)
    UNION ALL SELECT attname || ' ' || atttypid::regtype || ' ' || attnotnull || ' ' || atthasdef FROM pg_attribute
        WHERE attrelid IN ('t'::regclass, 'users'::regclass) AND attnum > 0 AND NOT attisdropped
    UNION ALL SELECT relname FROM pg_class WHERE relkind = 'S' AND relnamespace = 'public'::regnamespace
    ORDER BY 1};
my $before = $node->safe_psql('postgres', $facts);

my %statement = (
    'CREATE INDEX' => 'CREATE INDEX new ON t (v)',
    'CREATE UNIQUE INDEX' => 'CREATE UNIQUE INDEX new ON t (v)',
    'REINDEX TABLE' => 'REINDEX TABLE t',
    'SET NOT NULL' => 'ALTER TABLE t ALTER v SET NOT NULL',
    'ADD CHECK' => 'ALTER TABLE t ADD CHECK (v > 0)',
    'ADD FOREIGN KEY' => 'ALTER TABLE t ADD FOREIGN KEY (r) REFERENCES users',
    'ADD UNIQUE' => 'ALTER TABLE t ADD UNIQUE (v)',
    'ADD PRIMARY KEY' => 'ALTER TABLE t ADD PRIMARY KEY (v)',
    'several commands' => 'ALTER TABLE t ADD CHECK (v > 0), ALTER w SET NOT NULL, ADD UNIQUE (v), '
        . 'ADD FOREIGN KEY (r) REFERENCES users, ADD x int DEFAULT 7',
    'ADD COLUMN with constraints' => 'ALTER TABLE t ADD x int DEFAULT 1 CHECK (x > 0) REFERENCES users, ADD CHECK (x < v + 9)',
    'ADD COLUMN serial' => 'ALTER TABLE users ADD x serial UNIQUE',
    'ADD COLUMN identity' => 'ALTER TABLE users ADD x bigint GENERATED ALWAYS AS IDENTITY',
    'another PRIMARY KEY' => 'ALTER TABLE users DROP CONSTRAINT users_pkey, ADD CONSTRAINT users_pkey PRIMARY KEY (id) INCLUDE (id)',
);

# (REINDEX fires no event triggers in PostgreSQL 15.)
foreach my $name (grep { $_ ne 'REINDEX TABLE' } sort keys %statement) {
    # how many events there are
    my $count = events_of($statement{$name});
    cmp_ok($count, '>=', 2, "$name runs at least one command");
    foreach my $at (1 .. $count) {
        stopped($name, $at, 'cancelled', \&cancel, 'canceling statement due to user request');
    }
    # one of them by the clock of the server
    stopped($name, $count, 'timed out', sub { }, 'canceling statement due to statement timeout', 'SET statement_timeout = 300;');
}

# While the build of an index waits for an old snapshot.
foreach my $name ('CREATE UNIQUE INDEX', 'REINDEX TABLE', 'ADD UNIQUE', 'ADD PRIMARY KEY', 'several commands') {
    foreach my $way ('cancelled', 'timed out') {
        my $old = $node->background_psql_or_handle();
        my $err = run_until($statement{$name},
            q{SELECT count(*) FROM pg_stat_activity WHERE application_name = 'ddl' AND wait_event = 'virtualxid'},
            $way eq 'cancelled' ? \&cancel : sub { }, $way eq 'cancelled' ? '' : 'SET statement_timeout = 1000;');
        like($err, qr/57014/, "$name $way while it waits for an old snapshot: 57014");
        $old->();
        is($node->safe_psql('postgres', $facts), $before, "$name $way while it waits for an old snapshot: as before");
    }
}

$node->stop;
done_testing();

sub events_of {
    my ($sql) = @_;
    $node->safe_psql('postgres', q{UPDATE halt SET at = 0; ALTER SEQUENCE events RESTART});
    $node->safe_psql('postgres', "SET application_name = 'ddl'; SET client_min_messages = warning;\n$sql");
    my $count = $node->safe_psql('postgres', 'SELECT last_value FROM events');
    # and back, by plain PostgreSQL
    $node->safe_psql('postgres', q{
        SET zdm.mode = 'off';
        DO $$
        DECLARE c record;
        BEGIN
            FOR c IN SELECT conname FROM pg_constraint WHERE conrelid = 't'::regclass LOOP
                EXECUTE format('ALTER TABLE t DROP CONSTRAINT %I', c.conname);
            END LOOP;
        END $$;
        DROP INDEX IF EXISTS new;
        ALTER TABLE users DROP COLUMN IF EXISTS x;
        ALTER TABLE users DROP CONSTRAINT users_pkey, ADD PRIMARY KEY (id);
        ALTER TABLE t ALTER v DROP NOT NULL, ALTER w DROP NOT NULL, DROP COLUMN IF EXISTS x;
    });
    is($node->safe_psql('postgres', $facts), $before, 'back to the start') or BAIL_OUT('the test is wrong');
    return $count;
}

# Starts a statement, waits until the query says so, acts, and returns what psql said.
sub run_until {
    my ($sql, $until, $act, $settings) = @_;
    my ($out, $err) = ('', '');
    my $psql = IPC::Run::start([ 'psql', '-XAtq', '-v', 'VERBOSITY=verbose', '-d', $node->connstr('postgres') . ' application_name=ddl',
        map { ('-c', $_) } grep { $_ ne '' } $settings, $sql ], '<', '/dev/null', '>', \$out, '2>', \$err);
    # There, or ended without: by psql itself, since in the beginning nobody is connected yet.
    my $deadline = time + $PostgreSQL::Test::Utils::timeout_default;
    while ($node->safe_psql('postgres', "SELECT ($until) > 0") ne 't' && $psql->pumpable && time < $deadline) {
        $psql->pump_nb;
    }
    $act->();
    $psql->finish;
    return $err;
}

sub cancel {
    $node->safe_psql('postgres', q{SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE application_name = 'ddl'});
}

sub stopped {
    my ($name, $at, $how, $act, $message, $settings) = @_;
    $node->safe_psql('postgres', "UPDATE halt SET at = $at; ALTER SEQUENCE events RESTART");
    my $err = run_until($statement{$name},
        q{SELECT count(*) FROM pg_stat_activity WHERE application_name = 'ddl' AND wait_event = 'PgSleep'},
        $act, $settings // '');
    like($err, qr/ERROR:  57014: $message/, "$name $how at event $at: the original error");
    unlike($err, qr/WARNING/, "$name $how at event $at: nothing was left to be undone by hand");
    is($node->safe_psql('postgres', $facts), $before, "$name $how at event $at: the schema is as before");
}

package PostgreSQL::Test::Cluster;

# Holds a snapshot; the returned code ends it.
sub background_psql_or_handle {
    my ($self) = @_;
    my ($in, $out, $err) = ("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 'held' FROM users LIMIT 1;\n", '', '');
    my $psql = IPC::Run::start([ 'psql', '-XAtq', '-d', $self->connstr('postgres') ], '<', \$in, '>', \$out, '2>', \$err);
    $psql->pump until $out =~ /held/;
    return sub { $in .= "COMMIT;\n\\q\n"; $psql->finish; };
}
