# The kit's function in Perl, for the bootstrap.
use strict;
use warnings;

die "asked to fail at the start\n" if ($ENV{CONFORMANCE_INIT} // '') eq 'fail';

sub handle {
    my ($event, $context) = @_;
    my $order = ref $event eq 'HASH' ? $event : {};
    if ($order->{stream}) {
        return sub {
            my ($writer) = @_;
            $writer->write($_) for @{ $order->{stream} };
            die "$order->{fail}\n" if $order->{fail};
            $writer->close;
        };
    }
    die "$order->{fail}\n" if $order->{fail};
    return 'x' x ($order->{size} - 2) if $order->{size};
    return {
        requestId => $context->{aws_request_id},
        functionArn => $context->{invoked_function_arn},
        traceId => $ENV{_X_AMZN_TRACE_ID},
    } if $order->{context};
    return $event;
}

1;
