# Every way in which a client sends a statement; and what its failures do to others: nothing.
use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('clients');
$node->init;
$node->append_conf('postgresql.conf', "shared_preload_libraries = 'zdm'\nautovacuum = off\nfsync = off\nlog_statement = none");
$node->start;
$node->safe_psql('postgres', q{
    CREATE EXTENSION zdm;
    CREATE TABLE t (id int, v int);
    INSERT INTO t SELECT i, i FROM generate_series(1, 100) AS i;
});
my $connect = $node->connstr('postgres');
my $file = $node->basedir . '/script.sql';

# psql: each statement by itself, or all in one transaction
spew("CREATE INDEX by_v ON t (v);\nALTER TABLE t ALTER v SET NOT NULL;\nALTER TABLE t ADD CHECK (v > 0);\n");
said([ 'psql', '-X', '-d', $connect, '-f', $file ], 0, qr/rewritten/, 'psql -f');
is(state(), 'by_v t_v_check v', 'all is there');
reset_table();
said([ 'psql', '-X', '-v', 'ON_ERROR_STOP=1', '-1', '-d', $connect, '-f', $file ], 3, qr/needs its own transactions/, 'psql -1 -f');
is(state(), '', 'nothing is there');
said([ 'psql', '-X', '-d', $connect, '-c', 'CREATE INDEX by_v ON t (v)' ], 0, qr/CREATE INDEX\n.*rewritten|rewritten.*/s, 'psql -c');
is(state(), 'by_v', 'one statement of -c is rewritten');
reset_table();
said([ 'psql', '-X', '-d', $connect, '-c', 'CREATE INDEX by_v ON t (v); SELECT 1' ], 1, qr/needs its own transactions/, "psql -c 'a; b'");
said([ 'psql', '-X', '-d', $connect, '-c', 'SELECT 1; CREATE INDEX by_v ON t (v)' ], 1, qr/needs its own transactions/, "psql -c 'b; a'");
is(state(), '', 'nothing is there');
said([ 'psql', '-X', '-d', $connect, '-c', 'CREATE INDEX by_v ON t (v)', '-c', 'ALTER TABLE t ALTER v SET NOT NULL' ], 0,
    qr/rewritten.*rewritten/s, 'psql -c a -c b');
is(state(), 'by_v v', 'both are there');
reset_table();

# The protocols: simple, extended, prepared. A script that runs twice prepares once.
foreach my $protocol ('simple', 'extended', 'prepared') {
    spew("CREATE INDEX by_v ON t (v);\nALTER TABLE t ALTER v SET NOT NULL;\nDROP INDEX by_v;\nALTER TABLE t ALTER v DROP NOT NULL;\n"
        . "ALTER TABLE t ADD CONSTRAINT c CHECK (v > 0);\nALTER TABLE t DROP CONSTRAINT c;\nALTER TABLE t ADD x int;\nALTER TABLE t DROP x;\n"
        . "ALTER TABLE t ADD CONSTRAINT u UNIQUE (v);\nREINDEX TABLE t;\nALTER TABLE t DROP CONSTRAINT u;\n");
    said([ 'pgbench', '-n', '-M', $protocol, '-t', '3', '-f', $file, $connect ], 0, qr/actually processed: 3\/3/, "pgbench -M $protocol");
    is(state(), '', 'as before');
    spew("BEGIN;\nCREATE INDEX by_v ON t (v);\nEND;\n");
    said([ 'pgbench', '-n', '-M', $protocol, '-t', '1', '-f', $file, $connect ], 2, qr/needs its own transactions/, "in a block, -M $protocol");
    is(state(), '', 'as before');
    spew("ALTER TABLE t RENAME v TO w;\n");
    said([ 'pgbench', '-n', '-M', $protocol, '-t', '1', '-f', $file, $connect ], 2, qr/is refused/, "refused, -M $protocol");
    is(state(), '', 'as before');
}

# PGOPTIONS, application names, and what is logged
{
    local $ENV{PGOPTIONS} = '-c zdm.mode=off';
    said([ 'psql', '-X', '-d', $connect, '-c', 'ALTER TABLE t RENAME v TO w', '-c', 'ALTER TABLE t RENAME w TO v' ], 0, qr/^(?!.*zdm)/s, 'PGOPTIONS: off');
}
{
    local $ENV{PGOPTIONS} = '-c zdm.safety_assured=on';
    my $offset = -s $node->logfile;
    said([ 'psql', '-X', '-d', "$connect application_name=deploy", '-c', 'ALTER TABLE t RENAME v TO w', '-c', 'ALTER TABLE t RENAME w TO v' ], 0,
        qr/^(?!.*refused)/s, 'PGOPTIONS: safety_assured stays');
    my $log = slurp_file($node->logfile, $offset);
    is(scalar(() = $log =~ /zdm\.safety_assured used by role "[^"]+", application "deploy"/g), 2, 'each use is logged');
    like($log, qr/Statement: ALTER TABLE t RENAME v TO w/, 'with the statement');
}
{
    local $ENV{PGOPTIONS} = '-c zdm.mode=warn';
    my $offset = -s $node->logfile;
    said([ 'psql', '-X', '-d', $connect, '-c', 'CREATE INDEX by_v ON t (v)' ], 0, qr/would be rewritten/, 'PGOPTIONS: warn');
    like(slurp_file($node->logfile, $offset), qr/would be rewritten.*statement:\s+CREATE INDEX by_v ON t \(v\)/si, 'what warns is logged with the statement');
    $node->safe_psql('postgres', 'DROP INDEX by_v');
}

# While statements that must fail are tried again and again, no write of the application fails: what they would
# enforce is broken by rows that are there, and the application writes more of them.
$node->safe_psql('postgres', q{
    CREATE TABLE parent (id int PRIMARY KEY);
    INSERT INTO parent SELECT generate_series(1, 100);
    CREATE TABLE w (id serial, n int, d int, fk int, c int);
    INSERT INTO w (n, d, fk, c) SELECT nullif(i, 7), i % 50, i + 1, i - 1 FROM generate_series(1, 100) AS i;
});
spew("INSERT INTO w (n, d, fk, c) VALUES (NULL, 1, 12345, 0);\nUPDATE w SET n = NULL, d = 2, fk = 54321, c = 0 WHERE id = 1 + (random() * 90)::int;\n");
my ($out, $err) = ('', '');
my $writers = IPC::Run::start([ 'pgbench', '-n', '-c', '4', '-T', '3600', '-f', $file, "$connect application_name=writers" ], '>', \$out, '2>', \$err);
$node->poll_query_until('postgres', 'SELECT count(*) > 110 FROM w') or BAIL_OUT('no writers');
my %must_fail = (
    'ALTER TABLE w ALTER n SET NOT NULL' => '23502',
    'ALTER TABLE w ADD UNIQUE (d)' => '23505',
    'CREATE UNIQUE INDEX ON w (d)' => '23505',
    'CREATE UNIQUE INDEX ON w (d, c) WHERE c = 0' => '23505',
    'ALTER TABLE w ADD PRIMARY KEY (d)' => '23505',
    'ALTER TABLE w ADD PRIMARY KEY (n)' => '23502',
    'ALTER TABLE w ADD CHECK (c > 0)' => '23514',
    'ALTER TABLE w ADD FOREIGN KEY (fk) REFERENCES parent' => '23503',
    'ALTER TABLE w ADD CHECK (id > 0), ADD UNIQUE (id), ADD FOREIGN KEY (fk) REFERENCES parent' => '23503',
    'ALTER TABLE w ADD CHECK (id > 0), ADD UNIQUE (id), ALTER n SET NOT NULL' => '23502',
);
foreach my $sql (sort keys %must_fail) {
    foreach (1 .. 5) {
        my ($status, $said, $error) = $node->psql('postgres', "\\set VERBOSITY sqlstate\n$sql;");
        like($error, qr/ERROR:  $must_fail{$sql}$/m, "$sql: $must_fail{$sql}") or last;
    }
}
is($node->safe_psql('postgres', q{SELECT count(*) FROM pg_constraint WHERE conrelid = 'w'::regclass AND contype <> 'n'}), '0', 'no constraint');
is($node->safe_psql('postgres', q{SELECT count(*) FROM pg_index WHERE indrelid = 'w'::regclass}), '0', 'no index');
$writers->signal('INT');
$writers->finish;
unlike($err, qr/error|aborted/i, 'no write has failed') or diag(substr($err, 0, 2000));

# And those that can succeed do, with writers that keep to what is wanted.
$node->safe_psql('postgres', q{UPDATE w SET n = 1, d = id, fk = 1, c = 1});
spew("\\set r random(1, 90)\nINSERT INTO w (n, d, fk, c) VALUES (1, (1000000000 * random())::int, 1, 1);\nUPDATE w SET c = c + 1 WHERE id = :r;\nSELECT * FROM w WHERE id = :r;\n");
($out, $err) = ('', '');
$writers = IPC::Run::start([ 'pgbench', '-n', '-c', '4', '-T', '3600', '-f', $file, $connect ], '>', \$out, '2>', \$err);
$node->safe_psql('postgres', $_) foreach ('ALTER TABLE w ALTER n SET NOT NULL', 'CREATE INDEX ON w (d)', 'ALTER TABLE w ADD CHECK (c > 0)',
    'ALTER TABLE w ADD FOREIGN KEY (fk) REFERENCES parent', 'ALTER TABLE w ADD PRIMARY KEY (id)', 'ALTER TABLE w ADD x int DEFAULT 7',
    'REINDEX TABLE w', 'DROP INDEX w_d_idx', 'ALTER TABLE w DROP x');
$writers->signal('INT');
$writers->finish;
unlike($err, qr/error|aborted/i, 'no write has failed') or diag(substr($err, 0, 2000));

$node->stop;
done_testing();

sub said {
    my ($command, $status, $pattern, $name) = @_;
    my $output = '';
    IPC::Run::run($command, '<', '/dev/null', '>&', \$output);
    is($? >> 8, $status, "$name: exit status");
    like($output, $pattern, "$name: what it says");
}

sub spew {
    my ($text) = @_;
    open(my $handle, '>', $file) or die;
    print $handle $text;
    close $handle;
}

sub state {
    return $node->safe_psql('postgres', q{
        SELECT string_agg(name, ' ' ORDER BY name) FROM (
            SELECT indexrelid::regclass::text || CASE WHEN indisvalid THEN '' ELSE ' INVALID' END
                FROM pg_index WHERE indrelid = 't'::regclass
            UNION ALL SELECT conname FROM pg_constraint WHERE conrelid = 't'::regclass AND contype <> 'n'
            UNION ALL SELECT attname FROM pg_attribute WHERE attrelid = 't'::regclass AND attnotnull AND attnum > 0
        ) AS made(name)});
}

sub reset_table {
    $node->safe_psql('postgres', q{SET zdm.mode = 'off'; DROP INDEX IF EXISTS by_v;
        ALTER TABLE t ALTER v DROP NOT NULL, DROP CONSTRAINT IF EXISTS t_v_check;});
}
