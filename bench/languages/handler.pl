use strict;
use warnings;

sub handle {
    my ($event, $context) = @_;
    return +{hello => $event->{name}};
}

1;
