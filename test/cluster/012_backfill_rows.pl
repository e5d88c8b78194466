# Rows that others hold while a backfill comes by: it goes on without them, remembers them, and comes back.
use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(usleep);

my $node = PostgreSQL::Test::Cluster->new('rows');
$node->init;
$node->append_conf('postgresql.conf', "shared_preload_libraries = 'zdm'\nzdm.lock_timeout = '20ms'");
$node->start;
$node->safe_psql('postgres', 'CREATE EXTENSION zdm');

sub until_true
{
    my ($sql, $what) = @_;
    my $deadline = time + 120;
    while (time < $deadline) {
        my ($status, $out) = $node->psql('postgres', $sql);
        return 1 if defined $status && $status == 0 && $out eq 't';
        usleep(20_000);
    }
    fail("in time: $what");
    diag(($node->psql('postgres', 'SELECT * FROM zdm.jobs'))[1] // 'no answer');
    return 0;
}

sub fresh_table
{
    my ($rows) = @_;
    $node->safe_psql('postgres', "DROP TABLE IF EXISTS t; CREATE TABLE t (id bigint PRIMARY KEY, n int DEFAULT 0, s int);
        INSERT INTO t (id) SELECT g FROM generate_series(1, $rows) g");
}

sub ask { return ($node->psql('postgres', $_[0]))[1] // '' }

my $worker = "SELECT FROM pg_stat_activity WHERE backend_type = 'zdm worker'";

# All rows but the locked ones are done while the locks last, through a restart of the worker too.
fresh_table(5000);
my $session = $node->background_psql('postgres');
$session->query_safe('BEGIN; UPDATE t SET s = 1 WHERE id % 1000 = 7');
my $job = $node->safe_psql('postgres', "SELECT zdm.backfill('t', 'n = n + 1')");
until_true("SELECT waiting_for LIKE 'locks of other transactions%5 rows left' FROM zdm.jobs WHERE id = $job", 'the job waits for five rows');
is(ask('SELECT count(*) FROM t WHERE n = 1'), '4995', 'the others are done');
is(ask("SELECT count(*) FROM zdm.failed_rows WHERE job = $job"), '0', 'locked rows are no failed rows');
until_true("SELECT bool_and(backend_xmin IS NULL AND backend_xid IS NULL AND xact_start IS NULL) FROM pg_stat_activity
    WHERE backend_type = 'zdm worker' AND wait_event_type = 'Extension'", 'nothing is held while it waits');
ask("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE backend_type = 'zdm worker'");
until_true("SELECT attempts > 1 AND waiting_for LIKE '%5 rows left' FROM zdm.jobs WHERE id = $job", 'a new worker knows of them');
$session->query_safe('COMMIT');
until_true("SELECT state = 'done' FROM zdm.jobs WHERE id = $job", 'done when the locks are gone');
is(ask('SELECT min(n), max(n), sum(n), count(s) FROM t'), '1|1|5000|5', 'each row once, what held them too');
is(ask("SELECT rows_done FROM zdm.jobs WHERE id = $job"), '5000', 'and all are counted');

# Rows that leave meanwhile, by the one who held them.
fresh_table(1000);
$session->query_safe('BEGIN; DELETE FROM t WHERE id IN (1, 500, 1000)');
$job = $node->safe_psql('postgres', "SELECT zdm.backfill('t', 'n = 1', 'n = 0')");
until_true("SELECT waiting_for LIKE '%3 rows left' FROM zdm.jobs WHERE id = $job", 'three rows');
$session->query_safe('COMMIT');
until_true("SELECT state = 'done' FROM zdm.jobs WHERE id = $job", 'done without them');
is(ask('SELECT count(*), sum(n) FROM t'), '997|997', 'nothing but what is there');

# A skipped row that fails when it is visited.
fresh_table(1000);
$session->query_safe('BEGIN; UPDATE t SET s = 0 WHERE id = 77');
$job = $node->safe_psql('postgres', "SELECT zdm.backfill('t', 'n = n + 1 / coalesce(s, 1)', max_failed_rows => 1)");
until_true("SELECT waiting_for LIKE '%1 rows left' FROM zdm.jobs WHERE id = $job", 'one row');
$session->query_safe('COMMIT');
until_true("SELECT state = 'done' FROM zdm.jobs WHERE id = $job", 'done, with a failed row');
is(ask("SELECT key, sqlstate FROM zdm.failed_rows WHERE job = $job"), '77|22012', 'which was a locked one');

# What a row's trigger wants is locked: the row is left for later, and the others go on.
fresh_table(1000);
$node->safe_psql('postgres', q{
    CREATE TABLE ledger (id int PRIMARY KEY, sum bigint); INSERT INTO ledger VALUES (1, 0);
    CREATE FUNCTION post() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN UPDATE ledger SET sum = sum + 1; RETURN new; END$$;
    CREATE TRIGGER post BEFORE UPDATE ON t FOR EACH ROW WHEN (old.id = 500) EXECUTE FUNCTION post();
});
$session->query_safe('BEGIN; UPDATE ledger SET sum = sum');
$job = $node->safe_psql('postgres', "SELECT zdm.backfill('t', 'n = n + 1')");
until_true("SELECT waiting_for LIKE '%1 rows left' FROM zdm.jobs WHERE id = $job", 'one row is left');
is(ask('SELECT sum(n) FROM t'), '999', 'the others are done');
$session->query_safe('ROLLBACK');
until_true("SELECT state = 'done' FROM zdm.jobs WHERE id = $job", 'done');
is(ask('SELECT sum(n), (SELECT sum FROM ledger) FROM t'), '1000|1', 'once, and so did its trigger');

# Somebody who wants a row of a long batch gets it before the batch would have ended.
$node->safe_psql('postgres', q{
    DROP TRIGGER post ON t; UPDATE t SET n = 0;
    CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN PERFORM pg_sleep(0.004); RETURN new; END$$;
    CREATE TRIGGER slow BEFORE UPDATE OF n ON t FOR EACH ROW EXECUTE FUNCTION slow();
});
$job = $node->safe_psql('postgres', "SELECT zdm.backfill('t', 'n = n + 1', batch_rows => 1000)");
until_true("SELECT EXISTS ($worker AND backend_xid IS NOT NULL)", 'a batch of four seconds is under way');
$session->query_safe('UPDATE t SET s = 2 WHERE id = 1');
cmp_ok(ask("SELECT rows_done FROM zdm.jobs WHERE id = $job"), '<', 1000, 'a writer does not wait for the whole batch');
until_true("SELECT state = 'done' FROM zdm.jobs WHERE id = $job", 'done');
is(ask('SELECT min(n), max(n) FROM t'), '1|1', 'once');

# Each change of state is told.
my $heard = ask("LISTEN zdm; SELECT zdm.backfill('t', 'n = n + 1', batch_rows => 1000); CALL zdm.wait(); SELECT 1; SELECT 2");
like($heard, qr/notification "zdm" with payload ".*"state": "$_"/, "NOTIFY tells of $_") foreach ('queued', 'running', 'done');

$session->quit;
$node->stop;
done_testing();
