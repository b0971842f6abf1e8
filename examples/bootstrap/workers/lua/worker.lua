-- Speaks the worker protocol for a function in a Lua file: a global, or one in the table that the file returns.
local getenv, trace_id = os.getenv, nil
local file, name = getenv("LAMBWIRE_FILE"), getenv("LAMBWIRE_FUNCTION")
local function open(which, mode) return assert(io.open("/proc/self/fd/" .. getenv("LAMBWIRE_" .. which .. "_FD"), mode)) end
local events, answers = open("EVENTS", "rb"), open("ANSWERS", "wb")
-- Lua cannot change its environment.
os.getenv = function(key) if key == "_X_AMZN_TRACE_ID" then return trace_id end return getenv(key) end
io.stdout:setvbuf("no")

local id = "-"
local function say(kind, body)
  answers:write(kind, " ", id, " ", #body, "\n", body)
  answers:flush()
end
local function report(kind, message, stack)
  say("error", ('{"errorType":%s,"errorMessage":%s,"stackTrace":[%s]}'):format(
    json.encode(kind), json.encode(message), table.concat(stack, ",")))
end
local function caught(error)
  local stack, message = {}, type(error) == "table" and error.message or error
  for line in debug.traceback("", 2):gmatch("[^\n]+") do
    if line:find(":%d+:") and not line:find("command line", 1, true) then
      stack[#stack + 1] = json.encode((line:gsub("^%s+", "")))
    end
  end
  return { kind = type(error) == "table" and error.type or "Error", message = tostring(message), stack = stack }
end
local function fail(error) report(error.kind, error.message, error.stack) end
local function next_event()
  local head = events:read("*l") or os.exit(0)
  local next_id, context_length, event_length = head:match("^%S+ (%S+) (%d+) (%d+)$")
  local context = events:read(tonumber(context_length))
  local event = tonumber(event_length) > 0 and events:read(tonumber(event_length)) or ""
  id = next_id
  return json.decode(context), event
end
local function answer(handler, context, event)
  trace_id = context.trace_id ~= json.null and context.trace_id or nil
  local result = handler(json.decode(event), context)
  if type(result) == "string" then return say("text", result) end
  if type(result) ~= "function" then return say("result", json.encode(result)) end
  for piece in result do
    if type(piece) == "table" then say("prelude", json.encode(piece)) else say("chunk", piece) end
  end
  say("end", "")
end

package.path = "./?.lua;" .. package.path
local is_loaded, module = xpcall(function() return assert(loadfile(file))() end, caught)
if not is_loaded then fail(module) os.exit(1) end
local handler = type(module) == "table" and module or _G
for key in name:gmatch("[^.]+") do handler = type(handler) == "table" and handler[key] or nil end
if type(handler) ~= "function" then
  report("Runtime.HandlerNotFound", "no function " .. name .. " in " .. file, {})
  os.exit(1)
end
say("ready", "")
while true do
  local context, event = next_event()
  local is_answered, error = xpcall(function() answer(handler, context, event) end, caught)
  if not is_answered then fail(error) end
end
