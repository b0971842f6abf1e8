defmodule App do
  def handler(event, _context) do
    IO.puts("an event of #{String.length(event)} characters")
    ["{\"got\":", event, "}"]
  end
end
