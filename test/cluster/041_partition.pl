# DETACH PARTITION between its two transactions: cancelled, the partition is where it was; without its session, it goes to its end. And a plan of
# a thousand partitions costs about as many steps' time as it has steps.
use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('partition');
$node->init;
$node->append_conf('postgresql.conf', "shared_preload_libraries = 'zdm'\nautovacuum = off\nfsync = off");
$node->start;
$node->safe_psql('postgres', q{
    CREATE EXTENSION zdm;
    CREATE TABLE p (id int PRIMARY KEY, v int) PARTITION BY RANGE (id);
    CREATE TABLE p1 PARTITION OF p FOR VALUES FROM (0) TO (100);
    CREATE TABLE p2 PARTITION OF p FOR VALUES FROM (100) TO (200);
    CREATE INDEX ON p (v);
    INSERT INTO p SELECT i, i FROM generate_series(0, 199) AS i;
});

my $shape = q{
    SELECT string_agg(concat_ws(' ', inhrelid::regclass, inhparent::regclass, inhdetachpending), ', ' ORDER BY inhrelid::regclass::text)
    FROM pg_inherits
    UNION ALL
    SELECT string_agg(concat_ws(' ', conname, conrelid::regclass, conislocal, coninhcount, conparentid <> 0), ', ' ORDER BY conname)
    FROM pg_constraint WHERE conrelid IN ('p'::regclass, 'p1'::regclass, 'p2'::regclass)
};
my $before = $node->safe_psql('postgres', $shape);
my $pending = q{SELECT count(*) = 1 FROM pg_inherits WHERE inhdetachpending};

foreach my $end ('cancelled', 'terminated') {
    my $reader = $node->background_psql('postgres');
    $reader->query_safe('BEGIN');
    $reader->query_safe('SELECT count(*) FROM p');

    my ($out, $err) = ('', '');
    my $ddl = IPC::Run::start([ 'psql', '-XAtq', '-v', 'VERBOSITY=verbose', '-d', $node->connstr('postgres') . ' application_name=ddl',
        '-c', 'ALTER TABLE p DETACH PARTITION p1' ], '<', '/dev/null', '>', \$out, '2>', \$err,
        IPC::Run::timeout($PostgreSQL::Test::Utils::timeout_default));
    ok($node->poll_query_until('postgres', $pending), "$end: half-way");
    is($node->safe_psql('postgres', 'SELECT count(*) FROM p'), '100', "$end: others see the table without the partition");
    my $call = $end eq 'cancelled' ? 'pg_cancel_backend' : 'pg_terminate_backend';
    $node->safe_psql('postgres', "SELECT $call(pid) FROM pg_stat_activity WHERE application_name = 'ddl'");
    $reader->query_safe('COMMIT');
    $reader->quit;
    $ddl->finish;
    like($err, $end eq 'cancelled' ? qr/ERROR:  57014/ : qr/57P01|terminat/, "$end: the session hears of it");
    if ($end eq 'cancelled') {
        is($node->safe_psql('postgres', $shape), $before, 'cancelled: all is as before');
    } else {
        # Only what is instant remains: a worker finishes it.
        ok($node->poll_query_until('postgres', q{SELECT (SELECT count(*) FROM pg_inherits WHERE inhrelid = 'p1'::regclass)
            + (SELECT count(*) FROM pg_constraint WHERE conrelid = 'p1'::regclass AND contype = 'c') = 0}),
            'terminated: detached, and without a CHECK');
        $node->safe_psql('postgres', 'ALTER TABLE p ATTACH PARTITION p1 FOR VALUES FROM (0) TO (100)');
    }
}

my ($status, $out, $err) = $node->psql('postgres', 'ALTER TABLE p DETACH PARTITION p1');
is($status, 0, 'the same statement again');
is($node->safe_psql('postgres', q{SELECT count(*) FROM pg_constraint WHERE conrelid = 'p1'::regclass AND contype = 'c'}), '0',
    'no CHECK is left on what was the partition');

$node->safe_psql('postgres', q{
    SET zdm.mode = off;
    CREATE TABLE many (id int, v int) PARTITION BY LIST (id);
    DO $$ BEGIN FOR i IN 1 .. 1000 LOOP EXECUTE format('CREATE TABLE many_%s PARTITION OF many FOR VALUES IN (%s)', i, i); END LOOP; END $$;
    INSERT INTO many SELECT i, i FROM generate_series(1, 1000) AS i;
});
is($node->safe_psql('postgres', q{SELECT count(*) FROM zdm.explain('CREATE INDEX by_v ON many (v)')}), '2001', 'a plan of 2001 steps');
($status, $out, $err) = $node->psql('postgres', 'SET client_min_messages = warning; CREATE INDEX by_v ON many (v)');
is($err, '', 'it runs');
is($node->safe_psql('postgres', q{SELECT indisvalid, (SELECT count(*) FROM pg_inherits WHERE inhparent = indexrelid) FROM pg_index WHERE indexrelid = 'by_v'::regclass}),
    't|1000', 'and the index is whole');

$node->stop;
done_testing();
