# The loop that articles have for a handler in Perl: HTTP::Tiny, which keeps its connection, and JSON::PP. With an
# argument, it has the kernel send the two parts of an answer at once, for which HTTP::Tiny has no option.
use strict;
use warnings;
use HTTP::Tiny;
use JSON::PP;
use Socket qw(IPPROTO_TCP TCP_NODELAY);

my ($file, $function) = split /\./, $ENV{_HANDLER};
require "$ENV{LAMBDA_TASK_ROOT}/$file.pl";
my $handler = main->can($function) or die "no function $function in $file.pl\n";

my $invocation = "http://$ENV{AWS_LAMBDA_RUNTIME_API}/2018-06-01/runtime/invocation";
my $http = HTTP::Tiny->new(keep_alive => 1);
my $json = JSON::PP->new->utf8->allow_nonref->convert_blessed;

while (1) {
    my $next = $http->get("$invocation/next");
    die "$next->{status} $next->{reason}\n" unless $next->{success};
    setsockopt $http->{handle}{fh}, IPPROTO_TCP, TCP_NODELAY, 1 if @ARGV;
    my $headers = $next->{headers};
    my $id = $headers->{'lambda-runtime-aws-request-id'};
    $ENV{_X_AMZN_TRACE_ID} = $headers->{'lambda-runtime-trace-id'};
    my $context = {
        function_name => $ENV{AWS_LAMBDA_FUNCTION_NAME},
        function_version => $ENV{AWS_LAMBDA_FUNCTION_VERSION},
        invoked_function_arn => $headers->{'lambda-runtime-invoked-function-arn'},
        memory_limit_in_mb => $ENV{AWS_LAMBDA_FUNCTION_MEMORY_SIZE},
        aws_request_id => $id,
        deadline_ms => $headers->{'lambda-runtime-deadline-ms'},
        trace_id => $headers->{'lambda-runtime-trace-id'},
    };
    my ($path, $answer) = ('response');
    eval { $answer = $handler->($json->decode($next->{content}), $context); 1 }
        or ($path, $answer) = ('error', {errorType => 'Died', errorMessage => "$@"});
    my $verdict = $http->post("$invocation/$id/$path",
        {headers => {'Content-Type' => 'application/json'}, content => $json->encode($answer)});
    die "$verdict->{status} $verdict->{reason}\n" unless $verdict->{success};
}
