#!/usr/bin/perl
# The guard against the truth. Each statement in test/oracle/*.sql is executed by plain PostgreSQL in a transaction and
# rolled back, with full and with empty tables; what it locked and what it worked through must be what zdm.explain says
# in mode reject. Then the guard gets it: a rewrite must leave the catalogs that the plain statement would have left, a
# hint with SQL must work when it is pasted, and get there too. Speaks TAP.
#
# A case file is SQL with marks:
#   -- given                    the start, for all cases up to the next given
#   -- first                    more of the start, for the next case only
#   -- expect <rules>|nothing   the statements of one case, one or more lines each; after `;` in the mark:
#       in a transaction        all of them in one block
#       when empty <rules>      what is expected on empty tables (else: neither availability nor data is lost there)
#       error <sqlstate>        PostgreSQL itself refuses it
#       since N, before N       majors that have it
#       another end <why>       the hint does not lead to what the plain statement would have made
#       but /<facts>/ (<why>)   the rewrite leaves these otherwise, since PostgreSQL's own safe form does
# What a rule's name is matters only for who was caught: the locks and the work are measured in the same run.
use strict;
use warnings;
use File::Basename qw(basename dirname);
use File::Temp qw(tempfile);
use JSON::PP;

my $json = JSON::PP->new->canonical;
my $here = dirname(__FILE__);
binmode(STDOUT, ':utf8');
my ($tests, $failed) = (0, 0);
my %count = map { $_ => 0 } qw(statements hazardous harmless missed alarms unobserved rewrites hints prose);
my %class; # of each rule
my %seen;  # rules with a case

# Rules that no single statement is reported for, and where they are tested.
my %elsewhere = (
    'auto-analyze' => 'a step in the plans of other rules, sql/guard_timeouts.sql',
    'idle-in-txn-after-ddl' => 'about a session that does nothing, test/cluster/025_guard_hold.pl',
    'lock-held-too-long' => 'about the time between statements, test/cluster/025_guard_hold.pl',
);

exit(main(@ARGV));

sub main
{
    my @files = @_ ? @_ : grep { basename($_) ne 'facts.sql' } sort glob("$here/*.sql");
    my $major = int(run_sql("SELECT current_setting('server_version_num')::int / 10000") || 0);

    run_sql("CREATE EXTENSION zdm;\n\\i $here/facts.sql");
    %class = map { split /\|/ } split /\n/, run_sql('SELECT rule, class FROM zdm.rules');
    foreach my $file (@files) {
        print "# ", basename($file), "\n";
        foreach my $case (read_cases($file)) {
            # A rule that this major cannot break has its case all the same.
            $seen{$_} = 1 foreach @{ $case->{rules} };
            next if $major < ($case->{since} // 0) || $major >= ($case->{before} // 99);
            try_case($case);
        }
    }
    check_rules_have_cases() unless @_;
    tidy_up();
    print "1..$tests\n";
    # The harness shows what goes to stderr.
    select(STDERR);
    printf "# %d statements, %d hazardous and %d harmless; %d missed, %d false alarms\n",
        @count{qw(statements hazardous harmless missed alarms)};
    printf "# %d rewrites compared, %d hints executed, %d hints of prose; %d statements that no transaction can hold\n",
        @count{qw(rewrites hints prose unobserved)};
    return $failed > 0;
}

# ---- cases

sub read_cases
{
    my ($file) = @_;
    my ($given, $first, $case, $into, @cases) = ('', '');

    open(my $in, '<:encoding(UTF-8)', $file) or die "$file: $!\n";
    while (my $line = <$in>) {
        if ($line =~ /^-- given\b/) {
            ($given, $first) = ('', '');
            $into = \$given;
        } elsif ($line =~ /^-- first\b/) {
            $first = '';
            $into = \$first;
        } elsif ($line =~ /^-- expect (.*)$/) {
            $case = { read_mark("$file:$.", $1), given => $given, first => $first, text => '', name => basename($file) . ":$." };
            $first = '';
            push @cases, $case;
            $into = \$case->{text};
        } elsif ($into && $line !~ /^--/) {
            $$into .= $line;
        }
    }
    foreach my $each (@cases) {
        # One statement ends where a line does.
        $each->{statements} = [ grep { /\S/ } split /;[ ]*\n/, $each->{text} . "\n" ];
        s/^\s+|\s+$//g foreach @{ $each->{statements} };
    }
    return @cases;
}

sub read_mark
{
    my ($where, $text) = @_;
    my ($rules, @options) = split /\s*;\s*/, $text;
    my %mark = (rules => [ rules_in($rules) ]);

    foreach my $option (@options) {
        if ($option eq 'in a transaction') { $mark{block} = 1 }
        elsif ($option =~ /^when empty (.*)$/) { $mark{empty} = [ rules_in($1) ] }
        elsif ($option =~ /^(since|before) (\d+)$/) { $mark{$1} = $2 }
        elsif ($option =~ /^error (\w{5})$/) { $mark{error} = $1 }
        elsif ($option =~ /^another end (.+)$/) { $mark{another_end} = $1 }
        elsif ($option =~ m{^but /(.+)/ \(.+\)$}) { $mark{but} = qr/$1/ }
        else { die "$where: what is \"$option\"?\n" }
    }
    return %mark;
}

sub rules_in { my ($text) = @_; return $text eq 'nothing' ? () : sort split /\s*,\s*/, $text }

# ---- one case

sub try_case
{
    my ($case) = @_;
    my $expected = join(', ', @{ $case->{rules} }) || 'nothing';
    my $what = $case->{text} =~ s/\s+/ /gr;

    $count{statements}++;
    $count{ @{ $case->{rules} } ? 'hazardous' : 'harmless' }++;
    $case->{label} = "$case->{name} [$expected] " . (length($what) > 150 ? substr($what, 0, 150) . '...' : $what);

    my $full = observe($case, 0);
    my $empty = observe($case, 1);
    check_observed($case, $full, $case->{rules}, '');
    my @still = $case->{empty} ? @{ $case->{empty} } : grep { ($class{$_} // '') !~ /^(availability|data)$/ } @{ $case->{rules} };
    check_observed($case, $empty, \@still, ', empty');
    return if grep { $_->{broken} } @$full;
    check_guarded($case, $full);
}

# Runs the statements under plain PostgreSQL; for each: what explain says before, and what was observed.
sub observe
{
    my ($case, $empty) = @_;
    my @script = (start_of($case), $empty ? 'SELECT oracle.empty();' : ());
    my @statements = @{ $case->{statements} };
    my $block = $case->{block} ? 'true' : 'false';

    push @script, "\\set ON_ERROR_STOP off", 'SELECT oracle.state() AS old \gset';
    push @script, 'BEGIN;' if $case->{block};
    for my $i (0 .. $#statements) {
        my $quoted = quote($statements[$i]);
        push @script,
            (map { (
                "SET zdm.mode = '$_';",
                "SELECT concat('\@', jsonb_build_object('at', $i, '$_', jsonb_agg(to_jsonb(e)))) FROM zdm.explain($quoted, $block) e;",
            ) } qw(reject rewrite)),
            "SET zdm.mode = 'off';";
        push @script, 'SELECT oracle.state() AS old \gset', 'BEGIN;' unless $case->{block};
        push @script, 'SELECT oracle.state() AS before \gset', '\echo >', "$statements[$i];", "\\echo \@$i :SQLSTATE", '\echo <',
            "SELECT concat('\@', jsonb_build_object('at', $i, 'observed', oracle.observe(:'before', :'old')));";
        if (!$case->{block}) {
            push @script, 'ROLLBACK;';
            push @script, "$statements[$i];" if $i < $#statements;
        }
    }
    my $output = psql(join("\n", @script));
    my @of = map { { statement => $_ } } @statements;
    foreach my $line (split /\n/, $output) {
        if ($line =~ /^\@(\{.*)/) {
            my $said = $json->decode($1);
            @{ $of[ $said->{at} ] }{ keys %$said } = values %$said;
        } elsif ($line =~ /^\@(\d+) (\w{5})$/) {
            $of[$1]{sqlstate} = $2;
        }
    }
    # Whatever else was said is there to be shown.
    $_->{output} = $output foreach @of;
    return \@of;
}

sub start_of
{
    my ($case) = @_;
    return ("SET client_min_messages = error;", "SET zdm.mode = 'off';", 'SELECT oracle.reset();', 'RESET client_min_messages;',
        $case->{given}, $case->{first});
}

sub check_observed
{
    my ($case, $of, $rules, $variant) = @_;
    my %reported;
    my @hazards;

    foreach my $one (@$of) {
        my $state = $one->{sqlstate} // 'none';
        my $fails = $case->{error} && $one == $of->[-1] && $state eq $case->{error};
        # What breaks a constraint is not there in an empty table.
        my $succeeds = $state eq '00000' && ($variant || !$case->{error} || $one != $of->[-1]);
        if (!$fails && !$succeeds && !unobservable($one)) {
            $one->{broken} = 1 unless $variant;
            return ok(0, "$case->{label}: runs$variant", "SQLSTATE $state", $one->{output});
        }
        if (!$one->{reject} || !$one->{rewrite}) {
            return ok(0, "$case->{label}: is explained$variant", $one->{output});
        }
        $reported{$_} = 1 foreach map { @{ $_->{rules} } } @{ $one->{reject} };
        # A query is no change of the schema; how many rows are too many is a setting.
        push @hazards, @{ $one->{observed}{hazards} } if $one->{observed} && $one->{reject}[0]{lock};
        if ($state eq '00000') {
            my @differences = differences($one);
            ok(!@differences, "$case->{label}: explain agrees$variant" . ($#$of ? ", $one->{statement}" : ''), @differences);
        } elsif (!$variant && unobservable($one)) {
            $count{unobserved}++;
        }
    }
    my $explained = names(keys %reported);
    my $warned = names(rules_warned($case, $variant));
    # A block of several statements, and what DO runs, are judged when they run.
    my $late = $case->{block} && @$of > 1 || grep { ($_->{reject}[0]{detail} // '') eq 'judged when it runs' } @$of;
    my $got = $late ? $warned : $explained;
    my $expected = names(@$rules);
    my %got = map { $_ => 1 } split /, /, $got;
    $count{missed}++ if grep { !$got{$_} } @$rules;
    $count{alarms}++ if $got ne 'nothing' && grep { my $rule = $_; !grep { $_ eq $rule } @$rules } keys %got;
    ok($expected eq $got, "$case->{label}: reports $expected$variant", "reported: $got");
    ok($warned eq $explained, "$case->{label}: warns as explained$variant", "warned: $warned", "explained: $explained")
        unless $late;
    ok(0, "$case->{label}: called harmless$variant, and", @hazards) if @hazards && $got eq 'nothing' && !@$rules;
}

sub names { return join(', ', sort @_) || 'nothing' }

# The rules that mode warn reports, which runs everything.
sub rules_warned
{
    my ($case, $variant) = @_;
    my $run = psql(join("\n", start_of($case), $variant ? 'SELECT oracle.empty();' : '', "SET zdm.mode = 'warn';",
        '\set ON_ERROR_STOP off', '\set VERBOSITY verbose', map { "$_;" } statements_of($case)));
    my %rules;

    while ($run =~ /^WARNING:  01ZDM: .*?^DETAIL:  (.*?)^(?:HINT|LOCATION):/msg) {
        $rules{$_} = 1 foreach $1 =~ /^Rule ([a-z0-9-]+):/mg;
    }
    return keys %rules;
}

# Statements that commit by themselves.
sub unobservable { my ($one) = @_; return ($one->{sqlstate} // '') eq '25001' }

# Where zdm.explain and the server say different things.
sub differences
{
    my ($one) = @_;
    my ($said, $seen) = ($one->{reject}[0], $one->{observed});
    my @differences;
    my %said_lock = map { /^(\w+Lock) on (.+)$/ ? ($2 => $1) : () } split /\n/, $said->{detail} // '';
    my %held = map { $_ => 1 } @{ $seen->{held} };
    my ($lock, $seen_lock) = ($said->{lock} // '', $seen->{lock} // '');

    # None of our business: what blocks nobody.
    return () if $lock eq '' && !blocking($seen_lock) || ($said->{detail} // '') eq 'judged when it runs';
    # A lock that an earlier statement has left is not taken again.
    $seen_lock = $lock if $held{$lock};
    push @differences, sprintf 'lock: explained %s, observed %s', $lock || 'none', $seen_lock || 'none' if $lock ne $seen_lock;
    my $blocks = $seen_lock eq 'AccessExclusiveLock' ? 'reads and writes' : blocking($seen_lock) ? 'writes' : 'nothing';
    push @differences, "blocks: explained $said->{blocks}, observed $blocks" if $said->{blocks} ne $blocks;
    push @differences, "work: explained $said->{work}, observed $seen->{work}" if $said->{work} ne $seen->{work};
    foreach my $relation (sort keys %{ $seen->{locks} }) {
        my $mode = $seen->{locks}{$relation};
        next if !blocking($mode) || $relation eq ($said->{relation} // '') || $seen->{covered}{$relation};
        push @differences, sprintf 'on %s: explained %s, observed %s', $relation, $said_lock{$relation} // 'none', $mode
            if ($said_lock{$relation} // '') ne $mode;
    }
    foreach my $relation (sort keys %said_lock) {
        push @differences, "on $relation: explained $said_lock{$relation}, observed none"
            if !$seen->{covered}{$relation} && blocking($said_lock{$relation}) && !$seen->{locks}{$relation} && !$held{$said_lock{$relation}};
    }
    push @differences, 'explained: ' . $json->encode($said), 'observed: ' . $json->encode($seen) if @differences;
    return @differences;
}

sub blocking { my ($mode) = @_; return $mode =~ /^(Share|ShareRowExclusive|Exclusive|AccessExclusive)Lock$/ }

# ---- what the guard makes of it

sub check_guarded
{
    my ($case, $of) = @_;
    my @verdicts = map { $_->{rewrite}[0]{verdict} } @$of;
    my $plain;
    my $end = sub {
        return $plain //= facts_after($case, join('', map { "$_;\n" } statements_of($case)), 'off');
    };

    if (!$case->{block} && !grep { $_ eq 'reject' } @verdicts) {
        if (grep { $_ eq 'rewrite' } @verdicts) {
            $count{rewrites}++;
            my $guarded = facts_after($case, join('', map { "$_;\n" } statements_of($case)), 'rewrite');
            if ($case->{another_end}) {
                ok(!$guarded->{errors}, "$case->{label}: rewritten, works", $guarded->{output});
            } else {
                same_end($case, 'rewritten', $end->(), $guarded);
            }
            ok($guarded->{output} =~ /00ZDM/, "$case->{label}: says what it rewrites", $guarded->{output});
        }
    }
    # A block may make good what one of its statements is warned of alone.
    return if @$of > 1 && !@{ $case->{rules} };
    check_hint($case, $of, $end) if grep { $_ eq 'reject' || $_ eq 'warn' } @verdicts;
}

sub statements_of { my ($case) = @_; return ($case->{block} ? 'BEGIN' : (), @{ $case->{statements} }, $case->{block} ? 'COMMIT' : ()) }

# The real message has the hint that explain has promised; pasted, it works.
sub check_hint
{
    my ($case, $of, $end) = @_;
    my $run = psql(join("\n", start_of($case), 'RESET zdm.mode;', '\set ON_ERROR_STOP off', '\set VERBOSITY verbose',
        map({ ("\\echo at $_", (statements_of($case))[$_] . ';') } 0 .. $#{ [ statements_of($case) ] })));
    my @reports;

    while ($run =~ /^(ERROR|WARNING):  (ZD\d\d\d|25001|01ZDM): (.*?)^LOCATION: /msg) {
        my ($severity, $state, $rest) = ($1, $2, $3);
        next if $severity eq 'ERROR' && $state eq ($case->{error} // '');
        my ($at) = substr($run, 0, $-[0]) =~ /.*^at (\d+)$/ms;
        push @reports, { at => $at, severity => $severity, state => $state, hint => $rest =~ /^HINT:  (.*)\z/ms ? $1 =~ s/\n\z//r : '' };
    }
    if (!@reports && !$case->{error}) {
        return ok(0, "$case->{label}: is refused or warned about", $run);
    }
    my $promised = join("\n--\n", grep { defined && $_ ne '' } map { $_->{rewrite}[0]{verdict} =~ /^(reject|warn)$/ ? $_->{rewrite}[0]{hint} : undef } @$of);
    my $real = join("\n--\n", grep { $_ ne '' } map { $_->{hint} } @reports);
    if (@$of == 1) {
        ok($promised eq $real, "$case->{label}: the hint is as explained", "explained: $promised", "real: $real");
    }
    foreach my $report (@reports) {
        try_hint($case, $report, $end);
    }
}

sub try_hint
{
    my ($case, $report, $end) = @_;
    my $hint = $report->{hint};

    if ($hint eq '') {
        return ok($report->{severity} eq 'WARNING', "$case->{label}: has a hint");
    }
    if (!is_sql($hint)) {
        $count{prose}++;
        print "# prose: $case->{label}: ", $hint =~ s/\s+/ /gr, "\n";
        return ok($report->{state} eq '25001' || $hint !~ /;|\b(ALTER TABLE|CREATE (UNIQUE )?INDEX|SELECT|VACUUM|BEGIN)\b/,
            "$case->{label}: the hint is SQL or prose, not both", $hint);
    }
    $count{hints}++;
    # What came before the statement has happened, in its own transactions.
    # What is judged at COMMIT is the whole block.
    my @all = statements_of($case);
    my @before = $all[ $report->{at} ] eq 'COMMIT' ? () : grep { $_ ne 'BEGIN' } @all[ 0 .. $report->{at} - 1 ];
    my $pasted = facts_after($case, join('', map({ "$_;\n" } @before), "$hint\n"), 'rewrite');
    my $availability = !grep { ($class{$_} // '') ne 'availability' } @{ $case->{rules} };
    if ($case->{another_end} || !$availability || @{ $case->{statements} } > 1) {
        return ok(!$pasted->{errors}, "$case->{label}: the hint works", $hint, $pasted->{output});
    }
    same_end($case, 'hint', loosely($end->()), loosely($pasted), $hint);
}

# Whether PostgreSQL's grammar takes it.
sub is_sql
{
    my ($hint) = @_;
    return psql('\set VERBOSITY verbose' . "\nSELECT FROM zdm.explain(" . quote($hint) . ');') !~ /ERROR:  42601/;
}

sub same_end
{
    my ($case, $how, $plain, $other, @more) = @_;
    my (%left, @differences);

    $left{$_}++ foreach @{ $plain->{facts} };
    foreach my $fact (@{ $other->{facts} }) {
        $left{$fact} ? $left{$fact}-- : push @differences, "only $how: $fact";
    }
    foreach my $fact (sort keys %left) {
        push @differences, "only plain: $fact" if $left{$fact} > 0;
    }
    if ($how eq 'rewritten' && $case->{but}) {
        my @others = grep { !/^only (?:plain|$how): (.*)/ || $1 !~ $case->{but} } @differences;
        ok(@others < @differences, "$case->{label}: $how, differs as said", @differences);
        @differences = @others;
    }
    # What PostgreSQL refuses is refused with the same words.
    my $errors = $case->{error} ? $other->{output} !~ /^ERROR:  $case->{error}:/m : $other->{errors};
    return ok(!@differences && !$errors && @{ $plain->{facts} } > 0, "$case->{label}: $how, ends as plain PostgreSQL",
        @more, $errors ? $other->{output} : (), @differences);
}

# A column that a hint has made anew is the last one, and filled.
sub loosely
{
    my ($end) = @_;
    return { %$end, facts => [ map { s/^(column \S+) \(\d+\)/$1/r =~ s/, missing .*//r } @{ $end->{facts} } ] };
}

sub facts_after
{
    my ($case, $sql, $mode) = @_;
    my $output = psql(join("\n", start_of($case), $mode eq 'off' ? '' : 'RESET zdm.mode;', '\set ON_ERROR_STOP off',
        '\set VERBOSITY verbose', '\echo >', $sql, '\echo <', 'RESET zdm.mode;', "SET zdm.mode = 'off';", "SELECT '= ' || f FROM oracle.facts() f;"));
    my ($said) = $output =~ /^>\n(.*)^<\n/ms;
    return { output => $said // $output, errors => ($said // 'ERROR') =~ /^(psql:\S+ )?(ERROR|FATAL)/m ? 1 : 0,
        facts => [ $output =~ /^= (.*)$/mg ] };
}

# ----

sub check_rules_have_cases
{
    foreach my $rule (sort keys %class) {
        next if $class{$rule} eq 'style';
        ok(!$seen{$rule} != !$elsewhere{$rule}, "rule $rule has a case" . ($elsewhere{$rule} ? ": $elsewhere{$rule}" : ''));
    }
}

# What is not in the suite's database.
sub tidy_up
{
    psql("SELECT oracle.reset();\nDROP TABLESPACE IF EXISTS oracle_space;\nDROP DATABASE IF EXISTS oracle_other;");
}

sub ok
{
    my ($good, $what, @why) = @_;

    $tests++;
    $failed++ unless $good;
    print $good ? 'ok ' : 'not ok ', $tests, ' - ', $what =~ s/#/\\#/gr, "\n";
    print map { "#   $_\n" } map { split /\n/ } @why unless $good;
    return $good;
}

sub quote
{
    my ($text) = @_;
    return "'" . $text =~ s/'/''/gr . "'" if $text !~ /\\/;
    return 'E\'' . $text =~ s/([\\'])/\\$1/gr . "'";
}

# Runs a script and returns what it and the server said, in order.
sub psql
{
    my ($script) = @_;
    my ($out, $name) = tempfile('oracleXXXXXX', TMPDIR => 1, UNLINK => 1, SUFFIX => '.sql');

    binmode($out, ':utf8');
    print $out $script, "\n";
    close($out);
    open(my $in, '-|:encoding(UTF-8)', "psql -X -q -A -t -v ON_ERROR_STOP=1 -f $name 2>&1") or die "psql: $!\n";
    local $/;
    my $said = <$in>;
    close($in);
    unlink $name;
    return $said =~ s/\Qpsql:$name\E:\d+: //gr;
}

sub run_sql
{
    my ($sql) = @_;
    my $said = psql($sql);
    die "$said\n" if $?;
    return $said =~ s/\n\z//r;
}
