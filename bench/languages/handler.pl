use strict;
use warnings;

sub handle {
    my ($event, $context) = @_;
    return $event;
}

sub look {
    my ($event, $context) = @_;
    die "no request id\n" unless $context->{aws_request_id};
    return handle($event);
}

1;
