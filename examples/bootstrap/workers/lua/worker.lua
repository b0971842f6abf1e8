
-- The worker for a function in a Lua file: a global, or one in the table that the file returns. It speaks the worker
-- protocol. `lambwire` is what it offers besides `json`.

local assert, loadfile, rawget = assert, loadfile, rawget
local execute, exit, getenv, popen, time = os.execute, os.exit, os.getenv, io.popen, os.time
local open, stdout, stderr, traceback, randomseed = io.open, io.stdout, io.stderr, debug.traceback, math.randomseed
local gethook, sethook = debug.gethook, debug.sethook
local gmatch, ipairs, insert, max, json_array = string.gmatch, ipairs, table.insert, math.max, json.array

-- Read at once, in bytes: what a pipe holds.
local READ_BYTES = 65536
-- Most bytes of a piece of a stream in one frame: there is a largest frame, but no largest piece.
local PIECE_BYTES = 1024 * 1024
-- An error's cause has a cause in turn: so many are reported.
local CAUSES = 10
-- A system call was interrupted by a signal (errno(3)).
local EINTR = 4
-- Most lines of a stack in a report.
local STACK_LINES = 100

local file, name = getenv("LAMBWIRE_FILE"), getenv("LAMBWIRE_FUNCTION")

-- --- Context

-- Lua's clock has seconds, /proc's has hundredths, but from another beginning. How far they are apart is somewhere
-- between these, in milliseconds, and more exactly so with each look.
local least_apart, most_apart

local function now()
  local wall, uptime_file = time() * 1000, open("/proc/uptime", "r")
  if not uptime_file then return wall + 1000 end
  local text = uptime_file:read("*l")
  uptime_file:close()
  local seconds, hundredths = match(text or "", "^([0-9]+)%.([0-9][0-9])")
  if not seconds then return wall + 1000 end
  local uptime = tonumber(seconds) * 1000 + tonumber(hundredths) * 10
  local least, most = wall - uptime - 10, wall + 1000 - uptime
  -- If they do not overlap, the clock was set.
  if not least_apart or least >= most_apart or most <= least_apart then least_apart, most_apart = least, most end
  least_apart, most_apart = max(least, least_apart), most < most_apart and most or most_apart
  return uptime + 10 + most_apart
end

local function context_of(text)
  local context = decode(text)
  -- What is behind the context is no part of it when it is written as JSON.
  return setmetatable(context, { __jsontype = "object", __index = {
    get_remaining_time_in_millis = function() return floor(max(0, context.deadline_ms - now())) end,
  } })
end

-- --- Frames

-- Lua can open files alone. Where there is no /proc to find a pipe by its number, a process of its own reaches it.
local function open_pipe(variable, mode)
  local number = getenv(variable)
  local way = mode == "r" and "exec cat <&" or "exec cat >&"
  return open("/proc/self/fd/" .. number, mode .. "b") or assert(popen(way .. number, mode))
end

local events, answers = open_pipe("LAMBWIRE_EVENTS_FD", "r"), open_pipe("LAMBWIRE_ANSWERS_FD", "w")
-- The methods of files may be replaced, too.
local close, flush, read, write = events.close, events.flush, events.read, events.write
events:setvbuf("full", READ_BYTES)
answers:setvbuf("full", READ_BYTES)
-- Of whoever is killed, what is written would otherwise be lost.
stdout:setvbuf("no")

-- The number of this process, where there is a /proc. The file stays open until the next look, for a handler may have
-- opened as many as there may be.
local stat

local function own_pid()
  if stat then close(stat) end
  stat = open("/proc/self/stat", "r")
  return stat and match(read(stat, "*l") or "", "^[0-9]+")
end

local pid = own_pid()

-- Reads a line, or so many bytes; nil at the end of the events.
local function read_whole(what)
  local found = ""
  repeat
    local piece, _, code = read(events, what)
    found = found .. (piece or "")
    if type(what) == "number" then what = what - #(piece or "") end
  until piece and (what == "*l" or what == 0) or not piece and code ~= EINTR
  return (type(what) == "string" and found ~= "" or what == 0) and found or nil
end

local function receive()
  local head = read_whole("*l")
  local kind, id, context_length, body_length = match(head or "", "^([a-z-]+) ([^ ]+) ([0-9]+) ([0-9]+)$")
  if not kind then return nil end
  context_length, body_length = tonumber(context_length), tonumber(body_length)
  local context = context_length > 0 and read_whole(context_length) or ""
  return kind, id, context, body_length > 0 and read_whole(body_length) or ""
end

local function write_frame(kind, id, body)
  -- A child that was forked by the handler, and has come out of it, has nothing to say.
  if own_pid() ~= pid then exit(0) end
  pcall(flush, stdout)
  write(answers, kind, " ", id, " ", format("%d", #body), "\n", body)
  flush(answers)
end

-- --- Reports

-- The text with U+FFFD in place of each byte that is no UTF-8, as there is no other way to write them.
local function printable(text)
  local parts, from = {}, 1
  for at in gmatch(find(text, "[\128-\255]") and blanked(text) or "", "()[\128-\255]") do
    parts[#parts + 1] = sub(text, from, at - 1) .. "\239\191\189"
    from = at + 1
  end
  return concat(parts) .. sub(text, from)
end

local function stack_here()
  local lines = json_array()
  for line in gmatch(traceback("", 3), "[^\n]+") do
    local is_own = find(line, "(command line)", 1, true) or find(line, '[string "', 1, true) or not find(line, ":[0-9]+:")
    -- Names of functions may be any bytes.
    if not is_own and #lines < STACK_LINES then lines[#lines + 1] = printable(gsub(line, "^[ \t]+", "")) end
  end
  return lines
end

-- An error may be anything: mostly text, or a table with `type`, `message` and `cause`.
local function report(err, stack, causes)
  local fields = type(err) == "table" and err or {}
  local message = fields.message
  if message == nil then
    local mark = type(err) == "table" and getmetatable(err)
    local is_named = type(mark) == "table" and mark.__tostring
    local is_told, text = pcall(type(err) == "table" and not is_named and encode or tostring, err)
    message = is_told and text or "an error of type " .. type(err)
  end
  local made = {
    errorType = type(fields.type) == "string" and printable(fields.type) or "Error",
    errorMessage = printable(tostring(message)), stackTrace = stack,
  }
  if fields.cause ~= nil and causes > 0 then made.cause = report(fields.cause, json_array(), causes - 1) end
  return made
end

-- What a handler has set by `debug.sethook` may raise, and runs where the handler does alone.
local hook, hook_mask, hook_count

local function unhooked(result)
  local set, mask, count = gethook()
  if set then
    hook, hook_mask, hook_count = set, mask, count
    sethook()
  end
  return result
end

-- What `xpcall` calls where an error is raised.
local function caught(err)
  unhooked()
  local stack = stack_here()
  -- What belongs to the error may fail in turn.
  local is_told, made = pcall(report, err, stack, CAUSES)
  return { caught = is_told and made or report("an error of type " .. type(err), stack, 0) }
end

-- When there is no room left to call that, the error comes as text.
local function report_of(err)
  return type(err) == "table" and err.caught or report(err, json_array(), 0)
end

local function fault(error_type, message)
  return report({ type = error_type, message = message }, json_array(), 0)
end

local function write_error(kind, id, its_report)
  write_frame(kind, id, encode(its_report))
end

-- --- Load

-- `lambwire.handles_sigterm()` and its like say at load what the handler wants.
local wishes, hooks = {}, { ["before-snapshot"] = {}, ["after-restore"] = {} }
lambwire = {
  handles_sigterm = function() wishes.sigterm = true end,
  before_snapshot = function(hook) insert(hooks["before-snapshot"], 1, hook) wishes.snapshot = true end,
  after_restore = function(hook) insert(hooks["after-restore"], hook) wishes.snapshot = true end,
}

local function give_up(its_report)
  write_error("fatal", "-", its_report)
  exit(1)
end

local function load_handler()
  local chunk, why = loadfile(file)
  if not chunk then give_up(fault("Error", why)) end
  -- As `require` has it: a file that runs by itself as well finds here that it does not.
  local is_loaded, module = xpcall(function() return unhooked(chunk(match(file, "([^/]*)%.[^./]*$"), file)) end, caught)
  if not is_loaded then give_up(report_of(module)) end
  local found = type(module) == "table" and module or _G
  for key in gmatch(name, "[^.]+") do found = type(found) == "table" and found[key] or nil end
  if type(found) == "function" then return found end
  give_up(fault("Runtime.HandlerNotFound", "no function " .. name .. " in " .. file))
end

-- --- Invocations

-- Lua cannot change its environment, so that this stands in for it, and in front of the commands that a handler runs:
-- they are not to have the worker's pipes, whose numbers are below 10, and two more that Lua has opened.
local trace_id
local HIDDEN = { LAMBWIRE_FILE = true, LAMBWIRE_FUNCTION = true, LAMBWIRE_EVENTS_FD = true, LAMBWIRE_ANSWERS_FD = true }

local function command_line(command)
  local trace = trace_id and "export _X_AMZN_TRACE_ID='" .. gsub(trace_id, "'", "'\\''") .. "'" or "unset _X_AMZN_TRACE_ID"
  local pipes = "exec 3<&- 4<&- 5<&- 6<&- 7<&- 8<&- 9<&-; unset LAMBWIRE_FILE LAMBWIRE_FUNCTION LAMBWIRE_EVENTS_FD LAMBWIRE_ANSWERS_FD"
  return pipes .. "; " .. trace .. "; " .. command
end

function os.getenv(key)
  if key == "_X_AMZN_TRACE_ID" then return trace_id end
  return not HIDDEN[key] and getenv(key) or nil
end
function os.execute(command)
  if command == nil then return execute() end
  return execute(command_line(command))
end
function io.popen(command, mode)
  return popen(command_line(command), mode)
end

local function stream(id, pieces)
  local index = 0
  for piece in pieces do
    index = index + 1
    if type(piece) == "table" and index == 1 then
      write_frame("prelude", id, encode(piece))
    elseif type(piece) == "string" then
      for at = 1, #piece, PIECE_BYTES do write_frame("chunk", id, sub(piece, at, at + PIECE_BYTES - 1)) end
    else
      error(format("a stream has strings, after a table if that comes first; its piece %d is a %s", index, type(piece)), 0)
    end
  end
  write_frame("end", id, "")
end

local function answer(handler, id, context, body)
  context = context_of(context)
  trace_id = context.trace_id ~= null and context.trace_id or nil
  local is_read, event = true, body
  if not wishes.bytes then is_read, event = pcall(decode, body) end
  if not is_read then return write_error("error", id, fault("Runtime.UnmarshalError", "event is not JSON: " .. tostring(event))) end
  sethook(hook, hook_mask, hook_count)
  hook = nil
  local result = unhooked(handler(event, context))
  if type(result) == "string" then return write_frame(wishes.bytes and "bytes" or "text", id, result) end
  if type(result) == "function" then return stream(id, result) end
  local is_written, text = pcall(encode, result)
  if not is_written then return write_error("error", id, fault("Runtime.MarshalError", text)) end
  write_frame("result", id, text)
end

local function serve(handler, id, context, body)
  local is_answered, err = xpcall(function() return answer(handler, id, context, body) end, caught)
  if is_answered then return end
  if own_pid() ~= pid then
    write(stderr, report_of(err).errorMessage, "\n")
    exit(1)
  end
  write_error("error", id, report_of(err))
end

-- --- Hooks

-- Whoever is started from the same snapshot has the same state.
local function renew_seed()
  local random = open("/dev/urandom", "rb")
  local seed = time()
  if random then
    local a, b, c = byte(random:read(3), 1, 3)
    seed = seed + a * 65536 + b * 256 + c
    random:close()
  end
  randomseed(seed)
end

local function run_hooks(kind)
  if kind == "after-restore" then renew_seed() end
  local has_run, err = xpcall(function() for _, run in ipairs(hooks[kind]) do unhooked(run()) end end, caught)
  if has_run then write_frame("done", "-", "") else write_error("error", "-", report_of(err)) end
end

-- --- Main loop

package.path = "./?.lua;./?/init.lua;" .. package.path
local handler = load_handler()
-- Then events are handed over as they come, and strings sent as they stand. Lua cannot change its environment.
wishes.bytes = (rawget(_G, "LAMBWIRE_BYTES") or getenv("LAMBWIRE_BYTES") or "") ~= "" or nil
write_frame("ready", "-", next(wishes) and encode(wishes) or "")
while true do
  local kind, id, context, body = receive()
  if not kind then break end
  if kind == "event" then serve(handler, id, context, body) else run_hooks(kind) end
end
