-- JSON for the shim, since Lua brings none. A handler finds it as `json`; `null` is `json.null`.
json = { null = setmetatable({}, { __tostring = function() return "null" end }) }

local words = { ["true"] = true, ["false"] = false, null = json.null }
local plain = { b = "\b", f = "\f", n = "\n", r = "\r", t = "\t", ["/"] = "/", ['"'] = '"' }
local function bad(text, at) error(("event is not JSON at byte %d: %s"):format(at, text:sub(at, at + 20)), 0) end
local function utf8_of(code)
  local tail, first, room = "", 0xc0, 0x20
  if code < 0x80 then return string.char(code) end
  while true do
    tail, code = string.char(0x80 + code % 64) .. tail, math.floor(code / 64)
    if code < room then return string.char(first + code) .. tail end
    first, room = first + room, room / 2
  end
end
local function unescape(text)
  return (text:gsub("\\\\", "\\u005c"):gsub("\\([^u])", plain):gsub("\\u([dD][89abAB]%x%x)\\u([dD][c-fC-F]%x%x)", function(high, low)
    return utf8_of(0x10000 + (tonumber(high, 16) - 0xd800) * 1024 + tonumber(low, 16) - 0xdc00)
  end):gsub("\\u(%x%x%x%x)", function(digits) return utf8_of(tonumber(digits, 16)) end))
end
local function value_at(text, at)
  local first, found, key = text:sub(at, at), {}, nil
  if first == '"' then
    local to = at + 1
    while text:sub(to, to) ~= '"' do to = (text:find('["\\]', to) or bad(text, at)) if text:sub(to, to) == "\\" then to = to + 2 end end
    return unescape(text:sub(at + 1, to - 1)), to + 1
  elseif first ~= "{" and first ~= "[" then
    local word = text:match("^[%w.+-]+", at) or bad(text, at)
    if words[word] ~= nil then return words[word], at + #word end
    return tonumber(word) or bad(text, at), at + #word
  end
  at = text:find("%S", at + 1) or bad(text, at)
  while not text:find(first == "{" and "^}" or "^]", at) do
    if first == "{" then key, at = value_at(text, at) at = text:match("^%s*:%s*()", at) or bad(text, at) else key = #found + 1 end
    found[key], at = value_at(text, at)
    at = text:match("^%s*,%s*()", at) or text:match("^%s*()[%]}]", at) or bad(text, at)
  end
  return found, at + 1
end
function json.decode(text)
  local value, at = value_at(text, text:find("%S") or 1)
  if text:find("%S", at) then bad(text, at) end
  return value
end
function json.encode(value)
  local kind, items = type(value), {}
  if kind == "string" then return '"' .. value:gsub('[%c"\\]', function(char) return ("\\u%04x"):format(char:byte()) end) .. '"' end
  if kind == "number" and value % 1 == 0 then return ("%.0f"):format(value) end
  if kind == "nil" or value == json.null then return "null" end
  if kind == "number" and value - value == 0 or kind == "boolean" then return tostring(value) end
  if kind ~= "table" then error("no JSON for a " .. kind, 0) end
  for at, item in ipairs(value) do items[at] = json.encode(item) end
  if #items > 0 or next(value) == nil then return "[" .. table.concat(items, ",") .. "]" end
  for key, item in pairs(value) do items[#items + 1] = json.encode(tostring(key)) .. ":" .. json.encode(item) end
  return "{" .. table.concat(items, ",") .. "}"
end
