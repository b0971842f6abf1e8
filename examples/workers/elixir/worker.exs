# lambwire-worker: extension=exs interpreter=elixir
# The worker for a function in Elixir: `def handler(event, context)` in a module of the file. It speaks the worker
# protocol (docs/worker-protocol.md). Elixir brings no JSON as yet: event and context are its text, and so is what is
# returned; with LAMBWIRE_BYTES both are bytes. Each event has a process of its own, so that nothing of one is left to the next.
defmodule Lambwire do
  @names ~w(LAMBWIRE_EVENTS_FD LAMBWIRE_ANSWERS_FD LAMBWIRE_FILE LAMBWIRE_FUNCTION)

  def run do
    [events, answers, file, name] = Enum.map(@names, &System.fetch_env!/1)
    Enum.each(@names, &System.delete_env/1)
    pipes = Port.open({:fd, String.to_integer(events), String.to_integer(answers)}, [:binary, :stream, :eof])
    handler = load(pipes, file, name)
    waits = handles_sigterm()
    # Set by the function's settings, or by its file.
    is_raw = System.get_env("LAMBWIRE_BYTES", "") != ""
    write_frame(pipes, "ready", "-", ~s({"sigterm":#{waits},"bytes":#{is_raw}}))
    loop(pipes, handler, if(is_raw, do: "bytes", else: "text"), "")
    if waits, do: await_signal()
    # As SIGTERM does: applications are stopped.
    System.stop(0)
    Process.sleep(:infinity)
  end

  # --- Frames

  # Kind, id, context and body of the next frame, and what was read beyond it; nil at the end.
  defp receive_frame(pipes, received) do
    with {:ok, head, rest} <- line(pipes, received),
         [kind, id, context_length, body_length] = String.split(head),
         {context_size, body_size} = {String.to_integer(context_length), String.to_integer(body_length)},
         {:ok, whole} <- bytes(pipes, [rest], byte_size(rest), context_size + body_size) do
      <<context::binary-size(context_size), body::binary-size(body_size), rest::binary>> = whole
      {kind, id, context, body, rest}
    end
  end

  defp line(pipes, received) do
    case :binary.split(received, "\n") do
      [head, rest] -> {:ok, head, rest}
      [_] -> with {:ok, piece} <- piece(pipes), do: line(pipes, received <> piece)
    end
  end

  defp bytes(_, pieces, have, length) when have >= length, do: {:ok, IO.iodata_to_binary(pieces)}

  defp bytes(pipes, pieces, have, length) do
    with {:ok, piece} <- piece(pipes), do: bytes(pipes, [pieces, piece], have + byte_size(piece), length)
  end

  defp piece(pipes) do
    receive do
      {^pipes, {:data, data}} -> {:ok, data}
      {^pipes, :eof} -> nil
    end
  end

  defp write_frame(pipes, kind, id, body) do
    Port.command(pipes, ["#{kind} #{id} #{IO.iodata_length(body)}\n", body])
  end

  # --- Reports

  defp report(type, message, stack) do
    lines = Enum.map_join(stack, ",", &quoted(Exception.format_stacktrace_entry(&1)))
    ~s({"errorType":#{quoted(type)},"errorMessage":#{quoted(message)},"stackTrace":[#{lines}]})
  end

  defp report_of(:error, error, stack) do
    error = Exception.normalize(:error, error, stack)
    report(inspect(error.__struct__), Exception.message(error), stack)
  end

  defp report_of(kind, value, stack), do: report(to_string(kind), inspect(value), stack)

  # What is no UTF-8 is taken for Latin-1.
  defp quoted(text) do
    text = if String.valid?(text), do: text, else: :unicode.characters_to_binary(text, :latin1)
    escaped = for <<char::utf8 <- text>>, into: "", do: escaped(char)
    ~s("#{escaped}")
  end

  defp escaped(char) when char in [?", ?\\], do: <<?\\, char>>
  defp escaped(char) when char < 32, do: "\\u" <> String.pad_leading(Integer.to_string(char, 16), 4, "0")
  defp escaped(char), do: <<char::utf8>>

  # --- Load

  # The function of the module that is named, as in `app.My.Module.handler`, or else of the first that has it.
  defp load(pipes, file, name) do
    modules = Enum.map(Code.require_file(file), &elem(&1, 0))
    parts = String.split(name, ".")
    function = String.to_atom(List.last(parts))
    named = parts |> Enum.drop(-1) |> Enum.join(".")
    fits = &((named == "" or inspect(&1) == named) and function_exported?(&1, function, 2))
    module = Enum.find(modules, fits)
    if module == nil, do: give_up(pipes, report("Runtime.HandlerNotFound", "no function #{name}/2 in #{file}", []))
    {module, function}
  rescue
    error -> give_up(pipes, report_of(:error, error, __STACKTRACE__))
  end

  defp give_up(pipes, text) do
    write_frame(pipes, "fatal", "-", text)
    System.halt(1)
  end

  # --- Invocations

  # What it returns is text or bytes: the answer is of this kind.
  defp serve(pipes, {module, function}, kind, id, context, event) do
    trace(context)
    main = self()

    # It is not linked to this one, which would end with it when a process ends that the handler is linked to.
    {pid, monitor} =
      spawn_monitor(fn ->
        answer =
          try do
            {kind, IO.iodata_to_binary(apply(module, function, [event, context]))}
          catch
            thrown, value -> {"error", report_of(thrown, value, __STACKTRACE__)}
          end

        send(main, {:answer, self(), answer})
      end)

    {kind, body} =
      receive do
        {:answer, ^pid, answer} -> answer
        {:DOWN, ^monitor, _, _, {%{__exception__: true} = error, stack}} -> {"error", report_of(:error, error, stack)}
        {:DOWN, ^monitor, _, _, reason} -> {"error", report_of(:exit, reason, [])}
      end

    Process.demonitor(monitor, [:flush])
    write_frame(pipes, kind, id, body)
  end

  # The first is the trace of the invocation; a caller's context comes later.
  defp trace(context) do
    case Regex.run(~r/"trace_id":(?:null|"((?:[^"\\]|\\.)*)")/, context) do
      [_, trace] -> System.put_env("_X_AMZN_TRACE_ID", String.replace(trace, ~r/\\(.)/, "\\1"))
      _ -> System.delete_env("_X_AMZN_TRACE_ID")
    end
  end

  # --- Main loop

  defp loop(pipes, handler, answer_kind, received) do
    case receive_frame(pipes, received) do
      {"event", id, context, event, rest} ->
        serve(pipes, handler, answer_kind, id, context, event)
        loop(pipes, handler, answer_kind, rest)

      {kind, _, _, _, rest} ->
        run_hook(pipes, handler, kind)
        loop(pipes, handler, answer_kind, rest)

      nil ->
        :ok
    end
  end

  # Calls the function of the handler's module that is named as the hook.
  defp run_hook(pipes, {module, _}, kind) do
    hook = kind |> String.replace("-", "_") |> String.to_atom()
    if function_exported?(module, hook, 0), do: apply(module, hook, [])
    write_frame(pipes, "done", "-", "")
  catch
    kind, value -> write_frame(pipes, "error", "-", report_of(kind, value, __STACKTRACE__))
  end

  # --- The end

  # How long a signal may be on its way when events have ended, in milliseconds.
  @signal_ms 500

  # Whether the file has set traps. The one that is set last runs first, and those of the file are run by the same process.
  defp handles_sigterm do
    traps = for {System.SignalHandler, _, {:sigterm, _}} <- :sys.get_state(:erl_signal_server), do: :trap
    main = self()

    traps != [] and
      match?({:ok, _}, System.trap_signal(:sigterm, fn -> with(:sigterm <- send(main, :sigterm), do: :ok) end))
  end

  defp await_signal do
    receive do
      :sigterm -> :sys.get_state(:erl_signal_server, :infinity)
    after
      @signal_ms -> :ok
    end
  end
end

Lambwire.run()
