<?php
// Serves a handler in a PHP file by the worker protocol (docs/worker-protocol.md). The bootstrap has `php -r` run this.
// Between two events it relies on nothing that a handler may have changed: settings, error handlers, output buffers,
// signals, globals, the working directory.

namespace Lambwire {

use function explode, feof, fgets, fread, fwrite, ini_get, is_int, is_string, json_decode, json_encode, ob_get_level, strlen, strpos,
    substr;

// Most levels of JSON, and what is in the innermost, which PHP counts, too. Its parser has room for 1,666 levels of objects that
// have a member before the next, for more of others, and calls what is too deep for it a syntax error.
const DEPTH = 1601;

// As much as most pipes hold, in bytes. What is larger is written by itself, instead of being copied behind its head.
const PIPE_BYTES = 65536;
// Most bytes of a piece of a stream in one frame: there is a largest frame, but no largest piece.
const PIECE_BYTES = 1024 * 1024;

// An error's cause has a cause in turn: so many are reported.
const CAUSES = 10;
// Most lines of a stack in a report.
const STACK_LINES = 100;

// Memory that is kept to report that there is none, in bytes.
const SPARE_BYTES = 65536;

// How long to wait at most before signals are looked for again, in microseconds: one may come just before the wait.
const WAIT_US = 100000;

// What handlers hand in and out: integers that PHP has no room for are strings, and 1.0 stays what it is.
const READ = JSON_BIGINT_AS_STRING;
const WRITE = JSON_UNESCAPED_SLASHES | JSON_UNESCAPED_UNICODE | JSON_PRESERVE_ZERO_FRACTION;

// What a handler learns about its invocation: by key, as a property, or by the methods that bref's context has.
final class Context implements \ArrayAccess, \Countable, \IteratorAggregate, \JsonSerializable
{
    private ?array $fields = null;

    // `$line` is read when it is looked into.
    public function __construct(private string $line)
    {
    }

    public function getArrayCopy(): array
    {
        return $this->fields ??= json_decode($this->line, true, DEPTH, READ) ?? $this->readApart();
    }

    // What the caller sent may be JSON that PHP does not take, such as half of a surrogate pair. It is left as text.
    private function readApart(): array
    {
        [$own, $foreign] = explode(',"identity":', substr($this->line, 0, -2), 2);
        $fields = json_decode("$own}", true);
        [$texts['identity'], $texts['client_context']] = explode(',"client_context":', $foreign, 2);
        foreach ($texts as $key => $text) {
            $fields[$key] = json_decode($text, true, DEPTH, READ) ?? ($text === 'null' ? null : $text);
        }
        return $fields;
    }

    public function offsetExists(mixed $key): bool
    {
        return isset($this->getArrayCopy()[$key]);
    }

    public function offsetGet(mixed $key): mixed
    {
        return $this->getArrayCopy()[$key];
    }

    public function offsetSet(mixed $key, mixed $value): void
    {
        $this->fields = [$key => $value] + $this->getArrayCopy();
    }

    public function offsetUnset(mixed $key): void
    {
        $this->fields = array_diff_key($this->getArrayCopy(), [$key => null]);
    }

    public function __isset(string $key): bool
    {
        return $this->offsetExists($key);
    }

    public function __get(string $key): mixed
    {
        return $this->offsetGet($key);
    }

    public function __set(string $key, mixed $value): void
    {
        $this->offsetSet($key, $value);
    }

    public function count(): int
    {
        return count($this->getArrayCopy());
    }

    public function getIterator(): \Iterator
    {
        return new \ArrayIterator($this->getArrayCopy());
    }

    public function jsonSerialize(): array
    {
        return $this->getArrayCopy();
    }

    // What is left until the deadline. An invocation by hand may have none.
    public function getRemainingTimeInMillis(): int
    {
        $deadline = $this['deadline_ms'];
        return $deadline === null ? PHP_INT_MAX : max(0, $deadline - (int) (microtime(true) * 1000));
    }

    public function getAwsRequestId(): string
    {
        return $this['aws_request_id'];
    }

    public function getInvokedFunctionArn(): string
    {
        return $this['invoked_function_arn'] ?? '';
    }

    public function getTraceId(): string
    {
        // Every event asks for it. What others have written stands behind it, and need not be read.
        $start = strpos($this->line, ',"trace_id":') + strlen(',"trace_id":"');
        if ($this->line[$start - 1] === '"') {
            $trace = substr($this->line, $start, strpos($this->line, '"', $start) - $start);
            if (strpos($trace, '\\') === false) {
                return $trace;
            }
        }
        return $this['trace_id'] ?? '';
    }

    public function toBref(): \Bref\Context\Context
    {
        return new \Bref\Context\Context($this->getAwsRequestId(), $this['deadline_ms'] ?? PHP_INT_MAX,
            $this->getInvokedFunctionArn(), $this->getTraceId());
    }
}

// The two pipes to the bootstrap.
final class Frames
{
    private $events;
    private $answers;
    private int $pid;
    private bool $hasSignals;
    // Whether a frame has been begun, and not ended.
    private bool $isTorn = false;

    public function __construct()
    {
        $this->pid = getmypid();
        $this->hasSignals = function_exists('pcntl_signal_get_handler');
        $this->events = self::open('LAMBWIRE_EVENTS_FD', 'rb');
        $this->answers = self::open('LAMBWIRE_ANSWERS_FD', 'wb');
        // What is large is not to go through PHP's buffer. Lines are read ahead all the same.
        stream_set_read_buffer($this->events, 0);
    }

    // Opens a pipe so that other programs do not inherit it. PHP would follow the link by itself to a file that is not there,
    // but does not where what stands before it is not there. Without `/proc`, the pipe has been inherited.
    private static function open(string $variable, string $mode)
    {
        $number = getenv($variable);
        return @fopen("/proc/self/fd/-/../$number", "{$mode}e") ?: fopen("php://fd/$number", $mode);
    }

    // The next thing to do: its kind, id, context and body. The process ends when there will be none.
    public function read(): array
    {
        $head = '';
        do {
            // What a handler of signals throws is no matter of the next event.
            ($this->hasHandlerOfSigterm() || $this->hasSignals && pcntl_async_signals()) && $this->waitWithSignals();
            $head .= $this->checked(fgets($this->events));
        } while (substr($head, -1) !== "\n");
        [$kind, $id, $context, $body] = explode(' ', $head);
        return [$kind, $id, $this->take((int) $context), $this->take((int) $body)];
    }

    private function take(int $length): string
    {
        // All at once, but where the pipe was inherited: a string to which each piece is added would be copied each time.
        for ($pieces = []; $length > 0; $length -= strlen($piece)) {
            $pieces[] = $piece = $this->checked(fread($this->events, $length));
        }
        return implode($pieces);
    }

    private function checked(string|false $read): string
    {
        if ($read == '') {
            feof($this->events) && exit(0);
            // A handler may have had all descriptors wait for nothing.
            stream_set_blocking($this->events, true);
        }
        return (string) $read;
    }

    public function hasHandlerOfSigterm(): bool
    {
        return $this->hasSignals && !is_int(pcntl_signal_get_handler(SIGTERM));
    }

    // Runs handlers of signals at once, which `fread` does not: it begins anew after a signal.
    private function waitWithSignals(): void
    {
        do {
            // A signal is a warning to PHP, and a warning an exception to many error handlers.
            set_error_handler(static fn () => true);
            [$read, $none] = [[$this->events], null];
            $ready = stream_select($read, $none, $none, 0, WAIT_US);
            restore_error_handler();
            pcntl_signal_dispatch();
        } while (!$ready);
    }

    // Writes a frame; in a child that a handler has forked, it ends the child: the answer is its parent's to give.
    public function write(string $kind, string $id, string $body = ''): void
    {
        if ($this->isInChild()) {
            self::endChild();
        }
        // A signal's handler has thrown within a frame: whatever is written would be taken for the rest of that. It ends the worker.
        if ($this->isTorn) {
            file_put_contents('php://stderr', "$body\n");
            exit(1);
        }
        $this->isTorn = true;
        $head = "$kind $id " . strlen($body) . "\n";
        foreach (strlen($body) < PIPE_BYTES ? [$head . $body] : [$head, $body] as $bytes) {
            for (; $bytes !== ''; $bytes = substr($bytes, $written)) {
                $written = fwrite($this->answers, $bytes);
                // The bootstrap is gone.
                $written === false && exit(1);
                $written === 0 && stream_set_blocking($this->answers, true);
            }
        }
        $this->isTorn = false;
    }

    public function isInChild(): bool
    {
        return getmypid() != $this->pid;
    }

    // PHP's own exit would run what the parent has registered for its end.
    private static function endChild(): never
    {
        set_error_handler(null);
        function_exists('pcntl_exec') && @pcntl_exec('/bin/true');
        posix_kill(getmypid(), 9);
        exit(1);
    }
}

// The report of an error.
final class Report
{
    public static function of(\Throwable $error): string
    {
        for ($chain = []; $error && count($chain) < CAUSES; $error = $error->getPrevious()) {
            array_unshift($chain, $error);
        }
        foreach ($chain as $error) {
            // Behind a NUL, a class without a name has its place.
            $report = self::members(strtok(get_class($error), "\0"), $error->getMessage(), self::stack($error))
                + (isset($report) ? ['cause' => $report] : []);
        }
        return self::encode($report);
    }

    public static function plain(string $type, string $message, array $stack = []): string
    {
        return self::encode(self::members($type, $message, $stack));
    }

    private static function members(string $type, string $message, array $stack): array
    {
        return ['errorType' => $type, 'errorMessage' => $message, 'stackTrace' => $stack];
    }

    private static function encode(array $report): string
    {
        return json_encode($report, WRITE | JSON_INVALID_UTF8_SUBSTITUTE | JSON_PARTIAL_OUTPUT_ON_ERROR, DEPTH);
    }

    // From where it was thrown outward, as far as the handler's own files go.
    private static function stack(\Throwable $error): array
    {
        $lines = [];
        $place = ['file' => $error->getFile(), 'line' => $error->getLine()];
        foreach ([...$error->getTrace(), []] as $call) {
            $file = $place['file'] ?? '[internal function]';
            if ($file === __FILE__ || count($lines) === STACK_LINES) {
                break;
            }
            $name = ($call['class'] ?? '') . ($call['type'] ?? '') . ($call['function'] ?? '');
            $lines[] = $file . (isset($place['line']) ? ":{$place['line']}" : '') . ($name === '' ? '' : " in $name");
            $place = $call;
        }
        return $lines;
    }
}

// The handler, and how it is called.
final class Handler
{
    private \Closure $call;
    private bool $takesObjects;
    private bool $takesBref;

    private function __construct(callable $callable, bool $isReturned)
    {
        $this->call = \Closure::fromCallable($callable);
        $parameters = (new \ReflectionFunction($this->call))->getParameters();
        $types = self::types($parameters[0] ?? null);
        $this->takesObjects = (bool) array_intersect($types, ['stdClass', 'object']);
        $types = self::types($parameters[1] ?? null);
        $this->takesBref = in_array('Bref\Context\Context', $types)
            || $isReturned && $types === [] && self::hasClass('Bref\Context\Context');
    }

    // There are autoloaders that throw where they find no class.
    private static function hasClass(string $name): bool
    {
        try {
            return class_exists($name);
        } catch (\Throwable) {
            return false;
        }
    }

    private static function types(?\ReflectionParameter $parameter): array
    {
        return array_filter(preg_split('/[|&?]/', (string) $parameter?->getType()), fn ($type) => !in_array($type, ['', 'mixed']));
    }

    // A function or static method of the file by this name, or else what the file returns; `null` if that is no handler.
    public static function find(string $name, mixed $returned): ?self
    {
        if (is_callable($function = str_replace('.', '::', $name))) {
            return new self($function, false);
        }
        if (is_array($returned) && isset($returned[$name])) {
            $returned = $returned[$name];
        }
        if ($returned instanceof \Psr\Http\Server\RequestHandlerInterface && self::hasClass('Bref\Event\Http\Psr15Handler')) {
            $returned = new \Bref\Event\Http\Psr15Handler($returned);
        }
        $method = [$returned, $returned instanceof \Bref\Event\Handler ? 'handle' : $name];
        foreach ([$returned, $method] as $callable) {
            if (!is_string($callable) && is_callable($callable)) {
                return new self($callable, true);
            }
        }
        return null;
    }

    // Calls it, sends what comes in pieces, and gives the kind and the body of the last frame.
    public function invoke(Context $context, string $body, Frames $frames, string $id, bool $isRaw): array
    {
        if ($this->takesBref) {
            $context = $context->toBref();
            $_SERVER['LAMBDA_INVOCATION_CONTEXT'] = json_encode($context);
        }
        $event = $isRaw ? $body : json_decode($body, !$this->takesObjects, DEPTH, READ);
        if ($event === null && json_last_error()) {
            throw new \JsonException('the event cannot be read as JSON: ' . json_last_error_msg());
        }
        $result = ($this->call)($event, $context);
        if (is_string($result)) {
            return [$isRaw ? 'bytes' : 'text', $result];
        }
        return $result instanceof \Generator ? self::sendPieces($result, $frames, $id) : ['bytes', self::encode($result, 'result')];
    }

    private static function encode(mixed $value, string $what): string
    {
        // With another precision, numbers lose digits or are given some.
        $precision = ini_get('serialize_precision');
        $precision === '-1' || ini_set('serialize_precision', '-1');
        $json = json_encode($value, WRITE, DEPTH);
        $precision === '-1' || ini_set('serialize_precision', $precision);
        return $json === false ? throw new \JsonException("the $what cannot be written as JSON: " . json_last_error_msg()) : $json;
    }

    private static function sendPieces(\Generator $pieces, Frames $frames, string $id): array
    {
        $isFirst = true;
        foreach ($pieces as $piece) {
            if (is_string($piece) || is_int($piece) || is_float($piece) || $piece instanceof \Stringable) {
                foreach (str_split((string) $piece, PIECE_BYTES) ?: [''] as $part) {
                    $frames->write('chunk', $id, $part);
                }
            } elseif ($isFirst && (is_array($piece) || is_object($piece))) {
                $frames->write('prelude', $id, self::encode($piece, 'prelude'));
            } else {
                throw new \UnexpectedValueException('a piece of an answer is a string, not ' . get_debug_type($piece));
            }
            $isFirst = false;
        }
        return ['end', ''];
    }
}

// With AWS_LAMBDA_LOG_FORMAT=JSON, PHP's warnings and notices, and what `error_log` is given, are lines as Lambda's own
// runtimes write them.
final class Log
{
    private const LEVELS = ['TRACE', 'DEBUG', 'INFO', 'WARN', 'ERROR', 'FATAL'];
    private static int $least;
    private static $stderr;

    public static function set(): void
    {
        $least = array_search(strtoupper((string) getenv('AWS_LAMBDA_LOG_LEVEL')), self::LEVELS);
        self::$least = $least === false ? 2 : $least;
        self::$stderr = fopen('php://stderr', 'wb');
        set_error_handler(self::write(...));
    }

    // PHP lets a function be defined by the name of one that its settings disable. They can be given at its start alone, so
    // it is started anew, where it can do that.
    public static function disableErrorLog(): void
    {
        $disabled = ltrim(get_cfg_var('disable_functions') . ',error_log', ',');
        $words = explode("\0", substr(@file_get_contents('/proc/self/cmdline'), 0, -1));
        if (isset($words[1]) && function_exists('pcntl_exec') && !in_array("disable_functions=$disabled", $words)) {
            pcntl_exec(PHP_BINARY, ['-d', "disable_functions=$disabled", ...array_slice($words, 1)]);
        }
    }

    // PHP calls this. `false` has it go on as without.
    private static function write(int $number, string $message, string $file, int $line): bool
    {
        if (!(error_reporting() & $number) || $number & (E_USER_ERROR | E_RECOVERABLE_ERROR)) {
            return false;
        }
        return self::line($number & (E_WARNING | E_USER_WARNING) ? 'WARN' : 'INFO', $message, ['location' => "$file:$line"]);
    }

    public static function line(string $level, string $message, array $more = []): bool
    {
        if (array_search($level, self::LEVELS) >= self::$least) {
            $time = \DateTime::createFromFormat('U.u', sprintf('%.6F', microtime(true)))->format('Y-m-d\TH:i:s.v\Z');
            $line = ['timestamp' => $time, 'level' => $level, 'message' => $message, 'requestId' => Worker::$id] + $more;
            fwrite(self::$stderr, json_encode($line, WRITE | JSON_INVALID_UTF8_SUBSTITUTE) . "\n");
        }
        return true;
    }
}

// What runs around a snapshot of the process (SnapStart).
final class Hooks
{
    public static array $before = [];
    public static array $after = [];

    public static function run(string $kind): void
    {
        // What was set up last is taken down first.
        foreach ($kind === 'before-snapshot' ? array_reverse(self::$before) : self::$after as $hook) {
            $hook();
        }
        if ($kind === 'after-restore') {
            // All that are restored from one snapshot would draw the same numbers.
            mt_srand(random_int(0, PHP_INT_MAX));
        }
    }
}

// Has `$hook` called before a snapshot is taken.
function register_before_snapshot(callable $hook): void
{
    Hooks::$before[] = $hook;
}

// Has `$hook` called in each process that is restored from a snapshot, before its first event.
function register_after_restore(callable $hook): void
{
    Hooks::$after[] = $hook;
}

// What happens from the start to the end.
final class Worker
{
    private static Frames $frames;
    private static ?string $spare;
    private static string $function;
    public static string $file;
    // Whether events are handed over as bytes, and strings sent as they stand.
    private static bool $isRaw;
    // The invocation under way.
    public static string $id = '-';

    public static function start(): void
    {
        // Settings may disable functions. What this can do without is defined here, where PHP looks for it first.
        foreach (['getmypid', 'ini_set', 'pcntl_async_signals', 'putenv', 'set_time_limit'] as $name) {
            function_exists($name) || eval("namespace Lambwire; function $name() { return false; }");
        }
        self::$frames = new Frames;
        self::$file = getenv('LAMBWIRE_FILE');
        self::$function = getenv('LAMBWIRE_FUNCTION');
        foreach (['EVENTS_FD', 'ANSWERS_FD', 'FILE', 'FUNCTION'] as $name) {
            putenv("LAMBWIRE_$name");
            unset($_SERVER["LAMBWIRE_$name"], $_ENV["LAMBWIRE_$name"]);
        }
        // Or else PHP ends, without a word, when a handler prints after it has closed its output.
        ini_set('ignore_user_abort', '1');
        self::$spare = str_repeat('x', SPARE_BYTES);
        register_shutdown_function(self::reportFatal(...));
        // The bootstrap has put it aside, as it would not let the pipes be opened.
        $allowed = get_cfg_var('lambwire.open_basedir');
        $allowed && ini_set('open_basedir', $allowed) === false && throw new \Error("open_basedir cannot be $allowed");
    }

    // A fatal error, such as memory that has run out, leaves nothing to catch.
    private static function reportFatal(): void
    {
        self::$spare = null;
        $error = error_get_last();
        $fatal = E_ERROR | E_CORE_ERROR | E_COMPILE_ERROR | E_USER_ERROR | E_RECOVERABLE_ERROR;
        if ($error && $error['type'] & $fatal && !self::$frames->isInChild()) {
            $type = str_contains($error['message'], 'Allowed memory size') ? 'Runtime.OutOfMemory' : 'FatalError';
            self::end(Report::plain($type, $error['message'], ["{$error['file']}:{$error['line']}"]));
        }
    }

    public static function end(string $report): never
    {
        // It may be `fopen` that there is not.
        isset(self::$frames) ? self::$frames->write('fatal', self::$id, $report)
            : (new \SplFileObject("php://fd/$_SERVER[LAMBWIRE_ANSWERS_FD]", 'w'))->fwrite('fatal - ' . strlen($report) . "\n$report");
        exit(1);
    }

    public static function serve(mixed $returned): never
    {
        $handler = Handler::find(self::$function, $returned);
        if (!$handler) {
            $message = self::$file . ' has no function ' . self::$function . ', and returns no handler';
            self::end(Report::plain('Runtime.HandlerNotFound', $message));
        }
        self::$isRaw = getenv('LAMBWIRE_BYTES') != '';
        $traits = array_filter(['bytes' => self::$isRaw, 'sigterm' => self::$frames->hasHandlerOfSigterm(), 'snapshot' => Hooks::$before || Hooks::$after]);
        self::$frames->write('ready', '-', $traits ? json_encode($traits) : '');
        for ($buffers = ob_get_level();;) {
            [$kind, $id, $context, $body] = self::$frames->read();
            self::$id = $id;
            try {
                if ($kind === 'event') {
                    $context = new Context($context);
                    self::prepare($context);
                    [$kind, $body] = $handler->invoke($context, $body, self::$frames, $id, self::$isRaw);
                } else {
                    Hooks::run($kind);
                    $kind = 'done';
                }
            } catch (\Throwable $error) {
                self::$frames->isInChild() && error_log("in a process that the handler has forked: $error");
                [$kind, $body] = ['error', Report::of($error)];
            }
            // What is left in buffers is of this event's log.
            while (ob_get_level() > $buffers && ob_get_status()['flags'] & PHP_OUTPUT_HANDLER_REMOVABLE) {
                ob_end_flush();
            }
            // What a handler of signals does from here on is of no invocation.
            self::$id = '-';
            self::$frames->write($kind, $id, $body);
        }
    }

    private static function prepare(Context $context): void
    {
        $trace = $context->getTraceId();
        putenv($trace === '' ? '_X_AMZN_TRACE_ID' : "_X_AMZN_TRACE_ID=$trace");
        $_SERVER['_X_AMZN_TRACE_ID'] = $trace;
        // A time limit is meant for each event.
        if ($limit = (int) ini_get('max_execution_time')) {
            set_time_limit($limit);
        }
    }
}

}

namespace {
    try {
        if (getenv('AWS_LAMBDA_LOG_FORMAT') === 'JSON') {
            function_exists('error_log') && \Lambwire\Log::disableErrorLog();
            if (!function_exists('error_log')) {
                function error_log(string $message, int $message_type = 0, ?string $destination = null, ?string $additional_headers = null): bool
                {
                    return match ($message_type) {
                        0, 4 => \Lambwire\Log::line('ERROR', $message),
                        1 => mail($destination, 'PHP error_log message', $message, $additional_headers ?? ''),
                        3 => is_int(file_put_contents($destination, $message, FILE_APPEND)),
                        default => false,
                    };
                }
            }
            \Lambwire\Log::set();
        }
        \Lambwire\Worker::start();
        // A file is not the first that is included, as it is where it is run by itself.
        require 'php://memory';
        // Not within a function: what the file has in variables is global to its functions.
        \Lambwire\Worker::serve(require \Lambwire\Worker::$file);
    } catch (\Throwable $error) {
        \Lambwire\Worker::end(\Lambwire\Report::of($error));
    }
}
