# Serves a handler in a Perl file by the worker protocol (docs/worker-protocol.md). The bootstrap has `perl -e` run this.
# Between two events it relies on nothing that a handler may have changed: $/ $\ $, $| and the like, %SIG, %ENV, @INC,
# the selected handle, the working directory.
use strict;
use warnings;

# What a handler learns about its invocation: by key, or by methods.
package Lambwire::Context {
    for my $name (qw(function_name function_version invoked_function_arn memory_limit_in_mb aws_request_id log_group_name
        log_stream_name deadline_ms trace_id x_amzn_trace_id tenant_id identity client_context)) {
        no strict 'refs';
        *$name = sub { $_[0]{$name} };
    }

    # Without a deadline, which an invocation by hand may lack, the time is endless: so many milliseconds as doubles count.
    sub get_remaining_time_in_millis {
        my $deadline = $_[0]{deadline_ms} // return 2**53;
        my $left = int($deadline - 1000 * Time::HiRes::time());
        return $left > 0 ? $left : 0;
    }

    sub TO_JSON { return { %{$_[0]} } }
}

# What AWS::Lambda hands to a handler that answers in pieces, and PSGI applications write to.
package Lambwire::Writer {
    # Between the prelude of an HTTP answer and its body.
    use constant SEPARATOR => "\0" x 8;

    sub write {
        my ($self, $data) = @_;
        die "write failed: already closed\n" if $self->{closed};
        return '0E0' unless defined $data && length $data;
        if (defined $self->{prelude}) {
            $self->{prelude} .= $data;
            return 1 if (my $end = index $self->{prelude}, SEPARATOR) < 0;
            ($data, my $prelude) = (substr($self->{prelude}, $end + length SEPARATOR), substr $self->{prelude}, 0, $end);
            undef $self->{prelude};
            Lambwire::write_frame('prelude', $self->{id}, $prelude);
        }
        Lambwire::write_chunks($self->{id}, $data) if length $data;
        return 1;
    }

    sub close {
        my ($self) = @_;
        $self->{closed} = 1;
        return 1;
    }
}

# JSON::PP, but that numbers keep all of their digits, what came as a number or a string goes as such, and that texts are read
# in pieces instead of characters, which takes a third of the time, and for long strings a hundredth.
package Lambwire::JSON {
    our @ISA = 'JSON::PP';
    # So many characters of an integer are no more than 64 bits have.
    use constant SAFE_DIGITS => 18;
    my %escapes = (b => "\b", f => "\f", n => "\n", r => "\r", t => "\t", map { $_ => $_ } '"', '\\', '/');
    # What is read, up to `pos`, and how many levels are left.
    my ($text, $levels);
    my $was_number = defined &builtin::created_as_number ? \&builtin::created_as_number : sub {
        my $flags = B::svref_2object(\$_[0])->FLAGS;
        return $flags & (B::SVp_IOK() | B::SVp_NOK()) && !($flags & B::SVp_POK());
    };
    my $was_boolean = defined &builtin::is_bool ? \&builtin::is_bool : sub { 0 };

    # What is unusual, or no JSON, is left to JSON::PP, which knows what to say about it.
    sub decode {
        my ($self, $bytes) = @_;
        ($text, $levels) = ($bytes, $self->get_max_depth);
        local $SIG{__DIE__};
        my $read = eval { my @read = value(); $text =~ /\G[ \t\n\r]*\z/gc || die; \@read };
        undef $text;
        return $read ? $read->[0] : $self->SUPER::decode($bytes);
    }

    # An error in it is caught above: only that it is one counts. Warnings of recursion are of no use to anybody.
    no warnings 'recursion';
    sub value {
        $text =~ /\G[ \t\n\r]+/gc;
        return string() if $text =~ /\G"/gc;
        if ($text =~ /\G\{[ \t\n\r]*/gc) {
            $levels-- > 0 || die;
            my %object;
            if ($text !~ /\G\}/gc) {
                do {
                    $text =~ /\G[ \t\n\r]*"/gc || die;
                    my $key = string();
                    $text =~ /\G[ \t\n\r]*:/gc || die;
                    $object{$key} = value();
                } while $text =~ /\G[ \t\n\r]*,/gc;
                $text =~ /\G[ \t\n\r]*\}/gc || die;
            }
            $levels++;
            return \%object;
        }
        if ($text =~ /\G\[[ \t\n\r]*/gc) {
            $levels-- > 0 || die;
            my @array;
            if ($text !~ /\G\]/gc) {
                do { push @array, value() } while $text =~ /\G[ \t\n\r]*,/gc;
                $text =~ /\G[ \t\n\r]*\]/gc || die;
            }
            $levels++;
            return \@array;
        }
        if ($text =~ /\G(-?(?:0|[1-9][0-9]*))(\.[0-9]+)?([eE][-+]?[0-9]+)?/gc) {
            return 0 + substr $text, $-[0], $+[0] - $-[0] if defined $2 || defined $3;
            return length $1 <= SAFE_DIGITS || 0 + $1 eq $1 ? 0 + $1 : "$1";
        }
        return JSON::PP::true()  if $text =~ /\Gtrue/gc;
        return JSON::PP::false() if $text =~ /\Gfalse/gc;
        $text =~ /\Gnull/gc || die;
        return undef;
    }

    # Behind its first quotation mark.
    sub string {
        my $string = '';
        while ($text !~ /\G"/gc) {
            if    ($text =~ /\G([^"\\\x00-\x1f]+)/gc)     { $string .= $1 }
            elsif ($text =~ /\G\\(["\\\/bfnrt])/gc)       { $string .= $escapes{$1} }
            elsif ($text =~ /\G\\u([0-9a-fA-F]{4})/gc) {
                my $code = hex $1;
                # Half of a pair of UTF-16.
                if (($code & 0xf800) == 0xd800) {
                    $code < 0xdc00 && $text =~ /\G\\u([dD][c-fC-F][0-9a-fA-F]{2})/gc || die;
                    $code = 0x10000 + (($code & 0x3ff) << 10) + (hex($1) & 0x3ff);
                }
                utf8::encode(my $character = chr $code);
                $string .= $character;
            }
            else { die }
        }
        $string !~ /[\x80-\xff]/ || utf8::decode($string) && $string !~ /[^\x00-\x{d7ff}\x{e000}-\x{10ffff}]/ || die;
        return $string;
    }

    sub value_to_json {
        my ($self, $value) = @_;
        # builtin's functions are experimental in some versions.
        no warnings;
        return 'null' unless defined $value;
        return $self->SUPER::value_to_json($value) if ref $value;
        return $value ? 'true' : 'false' if $was_boolean->($value);
        return $self->string_to_json($value) unless $was_number->($value);
        die "JSON has no number for $value\n" if $value - $value != 0;
        return "$value" if "$value" == $value;
        my ($exact) = grep { $_ == $value } map { sprintf "%.${_}g", $value } 16, 17;
        return $exact;
    }
}

package Lambwire {
    # An error's cause has a cause in turn: so many are reported.
    use constant CAUSES => 10;
    # Most lines of a stack in a report. To look further out takes the longer, the deeper it is.
    use constant STACK_LINES => 100;
    # Most levels of JSON.
    use constant DEPTH => 10_000;
    # What a pipe holds.
    use constant READ_BYTES => 65_536;
    # Most bytes of a piece of a stream in one frame: there is a largest frame, but no largest piece.
    use constant PIECE_BYTES => 1024 * 1024;
    # How long to wait at most before signals are looked for again, in seconds: one may come just before the wait.
    use constant WAIT_S => 0.1;
    use constant EINTR => 4;
    use constant EAGAIN => $^O eq 'linux' ? 11 : 35;

    require Time::HiRes;
    my $json = do {
        if (eval { require JSON::XS }) { JSON::XS->new }
        # 2 writes infinity as it is, which is no JSON, and is refused; without it would be null.
        elsif (eval { require Cpanel::JSON::XS }) { Cpanel::JSON::XS->new->stringify_infnan(2) }
        else { require B; require JSON::PP; Lambwire::JSON->new }
    };
    $json->utf8->allow_nonref->canonical->convert_blessed->max_depth(DEPTH);

    my ($file, $name) = @ENV{qw(LAMBWIRE_FILE LAMBWIRE_FUNCTION)};
    open my $events,  '<&=', $ENV{LAMBWIRE_EVENTS_FD}  or die "events: $!";
    open my $answers, '>&=', $ENV{LAMBWIRE_ANSWERS_FD} or die "answers: $!";
    binmode $_ for $events, $answers;
    delete @ENV{qw(LAMBWIRE_FILE LAMBWIRE_FUNCTION LAMBWIRE_EVENTS_FD LAMBWIRE_ANSWERS_FD)};
    my $pid = $$;
    my (@stack, @before, @after, $handler);
    # Which of the event and the context is the last that the handler takes.
    my $last = 1;
    # The invocation under way.
    my $id = '-';
    # What is left to write of a frame, in bytes.
    my $unwritten = 0;
    # Whether events are handed over as bytes, and strings sent as they stand.
    my $is_raw;
    my $can = \&UNIVERSAL::can;

    # JSON::PP takes half a millisecond for a context. When callers send nothing along, and no string has escapes, which is
    # mostly so, every quote begins or ends a string, and there is no need for it.
    sub read_context {
        my ($line) = @_;
        my %context;
        if ($line =~ tr/\\\x80-\xff// || index($line, '"identity":null,"client_context":null}') < 0) {
            return bless unheard(sub { $json->decode($line) }) // read_apart($line), 'Lambwire::Context';
        }
        my @parts = split /"/, $line;
        for (my $at = 1; $at < @parts;) {
            my ($key, $value) = @parts[$at, $at + 1];
            if ($value eq ':') { $context{$key} = $parts[$at + 2]; $at += 4 }
            else               { $context{$key} = $value =~ /(\d+)/ ? 0 + $1 : undef; $at += 2 }
        }
        return bless \%context, 'Lambwire::Context';
    }

    # JSON that cannot be read was sent by the caller, and is left as text.
    sub read_apart {
        my ($own, %texts);
        ($own, @texts{qw(identity client_context)}) = $_[0] =~ /\A(.*?)(?:[{,]"identity":(.*?))?[{,]"client_context":(.*)\}\n\z/s;
        my $context = length $own ? $json->decode("$own}") : {};
        for my $key (grep { defined $texts{$_} } keys %texts) {
            my $read = unheard(sub { [$json->decode($texts{$key})] }) // [$texts{$key}];
            $context->{$key} = $read->[0];
        }
        return $context;
    }

    # The next thing to do: its kind, id, context and body. The process ends when there will be none.
    sub read_frame {
        my ($received, $end) = ('', -1);
        receive($received), $end = index $received, "\n" while $end < 0;
        my ($kind, $about, $context, $body) = split / /, substr $received, 0, $end++;
        receive($received) while length $received < $end + $context + $body;
        return ($kind, $about, substr($received, $end, $context), substr $received, $end + $context);
    }

    # Appends what there is to its argument.
    sub receive {
        my $term = $SIG{TERM};
        wait_with_signals() if $term && $term ne 'DEFAULT' && $term ne 'IGNORE';
        my $read = sysread $events, $_[0], READ_BYTES, length $_[0];
        return if $read;
        exit 0 if defined $read;
        if ($! == EAGAIN) { wait_for($events, 'read') }
        elsif ($! != EINTR) { die "events: $!\n" }
    }

    # A handler may have had all descriptors wait for nothing.
    sub wait_for {
        my ($pipe, $purpose) = @_;
        vec(my $set = '', fileno $pipe, 1) = 1;
        my ($reads, $writes) = $purpose eq 'read' ? ($set) : (undef, $set);
        select $reads, $writes, undef, undef;
    }

    # A signal that comes in between a look for it and a read is seen when the read ends; after a wait it is seen soon.
    sub wait_with_signals {
        vec(my $set = '', fileno $events, 1) = 1;
        1 while select(my $ready = $set, undef, undef, WAIT_S) <= 0;
    }

    # In a child that a handler has forked it ends the child: the answer is its parent's to give.
    sub write_frame {
        my ($kind, $about, $body) = @_;
        end_child() if $$ != $pid;
        # A signal's handler has died within a frame: whatever is written would be taken for the rest of that. It ends the worker.
        die "$body\n" if $unwritten;
        my $frame = "$kind $about " . length($body) . "\n" . $body;
        $unwritten = length $frame;
        while ($unwritten) {
            # Signals are not looked for in between: what was written counts as such when one's handler dies.
            no warnings 'uninitialized';
            $unwritten -= my $written = syswrite $answers, $frame, $unwritten, -$unwritten;
            next if defined $written;
            if ($! == EAGAIN) { wait_for($answers, 'write') }
            # The bootstrap is gone.
            elsif ($! != EINTR) { exit 1 }
        }
    }

    sub write_chunks {
        my ($about, $piece) = @_;
        $piece = bytes($piece);
        my $at = 0;
        do { write_frame('chunk', $about, substr $piece, $at, PIECE_BYTES) } while ($at += PIECE_BYTES) < length $piece;
    }

    # `exit` would run what the parent has set up for its own end.
    sub end_child {
        no warnings;
        exec { '/bin/true' } 'true';
        kill KILL => $$;
    }

    # Characters become UTF-8, and bytes stay what they are.
    sub bytes {
        my ($text) = @_;
        utf8::encode($text) if utf8::is_utf8($text);
        return $text;
    }

    sub report {
        my ($type, $message, $stack, $cause) = @_;
        # What a string may hold, and UTF-8 may not.
        $message =~ s/[^\x{0}-\x{d7ff}\x{e000}-\x{10ffff}]/\x{fffd}/g if utf8::is_utf8($message);
        return { errorType => $type, errorMessage => "$message", stackTrace => $stack, $cause ? (cause => $cause) : () };
    }

    # The report of an error: a text, a hash, or an object of any class. Two names are usual for what it came from.
    sub report_of {
        my ($error, $causes, @where) = @_;
        # What is called to find out may fail, which is no matter of the handler's.
        local $SIG{__DIE__};
        if (!ref $error) {
            @where = ("$1:$2") if !@where && $error =~ m{ at (/\S+) line (\d+)};
            return report('Error', $error =~ s/\n\z//r, \@where);
        }
        return report('Error', eval { $json->encode($error) } // "$error", \@where) unless $can->($error, 'can');
        my ($cause) = grep { defined && $causes } map { my $name = $_; eval { $error->can($name) ? $error->$name : undef } } qw(previous_exception cause);
        my $message = eval { my $told = $error->message; defined $told ? "$told" : undef } // eval { "$error" } // 'its text cannot be had';
        return report(ref $error, $message, \@where, defined $cause ? report_of($cause, $causes - 1) : undef);
    }

    # Called by `die`, while the calls that led there are still known.
    sub remember {
        @stack = ();
        for (my $at = 0; my @call = caller $at; $at++) {
            next if $call[1] eq '-e';
            last if @stack == STACK_LINES;
            my $within = (caller $at + 1)[3] // '';
            push @stack, "$call[1]:$call[2]" . ($within =~ /^(?:\(eval\)|Lambwire::.*|)\z/ ? '' : " in $within");
        }
    }

    sub end {
        my ($report) = @_;
        write_frame('fatal', $id, $json->encode($report));
        exit 1;
    }

    sub load {
        open my $readable, '<', $file or end(report('Runtime.UnreadableFile', "cannot read $file: $!", []));
        close $readable;
        unshift @INC, '.', $file =~ s{/[^/]*\z}{}r;
        my $returned = do { package main; do $file };
        end(report_of($@, CAUSES, @stack)) if $@;
        my $full = $name =~ s{\.}{::}gr;
        $full = "main::$full" if $full !~ /::/;
        { no strict 'refs'; $handler = defined &$full ? \&$full : ref $returned eq 'CODE' ? $returned : undef }
        end(report('Runtime.HandlerNotFound', "$file has no function $name, and returns none", [])) unless $handler;
        # Code that looks for AWS::Lambda's context is content with ours.
        @Lambwire::Context::ISA = 'AWS::Lambda::Context' if $INC{'AWS/Lambda/Context.pm'};
    }

    # Calls a function of the handler's. `next`, `last` and `redo` in it would go on with whichever loop is around it.
    sub call {
        my ($function, @arguments) = @_;
        my ($called, $returned, $result);
        for my $once (1) {
            last if $called++;
            $result = $function->(@arguments);
            $returned = 1;
        }
        return $result if $returned;
        die "a function was left by next, last or redo, which is no answer\n";
    }

    sub answer {
        my ($line, $body) = @_;
        my $context = read_context($line);
        # Whoever has locked it will not look for a trace there.
        unheard(sub {
            if (defined(my $trace_id = $context->{trace_id})) { $ENV{_X_AMZN_TRACE_ID} = bytes($trace_id) }
            else                                              { delete $ENV{_X_AMZN_TRACE_ID} }
        });
        no warnings 'once';
        $AWS::Lambda::context = $context;
        my $event = $is_raw ? [$body] : unheard(sub { [$json->decode($body)] }) || refuse('event cannot be read', $@);
        my $result = call($handler, ($event->[0], $context)[0 .. $last]);
        if (ref $result eq 'CODE') {
            call(sub { $result->(responder()); 1 });
            return ('end', '');
        }
        return ('bytes', utf8::downgrade($result, 1) ? $result : bytes($result)) if $is_raw && defined $result && !ref $result;
        my $encoded = encode(result => $result);
        return $encoded =~ /^"/ ? ('text', text($result)) : ('result', $encoded);
    }

    sub encode {
        my ($what, $value) = @_;
        return unheard(sub { $json->encode($value) }) // refuse("$what cannot be written", $@);
    }

    # What our own code dies of is no matter of a handler's for errors.
    sub unheard {
        my ($function) = @_;
        local $SIG{__DIE__};
        return eval { $function->() };
    }

    # Where in our own code or that of JSON::PP it was found out is of no use to anybody.
    sub refuse {
        my ($what, $why) = @_;
        local $SIG{__DIE__};
        die "the $what as JSON: " . $why =~ s/(?: at \S+ line \d+\.?)?\n\z//r . "\n";
    }

    # A string may be of characters, or of bytes that are UTF-8, such as JSON; bytes that are not are characters of Latin-1.
    sub text {
        my ($text) = @_;
        my $copy = $text;
        utf8::encode($text) if utf8::is_utf8($text) || !utf8::decode($copy);
        return $text;
    }

    # What a handler that answers in pieces is given: a function that takes a piece. The one of AWS::Lambda takes a media
    # type, and returns a writer; so does this when it is given one first, and its caller wants something back.
    sub responder {
        my $pieces = 0;
        return sub {
            my ($piece) = @_;
            if (!$pieces++ && defined wantarray && !ref $piece && $piece =~ m{^[\w.+-]+/[\w.+-]+(?:\s*;.*)?\z}) {
                my $has_prelude = $piece =~ m{^application/vnd\.awslambda\.http-integration-response};
                return bless { id => $id, prelude => $has_prelude ? '' : undef }, 'Lambwire::Writer';
            }
            die "a piece of an answer is a string\n" if !defined $piece || ref $piece && $pieces > 1;
            ref $piece ? write_frame('prelude', $id, encode(prelude => $piece)) : write_chunks($id, $piece);
            return 1;
        };
    }

    # With AWS_LAMBDA_LOG_FORMAT=JSON, warnings are lines as Lambda's own runtimes write them.
    sub set_log {
        return if ($ENV{AWS_LAMBDA_LOG_FORMAT} // '') ne 'JSON';
        my $is_told = ($ENV{AWS_LAMBDA_LOG_LEVEL} // '') !~ /^(?:ERROR|FATAL)\z/i;
        $SIG{__WARN__} = sub {
            return unless $is_told;
            my $now = Time::HiRes::time();
            my ($s, $min, $h, $day, $month, $year) = gmtime $now;
            my $time = sprintf '%d-%02d-%02dT%02d:%02d:%02d.%03dZ', $year + 1900, $month + 1, $day, $h, $min, $s, 1000 * ($now - int $now);
            my $line = $json->encode({ timestamp => $time, level => 'WARN', message => "$_[0]" =~ s/\n\z//r, requestId => $id });
            local ($\, $,);
            print STDERR "$line\n";
        };
    }

    # Has a function called before a snapshot of the process is taken (SnapStart).
    sub register_before_snapshot { push @before, @_ }

    # Has a function called in each process that is restored from a snapshot, before its first event.
    sub register_after_restore { push @after, @_ }

    sub run_hooks {
        my ($kind) = @_;
        # What was set up last is taken down first.
        call($_) for $kind eq 'before-snapshot' ? reverse @before : @after;
        # All that are restored from one snapshot would draw the same numbers.
        srand if $kind eq 'after-restore';
        return ('done', '');
    }

    # What was printed by now goes to the log, whatever has become of $|.
    sub flush {
        my $selected = select STDOUT;
        $| = 1;
        select $selected;
    }

    sub serve {
        $is_raw = exists $ENV{LAMBWIRE_BYTES} && length $ENV{LAMBWIRE_BYTES};
        my %traits = ($is_raw ? (bytes => \1) : (), @before || @after ? (snapshot => \1) : (), ref $SIG{TERM} ? (sigterm => \1) : ());
        write_frame('ready', '-', %traits ? $json->encode(\%traits) : '');
        while (1) {
            my ($kind, $about, $context, $body) = read_frame();
            ($id, @stack) = ($about);
            my @said;
            until (eval { @said = $kind eq 'event' ? answer($context, $body) : run_hooks($kind); 1 }) {
                # So a signature says, before anything in the handler has run, that it takes fewer.
                next if !ref $@ && $@ =~ /^Too many arguments for subroutine.* at -e line/ && $last-- >= 0;
                my $report = report_of($@, CAUSES, @stack);
                print STDERR "in a process that the handler has forked: $report->{errorMessage}\n" if $$ != $pid;
                @said = ('error', $json->encode($report));
                last;
            }
            flush();
            # What a handler of signals does from here on is of no invocation.
            $id = '-';
            write_frame($said[0], $about, $said[1]);
        }
    }

    flush();
    set_log();
    $SIG{__DIE__} = \&remember;
    eval { load(); serve(); 1 } or end(report_of($@, CAUSES, @stack));
}
