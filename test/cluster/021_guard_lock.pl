# A statement that wants a lock which blocks others waits for old transactions without keeping anybody waiting, and in
# the end says who was in its way.
use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('lock');
$node->init;
$node->append_conf('postgresql.conf', "shared_preload_libraries = 'zdm'\nautovacuum = off");
$node->start;
$node->safe_psql('postgres', q{
    CREATE EXTENSION zdm;
    CREATE TABLE t (id int PRIMARY KEY, v int);
    INSERT INTO t SELECT i, i FROM generate_series(1, 100) AS i;
    CREATE TABLE parent (id int PRIMARY KEY);
    INSERT INTO parent SELECT generate_series(1, 100);
    CREATE TABLE child (id int);
    INSERT INTO child SELECT generate_series(1, 100);
    CREATE ROLE other LOGIN;
    ALTER TABLE t OWNER TO other;
    GRANT CREATE ON SCHEMA public TO other;
});

# Patient: behind a transaction that is too old it does not even queue.
my %wants = (
    'ADD COLUMN' => 'ALTER TABLE t ADD x int',
    'DROP COLUMN' => 'ALTER TABLE t DROP x',
    'SET NOT NULL' => 'ALTER TABLE t ALTER v SET NOT NULL',
    'ADD CHECK' => 'ALTER TABLE t ADD CONSTRAINT c CHECK (v >= 0)',
    'CREATE RULE' => 'CREATE RULE r AS ON DELETE TO t DO ALSO NOTHING',
    'in a block' => 'BEGIN; ALTER TABLE t ALTER v SET DEFAULT 1; COMMIT',
    'TRUNCATE' => 'TRUNCATE t',
);
foreach my $name ('ADD COLUMN', 'DROP COLUMN', 'SET NOT NULL', 'ADD CHECK', 'CREATE RULE', 'in a block', 'TRUNCATE') {
    my $old = transaction('SELECT count(*) FROM t');
    my $ddl = start('ddl', "SET zdm.long_transaction = 0", $wants{$name});
    # it has begun to wait: outside the lock queue
    ok($node->poll_query_until('postgres', q{SELECT count(*) > 0 FROM pg_stat_activity
        WHERE application_name = 'ddl' AND wait_event_type = 'Extension' AND state = 'active'}), "$name waits");
    is($node->safe_psql('postgres', "SET statement_timeout = '30s'; SELECT 1 FROM t LIMIT 1"), '1', "$name: readers go on");
    is($node->safe_psql('postgres', "SET statement_timeout = '30s'; UPDATE t SET v = v WHERE id = 1 RETURNING 1"), '1',
        "$name: writers go on");
    is($node->safe_psql('postgres', q{SELECT count(*) FROM pg_locks JOIN pg_stat_activity USING (pid)
        WHERE application_name = 'ddl' AND locktype = 'relation' AND relation IN ('t'::regclass, 't_pkey'::regclass)}), '0',
        "$name: holds and asks for nothing meanwhile");
    is($node->safe_psql('postgres', q{SELECT count(*) FROM pg_stat_activity
        WHERE application_name = 'ddl' AND (backend_xid IS NOT NULL OR backend_xmin IS NOT NULL)}), '0',
        "$name: nor does it hold back vacuum") unless $name eq 'in a block';
    $old->();
    my ($out, $err) = $ddl->();
    unlike($err, qr/ERROR/, "$name: done once the old transaction has ended");
}
is($node->safe_psql('postgres', 'SELECT count(*) FROM t'), '0', 'TRUNCATE has truncated');
$node->safe_psql('postgres', 'INSERT INTO t SELECT i, i FROM generate_series(1, 100) AS i');

# Impatient: 55P03, and who was in the way.
foreach my $role ('superuser', 'other') {
    my $old = transaction("SELECT count(*) FROM t WHERE id > 12345");
    my $err = fails("SET zdm.lock_patience = 0;", 'ALTER TABLE t ADD y int', $role);
    like($err, qr/ERROR:  55P03: /, "as $role: 55P03");
    like($err, qr/ACCESS EXCLUSIVE on public\.t/, "as $role: says which lock");
    my $pid = $node->safe_psql('postgres', q{SELECT pid FROM pg_stat_activity WHERE application_name = 'old'});
    like($err, qr/DETAIL:.*\b$pid\b.*"old".*idle in transaction.*AccessShareLock/, "as $role: names the blocker");
    if ($role eq 'superuser') {
        like($err, qr/12345/, 'shows its query to those who may see it');
    } else {
        unlike($err, qr/12345/, 'and to nobody else');
    }
    $old->();
}
{
    my @old = map { transaction("SELECT $_ FROM t LIMIT 1") } 1, 2;
    my $err = fails("SET zdm.lock_patience = '200ms';", 'DROP TABLE t');
    my @named = $err =~ /Process \d+/g;
    is(scalar @named, 2, 'each blocker is named');
    $_->() foreach @old;
}
{
    my $old = transaction('SELECT count(*) FROM parent');
    my $write = transaction('UPDATE parent SET id = id WHERE id = 1', 'writer');
    my $err = fails("SET zdm.lock_patience = 0;", 'ALTER TABLE child ADD FOREIGN KEY (id) REFERENCES parent');
    like($err, qr/55P03.*public\.parent.*"writer"/s, 'the other side of a foreign key is waited for as well');
    unlike($err, qr/"old"/, 'and only who is really in the way is named');
    $_->() foreach $old, $write;
    is($node->safe_psql('postgres', q{SELECT count(*) FROM pg_constraint WHERE conrelid = 'child'::regclass}), '0',
        'no constraint is left');
}
{
    my $old = transaction('SELECT count(*) FROM t');
    my $err = fails("SET statement_timeout = '1s';", 'ALTER TABLE t ADD y int');
    like($err, qr/ERROR:  55P03: /, 'statement_timeout would end it: 55P03 all the same');
    $err = fails("SET zdm.mode = 'warn'; SET lock_timeout = '50ms';", 'ALTER TABLE t ADD y int');
    like($err, qr/55P03: canceling statement due to lock timeout/, "in mode warn PostgreSQL's own timeout");
    $old->();
}
{
    my $ddl;
    my $old = transaction('SELECT count(*) FROM t');
    $ddl = start('ddl', 'SET zdm.long_transaction = 0', 'ALTER TABLE t ADD y int');
    $node->poll_query_until('postgres', q{SELECT count(*) > 0 FROM pg_stat_activity
        WHERE application_name = 'ddl' AND wait_event_type = 'Extension'});
    $node->safe_psql('postgres', q{SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE application_name = 'ddl'});
    my ($out, $err) = $ddl->();
    like($err, qr/ERROR:  57014: canceling statement due to user request/, 'a waiting statement can be cancelled');
    $old->();
}

$node->stop;
done_testing();

# A transaction that has run the statement and stays open; the returned code ends it.
sub transaction {
    my ($sql, $name) = @_;
    $name //= 'old';
    my ($in, $out, $err) = ("BEGIN; $sql;\n\\echo held\n", '', '');
    my $psql = IPC::Run::start([ 'psql', '-XAtq', '-d', $node->connstr('postgres') . " application_name=$name" ],
        '<', \$in, '>', \$out, '2>', \$err);
    $psql->pump until $out =~ /held/;
    return sub { $in .= "COMMIT;\n\\q\n"; $psql->finish; };
}

# Statements each sent by themselves; the returned code waits for their end and returns what was said.
sub start {
    my ($name, @statements) = @_;
    my ($out, $err) = ('', '');
    my $psql = IPC::Run::start([ 'psql', '-XAtq', '-v', 'VERBOSITY=verbose',
        '-d', $node->connstr('postgres') . " application_name=$name", map { ('-c', $_) } map { split /; /, $_ } @statements ],
        '<', '/dev/null', '>', \$out, '2>', \$err);
    return sub { $psql->finish; return ($out, $err); };
}

sub fails {
    my ($settings, $sql, $role) = @_;
    my $as = ($role // '') eq 'other' ? 'SET SESSION AUTHORIZATION other;' : '';
    my ($status, $out, $err) = $node->psql('postgres', "\\set VERBOSITY verbose\n$settings\n$as\n$sql;");
    return $err;
}
