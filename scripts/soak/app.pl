use strict; use warnings;

sub handler {
    my ($event) = @_;
    my ($do, $id) = @{$event}{qw(do id)};
    die "on purpose $id\n" if $do eq 'throw';
    exit 3 if $do eq 'exit';
    kill 9, $$ if $do eq 'kill';
    kill 15, $$ if $do eq 'term';
    sleep 60 if $do eq 'hang' || $do eq 'kill' || $do eq 'term';
    print 'o' x 70_000, "\n" if $do eq 'print';
    print STDERR 'e' x 70_000 if $do eq 'print';
    if ($do eq 'fork' && fork == 0) { select undef, undef, undef, 0.03; return { id => "child of $id" } }
    if ($do eq 'late') { $SIG{ALRM} = sub { die "late\n" }; require Time::HiRes; Time::HiRes::ualarm(20_000) }
    system 'setsid sleep 300 >/dev/null 2>&1 &' if $do eq 'leave';
    if ($do eq 'garbage') { for my $fd (3 .. 9) { open my $out, '>&=', $fd or next; syswrite $out, "result nobody 4\n1234\n" } }
    return { id => $id, pad => $event->{pad} };
}
