# Backfills along the heap: while others move rows about, and through what ends a walk in the middle.
use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(usleep);

my $node = PostgreSQL::Test::Cluster->new('heap');
$node->init;
$node->append_conf('postgresql.conf', "shared_preload_libraries = 'zdm'\nzdm.lock_timeout = '20ms'\nrestart_after_crash = on\nfsync = off");
$node->start;
$node->safe_psql('postgres', 'CREATE EXTENSION zdm');

sub ask
{
    my ($status, $out) = $node->psql('postgres', $_[0]);
    return defined $status && $status == 0 ? $out : undef;
}

sub until_true
{
    my ($sql, $what) = @_;
    my $deadline = time + 120;
    while (time < $deadline) {
        my $answer = ask($sql);
        return 1 if defined $answer && $answer eq 't';
        usleep(20_000);
    }
    fail("in time: $what");
    diag(ask('SELECT * FROM zdm.jobs') // 'no answer');
    return 0;
}

# No key, but an index for those who look for a row; half full pages, so that some updates stay and some move.
sub fresh_table
{
    my ($rows) = @_;
    $node->safe_psql('postgres', "DROP TABLE IF EXISTS t; CREATE TABLE t (id int, a int, v int, n int NOT NULL DEFAULT 0,
        done boolean NOT NULL DEFAULT false, pad text DEFAULT repeat('x', 40)) WITH (fillfactor = 90);
        INSERT INTO t (id, a) SELECT g, g FROM generate_series(1, $rows) g; CREATE INDEX ON t (id); VACUUM ANALYZE t");
}

my $script = $node->basedir . '/update.pgbench';
append_to_file($script, '\set id random(1, 20000)
UPDATE t SET pad = md5(random()::text) || pad WHERE id = :id;
');

foreach my $path ('striped', 'ctid') {
    foreach my $clauses ([ q('v = a * 2'), 'v IS DISTINCT FROM a * 2' ], [ q('n = n + 1, done = true', 'NOT done'), 'n <> 1' ]) {
        my ($call, $wrong) = @$clauses;
        fresh_table(20000);
        my $clients = IPC::Run::start([ 'pgbench', '-n', '-c', '8', '-T', '60', '-h', $node->host, '-p', $node->port, '-f', $script, 'postgres' ],
            '>', \my $out, '2>', \my $err);
        until_true("SELECT count(*) = 8 FROM pg_stat_activity WHERE query LIKE 'UPDATE t SET pad%'", 'the clients are there');
        my $job = $node->safe_psql('postgres', "SELECT zdm.backfill('t', $call, batch_rows => 200, options => '{\"path\": \"$path\"}')");
        until_true("SELECT state = 'done' FROM zdm.jobs WHERE id = $job", 'done');
        is(ask("SELECT count(*) FROM t WHERE $wrong"), '0', "$path, $call: no row missed and none twice, under eight clients");
        $clients->signal('TERM');
        $clients->finish;
        is(ask('SELECT count(*) > 20 FROM t WHERE length(pad) > 100'), 't', 'who were at work');
    }
}

# A key whose order is not the heap's.
$node->safe_psql('postgres', 'CREATE TABLE k (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), a int, v int);
    INSERT INTO k (a) SELECT g FROM generate_series(1, 5000) g');
my $job = $node->safe_psql('postgres', q(SELECT zdm.backfill('k', 'v = a', options => '{"path": "striped"}')));
until_true("SELECT state = 'done' FROM zdm.jobs WHERE id = $job", 'done');
is(ask('SELECT count(*) FROM k WHERE v = a'), '5000', 'a table with a key');

# One that is larger than the memory for it: then the heap's order is taken by itself. Failed rows are known by the key.
$node->safe_psql('postgres', "ALTER SYSTEM SET shared_buffers = '1MB'");
$node->restart;
$node->safe_psql('postgres', 'ANALYZE k; CREATE TABLE l (id bigint PRIMARY KEY, a int, v int); INSERT INTO l SELECT g, g FROM generate_series(1, 30000) g; ANALYZE l');
$node->safe_psql('postgres', 'INSERT INTO k (a) SELECT g FROM generate_series(5001, 30000) g; ANALYZE k');
like(ask("SELECT value FROM zdm.plan_backfill('k', 'v = a + 1') WHERE item = 'path'"), qr/^striped/, 'a large table in another order than its key');
like(ask("SELECT value FROM zdm.plan_backfill('k', 'v = v + 1') WHERE item = 'path'"), qr/^keyset/, 'but never for work that counts');
like(ask("SELECT value FROM zdm.plan_backfill('l', 'v = a + 1') WHERE item = 'path'"), qr/^keyset/, 'nor where the key follows the heap');
$job = $node->safe_psql('postgres', q(SELECT zdm.backfill('k', 'v = 1 / (a - 77)', max_failed_rows => 1)));
until_true("SELECT state = 'done' FROM zdm.jobs WHERE id = $job", 'done');
is(ask("SELECT a FROM k JOIN zdm.failed_rows f ON f.key = k.id::text WHERE job = $job"), '77', 'a failed row, by its key');
$node->safe_psql('postgres', 'ALTER SYSTEM RESET shared_buffers');
$node->restart;

# Killed in the middle; written anew in the middle.
fresh_table(20000);
$job = $node->safe_psql('postgres', "SELECT zdm.backfill('t', 'n = n + 1, done = true', 'NOT done', batch_rows => 100, pause => '2ms')");
foreach my $kill (1, 2) {
    until_true("SELECT rows_done > $kill * 3000 FROM zdm.jobs WHERE id = $job", 'progress');
    my $pid = ask("SELECT pid FROM pg_stat_activity WHERE application_name = 'zdm job $job'");
    kill 'KILL', $pid;
    until_true("SELECT NOT EXISTS (SELECT FROM pg_stat_activity WHERE pid = $pid)", 'the server is back');
}
$node->safe_psql('postgres', "SET zdm.mode = 'off'; VACUUM FULL t");
until_true("SELECT state = 'done' FROM zdm.jobs WHERE id = $job", 'done');
is(ask('SELECT min(n), max(n), count(*) FROM t'), '1|1|20000', 'each row once, through two killed workers and VACUUM FULL');

# Rows that are locked, then gone on with.
fresh_table(5000);
my $session = $node->background_psql('postgres');
$session->query_safe('BEGIN; UPDATE t SET a = a + 1 WHERE id % 1000 = 7');
$job = $node->safe_psql('postgres', "SELECT zdm.backfill('t', 'v = a')");
until_true("SELECT rows_done = 4995 AND waiting_for IS NOT NULL FROM zdm.jobs WHERE id = $job", 'all but the locked ones');
$session->query_safe('COMMIT');
until_true("SELECT state = 'done' FROM zdm.jobs WHERE id = $job", 'done');
is(ask('SELECT count(*) FROM t WHERE v = a'), '5000', 'the locked ones too, as they are now');
$session->quit;

# Rows that fail.
fresh_table(5000);
$job = $node->safe_psql('postgres', "SELECT zdm.backfill('t', 'v = 1 / (a % 1000 - 5)', max_failed_rows => 5)");
until_true("SELECT state = 'done' AND failed_rows = 5 AND rows_done = 4995 FROM zdm.jobs WHERE id = $job", 'done');
is(ask("SELECT count(*) FROM zdm.failed_rows f JOIN t ON t.ctid::text = f.key WHERE job = $job AND a % 1000 = 5"), '5', 'five failed rows');
ask('UPDATE t SET a = 1 WHERE a % 1000 = 5');
ask("SELECT zdm.retry($job)");
until_true("SELECT state = 'done' AND failed_rows = 0 FROM zdm.jobs WHERE id = $job", 'done');
is(ask('SELECT count(*) FROM t WHERE v = 1 / (a % 1000 - 5)'), '5000', 'taken again, where they have moved to');

# Nothing is written for rows that are right; a trigger that undoes the change ends the job instead of going round.
$job = $node->safe_psql('postgres', "SELECT zdm.backfill('t', 'v = 1 / (a % 1000 - 5)')");
until_true("SELECT state = 'done' FROM zdm.jobs WHERE id = $job", 'done');
is(ask("SELECT rows_done FROM zdm.jobs WHERE id = $job"), '0', 'a second run writes nothing');
$node->safe_psql('postgres', q{CREATE FUNCTION undo() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN new.done = false; RETURN new; END$$;
    CREATE TRIGGER undo BEFORE UPDATE ON t FOR EACH ROW EXECUTE FUNCTION undo()});
$job = $node->safe_psql('postgres', "SELECT zdm.backfill('t', 'n = n + 1, done = true', 'NOT done')");
until_true("SELECT state = 'failed' AND error LIKE 'a row still matches where_clause%' FROM zdm.jobs WHERE id = $job", 'failed');
is(ask('SELECT sum(n) FROM t'), '0', 'with nothing changed');

# Leaves with and without a key.
$node->safe_psql('postgres', 'CREATE TABLE p (id int, v int) PARTITION BY RANGE (id);
    CREATE TABLE p1 PARTITION OF p FOR VALUES FROM (0) TO (1000); CREATE TABLE p2 PARTITION OF p FOR VALUES FROM (1000) TO (3000);
    ALTER TABLE p2 ADD PRIMARY KEY (id); INSERT INTO p SELECT g FROM generate_series(0, 2999) g');
$job = $node->safe_psql('postgres', "SELECT zdm.backfill('p', 'v = id')");
until_true("SELECT state = 'done' FROM zdm.jobs WHERE id = $job", 'done');
is(ask('SELECT count(*) FROM p WHERE v = id'), '3000', 'partitions');

$node->stop;
done_testing();
