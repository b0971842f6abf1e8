use strict;
use warnings;

sub handle {
    my ($event, $context) = @_;
    warn "answering $context->{aws_request_id}\n";
    my $name = $event->{queryStringParameters}{name} // 'world';
    return +{hello => $name};
}

1;
