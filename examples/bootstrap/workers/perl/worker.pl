# Speaks the worker protocol for a function in a Perl file.
package Lambwire::Context {
    sub AUTOLOAD { $_[0]{ our $AUTOLOAD =~ s/.*:://r } }
    sub DESTROY { } sub TO_JSON { +{ %{$_[0]} } }
}
package Lambwire {
    use strict; use warnings; use IO::Handle;
    my $codec = eval { require JSON::XS; 'JSON::XS' } || do { require JSON::PP; 'JSON::PP' };
    my $json = $codec->new->utf8->allow_nonref->canonical->convert_blessed;
    open my $events,  '<&=', $ENV{LAMBWIRE_EVENTS_FD}  or die "events: $!";
    open my $answers, '>&=', $ENV{LAMBWIRE_ANSWERS_FD} or die "answers: $!";
    binmode $_ for $events, $answers; $_->autoflush(1) for $answers, *STDOUT;
    my @stack;
    my $id = '-';
    sub tell_of {
        my ($kind, $body) = (@_, '');
        utf8::encode($body) if utf8::is_utf8($body);
        print {$answers} "$kind $id ", length $body, "\n", $body;
    }
    sub piece { ref $_[0] ? tell_of('prelude', $json->encode($_[0])) : tell_of('chunk', $_[0]) }
    sub report {
        my ($type, $message, @lines) = @_;
        tell_of('error', $json->encode({ errorType => $type, errorMessage => "$message", stackTrace => \@lines }));
    }
    sub fail {
        my ($error, @where) = (@_, @stack);
        return report(ref $error, eval { $error->message } // "$error", @where) if ref $error && ref $error ne 'HASH';
        report('Died', ref $error ? $json->encode($error) : $error =~ s/\n\z//r, @where);
    }
    sub next_event {
        (undef, $id, my ($context_length, $event_length)) = split ' ', readline($events) // exit;
        read $events, my $context = '', $context_length;
        read $events, my $event = '', $event_length;
        return ($context, $event);
    }
    sub context {  # JSON::PP takes its time, and is only needed from the first value on that is escaped or nested.
        my ($text, %context) = @_;
        $context{$1} = defined $3 ? 0 + $3 : $2 while $text =~ /\G[{,]"(\w+)":(?:"([^"\\\x80-\xff]*)"|(\d+)|null)/gc;
        %context = (%context, %{ $json->decode('{' . substr $text, 1 + (pos $text // 0)) }) if $text !~ /\G\}/gc;
        return bless \%context, 'Lambwire::Context';
    }
    sub answer {
        my ($handler, $context, $event) = @_;
        if (defined(my $trace_id = $context->{trace_id})) { utf8::encode($trace_id); $ENV{_X_AMZN_TRACE_ID} = $trace_id }
        else                                              { delete $ENV{_X_AMZN_TRACE_ID} }
        my $result = $handler->($json->decode($event), $context);
        return $result->(\&piece), tell_of('end') if ref $result eq 'CODE';
        my $encoded = $json->encode($result);
        $encoded =~ /^"/ ? tell_of('text', $result) : tell_of('result', $encoded);
    }
    $SIG{__DIE__} = sub {
        @stack = ();
        for (my $at = 0; my @call = caller $at; $at++) { push @stack, "$call[1]:$call[2]" if $call[1] ne '-e' }
    };
    my ($file, $name) = @ENV{qw(LAMBWIRE_FILE LAMBWIRE_FUNCTION)};
    unshift @INC, '.', $file =~ s{/[^/]*\z}{}r;
    { package main; do $file }
    fail($@), exit 1 if $@;
    my $handler = do { no strict 'refs'; my $full = $name =~ s{\.}{::}gr; $full = "main::$full" if $full !~ /::/; defined &$full ? \&$full : undef };
    report('Runtime.HandlerNotFound', "no function $name in $file"), exit 1 unless $handler;
    tell_of('ready');
    for (;;) { my ($context, $event) = next_event(); eval { answer($handler, context($context), $event); 1 } or fail($@) }
}
