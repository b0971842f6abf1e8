# A PSGI application on Plack, and what makes a handler of it: an environment of an event, and an answer of a response.
use strict;
use warnings;
use JSON::PP ();
use MIME::Base64 qw(decode_base64 encode_base64);
use Plack::Builder;
use Plack::Request;
use Plack::Util;

my $app = builder {
    enable 'ContentLength';
    enable 'HTTPExceptions', rethrow => 1;
    mount '/hello' => sub {
        my $request = Plack::Request->new(shift);
        my $response = $request->new_response(200, ['Content-Type' => 'text/plain; charset=utf-8', 'X-Path' => $request->path_info]);
        $response->body('Hello ' . $request->query_parameters->{name});
        return $response->finalize;
    };
    mount '/echo' => sub {
        my $request = Plack::Request->new(shift);
        return [201, ['Content-Type' => $request->content_type], [$request->content]];
    };
    mount '/bytes' => sub { [200, ['Content-Type' => 'image/png'], ["\0\xff\x7f"]] };
    mount '/delayed' => sub {
        my $respond = shift;
        return sub { $_[0]->([202, ['Content-Type' => 'text/plain'], ['de', 'layed']]) };
    };
    mount '/stream' => sub {
        return sub {
            my $writer = $_[0]->([200, ['Content-Type' => 'text/plain']]);
            $writer->write($_) for 'one ', 'two ', "three\xff";
            $writer->close;
        };
    };
    mount '/fails' => sub { die "in a route\n" };
};

sub environment {
    my ($event) = @_;
    my $body = $event->{isBase64Encoded} ? decode_base64($event->{body}) : $event->{body} // '';
    utf8::encode($body) if utf8::is_utf8($body);
    open my $input, '<', \$body or die $!;
    my %headers = map { ('HTTP_' . uc(s/-/_/gr) => $event->{headers}{$_}) } keys %{ $event->{headers} };
    return {
        %headers,
        REQUEST_METHOD => $event->{requestContext}{http}{method}, SCRIPT_NAME => '', PATH_INFO => $event->{rawPath},
        QUERY_STRING => $event->{rawQueryString}, SERVER_NAME => 'example.com', SERVER_PORT => 443, SERVER_PROTOCOL => 'HTTP/1.1',
        REQUEST_URI => $event->{rawPath}, CONTENT_LENGTH => length $body, CONTENT_TYPE => $event->{headers}{'content-type'},
        'psgi.version' => [1, 1], 'psgi.url_scheme' => 'https', 'psgi.input' => $input, 'psgi.errors' => \*STDERR,
        'psgi.multithread' => 0, 'psgi.multiprocess' => 0, 'psgi.run_once' => 0, 'psgi.nonblocking' => 0, 'psgi.streaming' => 1,
    };
}

sub buffered {
    my ($event) = @_;
    my ($status, $headers, $body) = @{ $app->(environment($event)) };
    my $text = '';
    Plack::Util::foreach($body, sub { $text .= $_[0] });
    return { statusCode => $status, headers => {@$headers}, body => encode_base64($text, ''), isBase64Encoded => \1 };
}

# By the responder of AWS::Lambda, which is given a media type and returns a writer.
sub streamed {
    my ($event) = @_;
    my $response = $app->(environment($event));
    return sub {
        my ($responder) = @_;
        my $respond = sub {
            my ($status, $headers, $body) = @{ $_[0] };
            my $writer = $responder->('application/vnd.awslambda.http-integration-response');
            $writer->write(JSON::PP->new->canonical->encode({ statusCode => $status, headers => {@$headers} }) . "\0" x 8);
            return $writer unless defined $body;
            Plack::Util::foreach($body, sub { $writer->write($_[0]) });
            $writer->close;
        };
        ref $response eq 'CODE' ? $response->($respond) : $respond->($response);
    };
}

1;
