# Speaks the worker protocol for a function in a Ruby file.
require 'json'

module Lambwire
  EVENTS = IO.for_fd(ENV['LAMBWIRE_EVENTS_FD'].to_i, 'rb').binmode
  ANSWERS = IO.for_fd(ENV['LAMBWIRE_ANSWERS_FD'].to_i, 'wb').binmode
  FILE, NAME = ENV.values_at('LAMBWIRE_FILE', 'LAMBWIRE_FUNCTION')

  def self.tell(kind, body = '')
    ANSWERS.write("#{kind} #{@id || '-'} #{body.bytesize}\n", body)
    ANSWERS.flush
  end

  def self.report(type, message, stack = [])
    tell('error', JSON.generate(errorType: type, errorMessage: message.dup.force_encoding('UTF-8').scrub, stackTrace: stack))
  end

  def self.fail(error)
    report(error.class.name, error.message, (error.backtrace || []).reject { |line| line.start_with?('-e:') })
  end

  def self.next_event
    _, id, *lengths = (EVENTS.gets || exit).split
    context, event = lengths.map { |length| EVENTS.read(length.to_i) }
    @id = id
    [JSON.parse(context), event]
  end

  def self.context(fields)
    Struct.new(*fields.keys.map(&:to_sym)) do
      def get_remaining_time_in_millis = [deadline_ms.to_i - (Time.now.to_f * 1000).to_i, 0].max
    end.new(*fields.values)
  end

  def self.answer(handler, fields, event)
    ENV['_X_AMZN_TRACE_ID'] = fields['trace_id']
    event = JSON.parse(event)
    has_keywords = handler.parameters.any? { |kind, name| %i[key keyreq].include?(kind) && name == :event }
    arguments = [event, context(fields)].first(handler.arity.negative? ? 2 : handler.arity)
    result = has_keywords ? handler.call(event: event, context: context(fields)) : handler.call(*arguments)
    if result.is_a?(Enumerator)
      result.each { |piece| piece.is_a?(Hash) ? tell('prelude', JSON.generate(piece)) : tell('chunk', piece) }
      return tell('end')
    end
    result.is_a?(String) ? tell('text', result) : tell('result', JSON.generate(result))
  end
end
$stdout.sync = true
$LOAD_PATH.unshift(Dir.pwd)
begin
  load Lambwire::FILE
  *owner, name = Lambwire::NAME.split('.')
  owner = owner.empty? ? self : Object.const_get(owner.join('::'))
  Lambwire.report('Runtime.HandlerNotFound', "no method #{Lambwire::NAME} in #{Lambwire::FILE}") || exit(1) unless owner.respond_to?(name, true)
rescue StandardError, ScriptError, NoMemoryError => error
  Lambwire.fail(error) || exit(1)
end
Lambwire.tell('ready')
loop do
  fields, event = Lambwire.next_event
  begin Lambwire.answer(owner.method(name), fields, event)
  rescue StandardError, ScriptError, NoMemoryError, SystemStackError => error then Lambwire.fail(error) end
end
