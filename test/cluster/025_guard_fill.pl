# A column that is filled in the background: whoever stops it stops all of it; and what others have written to a new
# column is not taken from them.
use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('fill');
$node->init;
$node->append_conf('postgresql.conf', "shared_preload_libraries = 'zdm'\nautovacuum = off");
$node->start;
$node->safe_psql('postgres', q{
    CREATE EXTENSION zdm;
    CREATE TABLE t (id int PRIMARY KEY);
    INSERT INTO t SELECT generate_series(1, 1000);
    CREATE SEQUENCE calls;
    -- goes on until somebody says so
    CREATE TABLE slow (on_purpose boolean);
    CREATE FUNCTION value() RETURNS int LANGUAGE plpgsql AS $$
    BEGIN
        WHILE EXISTS (SELECT FROM slow) LOOP
            PERFORM pg_sleep(0.01);
        END LOOP;
        RETURN nextval('calls');
    END $$;
});
my $columns = q{SELECT string_agg(attname, ' ' ORDER BY attnum) FROM pg_attribute
    WHERE attrelid = 't'::regclass AND attnum > 0 AND NOT attisdropped};

# Starts the statement, waits until the job is at work, acts, and returns what psql said.
sub during_fill {
    my ($sql, $act) = @_;
    my ($out, $err) = ('', '');
    $node->safe_psql('postgres', 'INSERT INTO slow VALUES (true)');
    my $psql = IPC::Run::start([ 'psql', '-XAtq', '-v', 'VERBOSITY=verbose', '-d',
        $node->connstr('postgres') . ' application_name=ddl', '-c', $sql ], '<', '/dev/null', '>', \$out, '2>', \$err);
    $node->poll_query_until('postgres', q{SELECT count(*) > 0 FROM pg_stat_activity
        WHERE backend_type LIKE 'zdm worker%' AND wait_event = 'PgSleep'}) or die $err;
    $node->safe_psql('postgres', $act);
    $psql->finish;
    $node->safe_psql('postgres', 'DELETE FROM slow');
    return $err;
}

my $err = during_fill('ALTER TABLE t ADD x int DEFAULT value() NOT NULL',
    q{SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE application_name = 'ddl'; DELETE FROM slow});
like($err, qr/ERROR:  57014/, 'cancelled while it is filled');
unlike($err, qr/WARNING/, 'nothing was left behind');
is($node->safe_psql('postgres', $columns), 'id', 'the column is gone');

$err = during_fill('ALTER TABLE t ADD x int DEFAULT value()',
    q{SELECT zdm.cancel(id) FROM zdm.jobs WHERE kind = 'backfill' AND state = 'running'; DELETE FROM slow});
like($err, qr/ERROR:  57014: the backfill did not come to its end/, 'the job was cancelled by somebody');
is($node->safe_psql('postgres', $columns), 'id', 'the column is gone');

$node->safe_psql('postgres', 'ALTER TABLE t ADD x int DEFAULT value() NOT NULL UNIQUE');
is($node->safe_psql('postgres', 'SELECT count(DISTINCT x) FROM t'), 1000, 'undisturbed it is filled');
$node->safe_psql('postgres', 'ALTER TABLE t DROP COLUMN x');

# Somebody writes to the new column before a later step fails.
$node->safe_psql('postgres', q{
    CREATE FUNCTION write() RETURNS event_trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF current_setting('application_name') = 'written' AND EXISTS (SELECT FROM pg_attribute
            WHERE attrelid = 't'::regclass AND attname = 'y') THEN
            UPDATE t SET y = -1 WHERE id = 7;
        END IF;
    END $$;
    CREATE EVENT TRIGGER write ON ddl_command_end WHEN tag IN ('ALTER TABLE') EXECUTE FUNCTION write();
});
my ($code, $out);
($code, $out, $err) = $node->psql('postgres', "SET application_name = 'written'; ALTER TABLE t ADD y int CHECK (y > 0)");
like($err, qr/check constraint "t_y_check" of relation "t" is violated by some row/, 'the original error');
like($err, qr/WARNING:  rows of public.t hold values in its new column, which therefore stays/, 'what stays is said');
like($err, qr/HINT:  ALTER TABLE public.t DROP COLUMN IF EXISTS y;/, 'and how it goes');
is($node->safe_psql('postgres', 'SELECT y FROM t WHERE id = 7'), '-1', 'nothing that was written is lost');
$node->safe_psql('postgres', 'DROP EVENT TRIGGER write; ALTER TABLE t DROP COLUMN y');

# Without workers nothing is begun.
$node->append_conf('postgresql.conf', "shared_preload_libraries = ''\nsession_preload_libraries = 'zdm'");
$node->restart;
($code, $out, $err) = $node->psql('postgres', 'ALTER TABLE t ADD x serial');
like($err, qr/ERROR:  filling a column needs background workers, and zdm was not preloaded/, 'without workers: said so');
like($err, qr/HINT:  Add zdm to shared_preload_libraries/, 'and what to do');
is($node->safe_psql('postgres', $columns), 'id', 'nothing has happened');

$node->stop;
done_testing();
