# The worker for a function in a Ruby file. It speaks the worker protocol, and calls the function as AWS's client for
# Ruby does. What it needs of Ruby it takes before the file is loaded: the file may redefine it.
require 'json'
require 'logger'
require 'stringio'
require 'time'

# AWS's client has these loaded, so that there are functions that use them without asking for them.
autoload :Net, 'net/http'
autoload :URI, 'uri'

# What is loaded with that has a method of this name as well.
def URI(text)
  require 'uri'
  Kernel.URI(text)
end

# --- Context

# What a function learns about its invocation: all that AWS's class of this name has, and the trace.
class LambdaContext
  NAMES = %i[aws_request_id invoked_function_arn log_group_name log_stream_name function_name memory_limit_in_mb
             function_version identity tenant_id client_context deadline_ms trace_id x_amzn_trace_id].freeze
  CLOCK = Process.method(:clock_gettime)
  REAL, STEADY = Process::CLOCK_REALTIME, Process::CLOCK_MONOTONIC
  private_constant :NAMES, :CLOCK, :REAL, :STEADY
  attr_reader(*NAMES)

  def initialize(fields)
    NAMES.each { |name| instance_variable_set(:"@#{name}", fields[name.to_s]) }
    # A clock that is set meanwhile does not change what is left.
    @clock_diff = milliseconds(REAL) - milliseconds(STEADY)
  end

  def get_remaining_time_in_millis
    [@deadline_ms.to_i - milliseconds(STEADY) - @clock_diff, 0].max
  end

  def to_h
    NAMES.to_h { |name| [name, public_send(name)] }
  end

  private

  def milliseconds(clock)
    CLOCK.call(clock, :millisecond)
  end
end

# What a function may change to have events read and results written in another way, as with AWS's client.
module AwsLambda
  # An event as it came.
  Request = Struct.new(:body) do
    def [](name)
      name.to_s.casecmp?('content-type') ? 'application/json' : nil
    end
  end

  class Marshaller
    class << self
      # As deep as Ruby's own parser and generator go on a stack of 8 MiB, with room to spare.
      MAX_NESTING = 10_000
      PARSE = JSON.method(:parse)

      def marshall_request(request)
        PARSE.call(request.body, max_nesting: MAX_NESTING)
      end

      # JSON, or an object that is read and sent as it stands, with its content type.
      def marshall_response(response)
        case response
        when StringIO, IO then [response, 'application/unknown']
        when Hash, Array then response.to_json(max_nesting: MAX_NESTING)
        else response.to_json
        end
      end
    end
  end
end

module Lambwire
  PID = Process.pid
  FILE, FUNCTION = ENV.values_at('LAMBWIRE_FILE', 'LAMBWIRE_FUNCTION')
  EVENTS = IO.for_fd(Integer(ENV['LAMBWIRE_EVENTS_FD']), 'rb')
  ANSWERS = IO.for_fd(Integer(ENV['LAMBWIRE_ANSWERS_FD']), 'wb')
  [EVENTS, ANSWERS].each { |pipe| pipe.close_on_exec = true }
  ANSWERS.sync = true
  %w[LAMBWIRE_FILE LAMBWIRE_FUNCTION LAMBWIRE_EVENTS_FD LAMBWIRE_ANSWERS_FD].each { |name| ENV.delete(name) }

  # A method that is taken from an object stays what it is when its class is changed.
  READ_SOME, READ_ALL, WRITE = EVENTS.method(:readpartial), EVENTS.method(:read), ANSWERS.method(:write)
  PARSE, GENERATE = JSON.method(:parse), JSON.method(:generate)
  THREADS, SLEEP = Thread.method(:list), Kernel.method(:sleep)

  # How long a signal that has come may be on its way to its trap.
  SIGNAL_SECONDS = 0.2

  # Read at once, in bytes: what a pipe holds.
  READ_BYTES = 65_536
  # Most bytes of a piece of a stream in one frame: there is a largest frame, but no largest piece.
  PIECE_BYTES = 1024 * 1024
  # Of a stack, as many lines as AWS's client reports.
  STACK_LINES = 100
  # An error's cause has a cause in turn: so many are reported.
  CAUSES = 10
  # What ends the process: the bootstrap is to know that another has to take the next event.
  UNREADABLE = [JSON::ParserError, SystemStackError].freeze
  ENDS = [SystemExit, SignalException, NoMemoryError].freeze

  @received = String.new(capacity: READ_BYTES)
  @hooks = { 'before-snapshot' => [], 'after-restore' => [] }
  @own_bytes = nil

  class << self
    # --- Frames

    # Kind, id, context and body of the next frame; nil when there will be none.
    def receive
      head = nil
      @received << READ_SOME.call(READ_BYTES) until (head = @received.index("\n"))
      kind, id, *lengths = @received.slice!(0, head + 1).split(' ')
      context_length, body_length = lengths.map(&:to_i)
      missing = context_length + body_length - @received.bytesize
      @received << READ_ALL.call(missing) if missing.positive?
      context = @received.slice!(0, context_length)
      body = @received
      @received = String.new(capacity: READ_BYTES)
      [kind, id, context, body]
    rescue EOFError
      nil
    end

    def write_frame(kind, id, body = '')
      # A child that was forked by the handler, and has come out of it, has nothing to say.
      exit!(0) if $$ != PID
      # A signal's trap has raised within a frame: whatever is written would be taken for the rest of that. It ends the worker.
      raise if @is_torn

      @is_torn = true
      WRITE.call("#{kind} #{id} #{body.bytesize}\n", body)
      @is_torn = false
    end

    # --- Reports

    # An error as AWS's client reports it: its class within `Function<...>`, or `Init<...>` while the file is loaded.
    def report(error, where, causes = CAUSES)
      type = told('Exception') { error.class.to_s }
      made = { errorMessage: message_of(error), errorType: "#{where}<#{type}>", stackTrace: told([]) { stack_of(error) } }
      cause = told(nil) { error.cause }
      made[:cause] = report(cause, where, causes - 1) if cause && causes.positive?
      made
    end

    # Whatever an error says of itself may fail in turn.
    def told(instead)
      yield
    rescue Exception
      instead
    end

    def write_error(kind, id, its_report)
      write_frame(kind, id, GENERATE.call(its_report, max_nesting: 0))
    end

    def fault(type, message)
      { errorMessage: utf8(message), errorType: type, stackTrace: [] }
    end

    def message_of(error)
      utf8(error.message.to_s)
    rescue Exception => other
      "an error whose message raises #{other.class}"
    end

    def stack_of(error)
      (error.backtrace || []).map { |line| utf8(line) }.reject { |line| line.start_with?('-e:') }.first(STACK_LINES)
    end

    # JSON is UTF-8, and text may say that it is of another encoding than it is.
    def utf8(text)
      is_marked_otherwise = ![Encoding::UTF_8, Encoding::BINARY, Encoding::US_ASCII].include?(text.encoding)
      return text.encode('UTF-8', invalid: :replace, undef: :replace) if is_marked_otherwise

      text.dup.force_encoding('UTF-8').scrub
    end

    # --- Load

    def load_handler
      $LOAD_PATH.unshift(Dir.pwd) unless $LOAD_PATH.include?(Dir.pwd)
      require FILE
      return if handler

      give_up(fault('Runtime.HandlerNotFound', "no method #{FUNCTION} in #{FILE}"))
    rescue SystemExit => error
      write_error('fatal', '-', report(error, 'Init'))
      raise
    rescue SignalException
      raise
    rescue Exception => error
      give_up(report(error, 'Init'))
    end

    def give_up(its_report)
      write_error('fatal', '-', its_report)
      # Not `exit`, which would raise once more.
      @is_given_up = true
    end

    # What is to be called: a method of the object that a file is run in, or of a class, or a constant that has `call`.
    # It is looked for at each event, since libraries put methods of their own in the place of others.
    def handler
      *path, name = FUNCTION.split('.')
      owner = path.empty? ? TOPLEVEL_BINDING.receiver : Object.const_get(path.join('::'))
      return owner.method(name) if owner.respond_to?(name, true)

      space = path.empty? ? Object : owner
      space.const_get(name).method(:call) if name.match?(/\A[A-Z]/) && space.const_defined?(name)
    rescue NameError
      nil
    end

    # --- Invocations

    def serve(id, context, event)
      context = read_context(id, context) or return
      $_global_aws_request_id = id
      ENV['_X_AMZN_TRACE_ID'] = context.trace_id
      event = read_event(id, event) or return
      answer(id, call(handler, event.first, context))
    rescue *ENDS => error
      end_child(error)
      write_error('fatal', id, report(error, 'Function'))
      raise
    rescue Exception => error
      end_child(error)
      write_error('error', id, report(error, 'Function'))
    end

    # The context, or nil after the answer that what the caller sent along with the event cannot be read.
    def read_context(id, line)
      LambdaContext.new(PARSE.call(line, max_nesting: false))
    rescue *UNREADABLE => error
      message = "the client context or the identity cannot be read as JSON: #{message_of(error)}"
      write_error('error', id, fault('Runtime.LambdaContextUnmarshalError', message))
      nil
    end

    # The event in an array, or nil after the answer that it cannot be read.
    def read_event(id, event)
      return [event] if @is_raw

      [AwsLambda::Marshaller.marshall_request(AwsLambda::Request.new(event.force_encoding('UTF-8')))]
    rescue *UNREADABLE => error
      write_error('error', id, fault('Runtime.UnmarshalError', "event cannot be read as JSON: #{message_of(error)}"))
      nil
    end

    # Calls with the keywords `event` and `context`, as AWS's client does: a method without keywords finds them in one
    # hash. Where that would fail, because it has two parameters or none or one of the keywords, it gets what it takes.
    def call(callable, event, context)
      given = { event: event, context: context }
      parameters = callable.owner == Proc ? callable.receiver.parameters : callable.parameters
      kinds = parameters.map(&:first)
      return callable.call(**given) if kinds.include?(:keyrest)

      if kinds.any? { |kind| %i[key keyreq].include?(kind) }
        taken = parameters.select { |kind, _| %i[key keyreq].include?(kind) }.map(&:last)
        return callable.call(**given.slice(*taken))
      end
      # All parameters of a block are optional.
      needed = kinds.count(callable.owner == Proc && !callable.receiver.lambda? ? :opt : :req)
      return callable.call(event, context) if needed >= 2

      (kinds & %i[req opt rest]).empty? ? callable.call : callable.call(given)
    end

    def answer(id, result)
      return stream(id, result) if Enumerator === result

      return write_frame('bytes', id, result) if @is_raw && String === result

      text, type = AwsLambda::Marshaller.marshall_response(result)
      return write_frame('result', id, text) unless type

      write_frame('bytes', id, type == 'application/unknown' ? text.read.to_s : text)
    end

    # An Enumerator is an answer in pieces; the first may be a Hash of status, headers and cookies.
    def stream(id, pieces)
      pieces.each_with_index do |piece, index|
        if piece.is_a?(Hash) && index.zero?
          write_frame('prelude', id, piece.to_json)
        elsif piece.is_a?(String)
          (0...piece.bytesize).step(PIECE_BYTES) { |at| write_frame('chunk', id, piece.byteslice(at, PIECE_BYTES)) }
        else
          raise TypeError, "a stream has Strings, after a Hash if that comes first; its piece #{index} is a #{piece.class}"
        end
      end
      write_frame('end', id)
    end

    # A forked child has taken an error out of the handler, and ends as a program of its own would, but for what the
    # worker runs at its end.
    def end_child(error)
      return if $$ == PID

      exit!(error.status) if error.is_a?(SystemExit)
      warn(error.full_message(highlight: false))
      exit!(1)
    end

    # --- Hooks

    def before_snapshot(&hook)
      @hooks['before-snapshot'].unshift(hook)
    end

    def after_restore(&hook)
      @hooks['after-restore'].push(hook)
    end

    def run_hooks(kind)
      # Whoever is started from the same snapshot has the same state.
      srand if kind == 'after-restore'
      @hooks[kind].each(&:call)
      write_frame('done', '-')
    rescue Exception => error
      write_error('error', '-', report(error, 'Function'))
      raise if ENDS.any? { |kind| kind === error }
    end

    # --- Main loop

    def run
      load_handler
      exit(1) if @is_given_up
      wishes = self.wishes
      write_frame('ready', '-', GENERATE.call(wishes))
      known = THREADS.call
      while (kind, id, context, body = receive)
        kind == 'event' ? serve(id, context, body) : run_hooks(kind)
        known = THREADS.call if wishes[:sigterm]
      end
      wait_for_trap(known) if wishes[:sigterm]
    end

    # The signal was sent before events ended. A thread of Ruby's own has its trap called, which may not lock a thing, and
    # begins a thread where it has more to do.
    def wait_for_trap(known)
      SLEEP.call(SIGNAL_SECONDS)
      (THREADS.call - known).each(&:join)
    end

    def wishes
      previous = trap('TERM', 'DEFAULT')
      trap('TERM', previous)
      # Then events are handed over as they come, and Strings sent as they stand.
      @is_raw = !ENV['LAMBWIRE_BYTES'].to_s.empty?
      { sigterm: previous.is_a?(Proc), bytes: @is_raw, snapshot: @hooks.values.flatten.any? }.select { |_, is_so| is_so }
    end
  end
end

# --- Logging

# Loggers that write to standard output or standard error do so as with AWS's client, or as JSON.
module LambwireLogger
  IS_JSON = ENV['AWS_LAMBDA_LOG_FORMAT'].to_s.casecmp?('json')
  LEVEL = ENV['AWS_LAMBDA_LOG_LEVEL'].to_s.downcase.sub('trace', 'debug')[/\A(debug|info|warn|error|fatal)\z/] || 'debug'

  # The lines of AWS's client: with the request's id before the name of the program.
  class TextFormatter < Logger::Formatter
    def call(severity, time, program, message)
      head = "#{severity[0]}, [#{format_datetime(time)} ##{$$}] #{severity.rjust(5)} #{$_global_aws_request_id}"
      Lambwire.utf8("#{head} -- #{program}: #{msg2str(message)}\n")
    end
  end

  class JsonFormatter < Logger::Formatter
    def call(severity, time, program, message)
      line = { timestamp: time.getutc.iso8601(3), level: severity == 'ANY' ? 'INFO' : severity }
      line[:message] = message.is_a?(Hash) ? message : Lambwire.utf8(message.is_a?(Exception) ? Lambwire.message_of(message) : msg2str(message))
      line[:logger] = program if program
      line[:requestId] = $_global_aws_request_id if $_global_aws_request_id
      line.update(errorType: message.class.to_s, stackTrace: Lambwire.stack_of(message)) if message.is_a?(Exception)
      "#{line.to_json}\n"
    end
  end

  def initialize(device, *rest, level: LEVEL, formatter: nil, **options)
    is_log = device.equal?($stdout) || device.equal?($stderr) || device.equal?(STDOUT) || device.equal?(STDERR)
    formatter ||= (IS_JSON ? JsonFormatter : TextFormatter).new if is_log
    super(device, *rest, level: level, formatter: formatter, **options)
  end
end

Logger.prepend(LambwireLogger)
$stdout.sync = true
begin
  Lambwire.run
rescue SystemExit, SignalException
  raise
rescue Exception => error
  # Between events: raised by a signal's trap, or by a thread.
  exit!(1) if $$ != Lambwire::PID
  Lambwire.write_error('fatal', '-', Lambwire.report(error, 'Function'))
  exit(1)
end
