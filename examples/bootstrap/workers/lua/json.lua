-- JSON for the worker, since Lua brings none; a handler finds it as `json`. Every value that is read can be written again
-- as it came: `json.null` stands for null, tables remember whether they were `[]` or `{}`, and a number that this Lua
-- cannot hold is kept as its digits. What JSON cannot say is an error that names the place.

-- Taken before the handler's file is loaded, which may replace any of them, and the methods of strings, too.
local error, getmetatable, next, pairs, pcall, setmetatable = error, getmetatable, next, pairs, pcall, setmetatable
local tonumber, tostring, type, xpcall = tonumber, tostring, type, xpcall
local byte, char, find, format, gsub, match, sub = string.byte, string.char, string.find, string.format, string.gsub, string.match, string.sub
local concat, floor, math_type = table.concat, math.floor, math.type

-- Arrays and objects within one another. Lua's own limits are on its stack; this is below those of LuaJIT, and above what
-- fits into a client context.
local MAX_NESTING = 2000
-- From this on, a double does not know an integer from the next.
local EXACT = 2 ^ 53

local null = setmetatable({}, { __tostring = function() return "null" end })
local array_mark, object_mark = { __jsontype = "array" }, { __jsontype = "object" }

-- A number whose digits are more than this Lua's numbers hold. It can be computed with, which rounds it.
local number_mark = { __tostring = function(number) return number.digits end }
local function rounded(value) return type(value) == "table" and tonumber(value.digits) or value end
number_mark.__unm = function(a) return -rounded(a) end
for name, compute in pairs({
  add = function(a, b) return a + b end, sub = function(a, b) return a - b end, mul = function(a, b) return a * b end,
  div = function(a, b) return a / b end, mod = function(a, b) return a % b end, pow = function(a, b) return a ^ b end,
  lt = function(a, b) return a < b end, le = function(a, b) return a <= b end,
  concat = function(a, b) return tostring(a) .. tostring(b) end,
}) do
  number_mark["__" .. name] = name == "concat" and compute or function(a, b) return compute(rounded(a), rounded(b)) end
end
number_mark.__eq = function(a, b) return a.digits == b.digits end

-- --- Reading

local words = { ["true"] = true, ["false"] = false, null = null }
local escapes = { b = "\b", f = "\f", n = "\n", r = "\r", t = "\t", ["/"] = "/", ['"'] = '"', ["\\"] = "\\" }

local function bad(text, at, why)
  error(format("%s at byte %d: %s", why, at, sub(text, at, at + 20)), 0)
end

local function utf8_of(code)
  if code < 0x80 then return char(code) end
  local tail, first, room = "", 0xc0, 0x20
  repeat
    tail, code = char(0x80 + code % 64) .. tail, floor(code / 64)
    if code < room then return char(first + code) .. tail end
    first, room = first + room, room / 2
  until false
end

local function hex_at(text, at)
  return tonumber(match(text, "^[0-9a-fA-F][0-9a-fA-F][0-9a-fA-F][0-9a-fA-F]", at) or "", 16)
end

-- What a backslash at `at` stands for, and what follows it.
local function escape_at(text, at)
  local letter = sub(text, at + 1, at + 1)
  if letter ~= "u" then return escapes[letter] or bad(text, at, "no escape of JSON"), at + 2 end
  local code = hex_at(text, at + 2) or bad(text, at, "no escape of JSON")
  at = at + 6
  if code >= 0xd800 and code < 0xdc00 and sub(text, at, at + 1) == "\\u" then
    local low = hex_at(text, at + 2)
    if low and low >= 0xdc00 and low < 0xe000 then return utf8_of(0x10000 + (code - 0xd800) * 1024 + low - 0xdc00), at + 6 end
  end
  return utf8_of(code), at
end

local function string_at(text, at)
  local from, parts = at + 1, nil
  while true do
    local to = find(text, '["\\]', from) or bad(text, at, "a string without an end")
    if byte(text, to) == 34 then
      local last = sub(text, from, to - 1)
      if not parts then return last, to + 1 end
      parts[#parts + 1] = last
      return concat(parts), to + 1
    end
    parts = parts or {}
    parts[#parts + 1] = sub(text, from, to - 1)
    parts[#parts + 1], from = escape_at(text, to)
  end
end

-- In some locales a number has no point, but a comma.
local function to_number(digits)
  return tonumber(digits) or tonumber((gsub(digits, "%.", match(format("%.1f", 0.5), "^0(.+)5$"))))
end

local function number_at(text, at)
  local _, to = find(text, "^-?[0-9]+", at)
  if not to or find(text, "^-?0[0-9]", at) then bad(text, at, "no JSON") end
  local _, fraction_to = find(text, "^%.[0-9]+", to + 1)
  local _, exponent_to = find(text, "^[eE][+-]?[0-9]+", (fraction_to or to) + 1)
  local is_whole, last = not (fraction_to or exponent_to), exponent_to or fraction_to or to
  local digits = sub(text, at, last)
  local value = to_number(digits)
  local is_held = is_whole and (math_type and math_type(value) == "integer" or value < EXACT and value > -EXACT)
  if is_held or not is_whole and value - value == 0 then return value, last + 1 end
  return setmetatable({ digits = digits }, number_mark), last + 1
end

local BLANK = "^[ \t\r\n]*()"
local value_at

local function array_at(text, at, depth)
  local found, count = setmetatable({}, array_mark), 0
  at = match(text, BLANK, at + 1)
  if byte(text, at) == 93 then return found, at + 1 end
  while true do
    count = count + 1
    found[count], at = value_at(text, at, depth)
    at = match(text, BLANK, at)
    local next_byte = byte(text, at)
    if next_byte == 93 then return found, at + 1 end
    if next_byte ~= 44 then bad(text, at, "neither , nor ]") end
    at = match(text, BLANK, at + 1)
  end
end

local function object_at(text, at, depth)
  local found, key = setmetatable({}, object_mark), nil
  at = match(text, BLANK, at + 1)
  if byte(text, at) == 125 then return found, at + 1 end
  while true do
    if byte(text, at) ~= 34 then bad(text, at, "no key") end
    key, at = string_at(text, at)
    at = match(text, BLANK, at)
    if byte(text, at) ~= 58 then bad(text, at, "no :") end
    found[key], at = value_at(text, match(text, BLANK, at + 1), depth)
    at = match(text, BLANK, at)
    local next_byte = byte(text, at)
    if next_byte == 125 then return found, at + 1 end
    if next_byte ~= 44 then bad(text, at, "neither , nor }") end
    at = match(text, BLANK, at + 1)
  end
end

function value_at(text, at, depth)
  local first = byte(text, at)
  if first == 34 then return string_at(text, at) end
  if first == 91 or first == 123 then
    if depth == MAX_NESTING then bad(text, at, "more than " .. MAX_NESTING .. " arrays and objects within one another") end
    return (first == 91 and array_at or object_at)(text, at, depth + 1)
  end
  local word = match(text, "^[a-z]+", at)
  if word and words[word] ~= nil then return words[word], at + #word end
  return number_at(text, at)
end

local function decode(text)
  local value, at = value_at(text, match(text, BLANK), 0)
  at = match(text, BLANK, at)
  if at <= #text then bad(text, at, "more than one value") end
  return value
end

-- --- Writing

-- Raises that what stands at the place `path` cannot be said.
local function refuse(path, why)
  local place = "value"
  for depth = 1, #path do
    local key = path[depth]
    local is_name = type(key) == "string" and find(key, "^[A-Za-z_][A-Za-z_0-9]*$")
    place = place .. (is_name and "." .. key or type(key) == "string" and format("[%q]", key) or "[" .. tostring(key) .. "]")
  end
  error(place .. ": " .. why, 0)
end

local function escaped(first) return format("\\u%04x", byte(first)) end

-- A lone half of a pair of UTF-16, which JSON can say and UTF-8 cannot.
local function half_escaped(middle, last) return format("\\u%04x", 0xd000 + (byte(middle) - 128) * 64 + byte(last) - 128) end

-- Sequences of UTF-8, by their first byte, and as many blanks.
local SEQUENCES = {
  ["[\194-\223][\128-\191]"] = "  ", ["\224[\160-\191][\128-\191]"] = "   ", ["[\225-\236\238\239][\128-\191][\128-\191]"] = "   ",
  ["\237[\128-\159][\128-\191]"] = "   ", ["\240[\144-\191][\128-\191][\128-\191]"] = "    ",
  ["[\241-\243][\128-\191][\128-\191][\128-\191]"] = "    ", ["\244[\128-\143][\128-\191][\128-\191]"] = "    ",
}

-- The text with blanks in place of what can be said: what is left of other bytes than ASCII's is no UTF-8.
local function blanked(text)
  local rest = gsub(text, "\237[\160-\191][\128-\191]", "   ")
  for sequence, blanks in pairs(SEQUENCES) do rest = gsub(rest, sequence, blanks) end
  return rest
end

local function write_string(text, path)
  local at = find(text, "[\128-\255]") and find(blanked(text), "[\128-\255]")
  if at then refuse(path, format("a string that is no UTF-8 at byte %d", at)) end
  text = gsub(gsub(text, '["\\]', "\\%0"), "[^\32-\255]", escaped)
  return '"' .. gsub(text, "\237([\160-\191])([\128-\191])", half_escaped) .. '"'
end

local function write_number(number, path)
  if number - number ~= 0 then refuse(path, "no JSON for " .. tostring(number)) end
  if math_type and math_type(number) == "integer" then return format("%d", number) end
  if number % 1 == 0 and number < EXACT and number > -EXACT then return format("%.0f", number) end
  -- The fewest digits that are read as the same number.
  for precision = 15, 17 do
    local digits = format("%." .. precision .. "g", number)
    if precision == 17 or tonumber(digits) == number then return (gsub(digits, "[^-+0-9e]+", ".")) end
  end
end

-- Whether a table is an array, and how many entries it has. It is one if it is marked as such, or has keys from 1 on.
local function shape_of(found, path)
  local mark = getmetatable(found)
  local said = type(mark) == "table" and mark.__jsontype
  local count, highest, names = 0, 0, nil
  for key in pairs(found) do
    if type(key) == "string" then
      names = key
    elseif type(key) ~= "number" or key % 1 ~= 0 then
      refuse(path, "a table with a key that is " .. (type(key) == "number" and tostring(key) or "a " .. type(key)))
    else
      count, highest = count + 1, key > highest and key or highest
      if key < 1 and said ~= "object" then refuse(path, "a table with the key " .. tostring(key) .. ": mark it by json.object") end
    end
  end
  if said == "object" or count == 0 and said ~= "array" then return false end
  if names then refuse(path, format("a table with the key %q besides those of an array", names)) end
  if highest ~= count then refuse(path, format("an array of %d entries whose last is at %d: mark it by json.object", count, highest)) end
  return true, count
end

-- A null pointer as text, by the C library.
local NULLS = { ["userdata: NULL"] = true, ["userdata: (nil)"] = true, ["userdata: 0x0"] = true }
local write_value

local function write_table(found, out, path, depth)
  if depth == MAX_NESTING then refuse({}, "more than " .. MAX_NESTING .. " tables within one another, or one within itself") end
  local is_array, count = shape_of(found, path)
  if is_array then
    for index = 1, count do
      out[#out + 1] = index == 1 and "[" or ","
      path[depth + 1] = index
      write_value(found[index], out, path, depth + 1)
    end
    out[#out + 1] = count == 0 and "[]" or "]"
  else
    local written = {}
    for key, value in pairs(found) do
      local name = type(key) == "number" and format("%.0f", key) or key
      if written[name] then refuse(path, format("a table with the key %q twice, as text and as number", name)) end
      out[#out + 1] = next(written) and "," or "{"
      written[name], path[depth + 1] = true, key
      out[#out + 1] = write_string(name, path) .. ":"
      write_value(value, out, path, depth + 1)
    end
    out[#out + 1] = next(written) and "}" or "{}"
  end
  path[depth + 1] = nil
end

function write_value(value, out, path, depth)
  local kind = type(value)
  if value == nil or value == null then
    out[#out + 1] = "null"
  elseif kind == "string" then
    out[#out + 1] = write_string(value, path)
  elseif kind == "number" then
    out[#out + 1] = write_number(value, path)
  elseif kind == "boolean" then
    out[#out + 1] = value and "true" or "false"
  elseif kind == "table" and getmetatable(value) == number_mark then
    out[#out + 1] = value.digits
  elseif kind == "table" then
    write_table(value, out, path, depth)
  else
    -- LuaJIT's integers of 64 bits, and what other libraries have for null.
    local text = tostring(value)
    local digits = match(text, "^(-?[0-9]+)U?LL$") or NULLS[text] and "null"
    out[#out + 1] = digits or refuse(path, "no JSON for a " .. kind)
  end
end

local function encode(value)
  local out = {}
  write_value(value, out, {}, 0)
  return concat(out)
end

json = {
  null = null, decode = decode, encode = encode,
  array = function(found) return setmetatable(found or {}, array_mark) end,
  object = function(found) return setmetatable(found or {}, object_mark) end,
}
