-- The `apisix.core` of functions, and the modules that they `require`.
local native, shared = ...
local error, getmetatable, ipairs, pairs, rawget = error, getmetatable, ipairs, pairs, rawget
local select, setmetatable, tostring, type = select, setmetatable, tostring, type
local library, modules, ngx, text_of = shared.library, shared.modules, shared.ngx, shared.text_of
local concat, find, sub, gsub = table.concat, string.find, string.sub, string.gsub
local req = ngx.req

local log = {}
for name, level in pairs {
    stderr = 0, emerg = 1, alert = 2, crit = 3, error = 4, warn = 5, notice = 6, info = 7, debug = 8,
} do
    log[name] = function(...) native.log(level, text_of(...)) end
end

-- JSON.
local array_mt = native.array_mt
local delayed_mt = { __tostring = function(self) return (native.json_encode(self.value)) or "" end }
local json = { array_mt = array_mt, null = native.null }
function json.encode(value) return native.json_encode(value) end
json.stably_encode = json.encode
function json.decode(text) return native.json_decode(text) end
function json.delay_encode(value) return setmetatable({ value = value }, delayed_mt) end

local safe = {
    null = native.null, array_mt = array_mt, empty_array_mt = array_mt, empty_array = setmetatable({}, array_mt),
    encode = json.encode, decode = json.decode,
}
for _, name in ipairs {
    "encode_empty_table_as_object", "decode_array_with_array_mt", "encode_sparse_array", "encode_number_precision",
    "encode_max_depth", "decode_max_depth", "encode_escape_forward_slash",
} do
    safe[name] = function() end
end
local strict = {}
for name, value in pairs(safe) do
    strict[name] = value
end
local function checked(value, problem)
    if value == nil and problem then
        error(problem, 3)
    end
    return value
end
function strict.encode(value) return checked(native.json_encode(value)) end
function strict.decode(text) return checked(native.json_decode(text)) end
function strict.new() return modules.cjson end
function safe.new() return modules["cjson.safe"] end
modules.cjson, modules["cjson.safe"] = library("cjson", strict), library("cjson.safe", safe)

-- Tables.
local tables = shared.tables
function tables.insert_tail(t, ...)
    for at = 1, select("#", ...) do
        t[#t + 1] = (select(at, ...))
    end
    return #t
end
function tables.set(t, ...)
    for at = 1, select("#", ...) do
        t[at] = (select(at, ...))
    end
    return select("#", ...)
end
function tables.try_read_attr(t, ...)
    for at = 1, select("#", ...) do
        if type(t) ~= "table" then
            return nil
        end
        t = t[(select(at, ...))]
    end
    return t
end
function tables.array_find(t, wanted)
    for at, value in ipairs(t) do
        if value == wanted then
            return at
        end
    end
end
function tables.isempty(t) return next(t) == nil end
function tables.isarray(t)
    local count = 0
    for key in pairs(t) do
        if type(key) ~= "number" then
            return false
        end
        count = count + 1
    end
    return count == #t
end
local function deepcopy(value, seen)
    if type(value) ~= "table" then
        return value
    end
    if seen[value] then
        return seen[value]
    end
    local copied = {}
    seen[value] = copied
    for key, item in pairs(value) do
        copied[deepcopy(key, seen)] = deepcopy(item, seen)
    end
    return setmetatable(copied, getmetatable(value) or nil)
end
function tables.deepcopy(value) return deepcopy(value, {}) end
function tables.clone(value)
    local copied = {}
    for key, item in pairs(value) do
        copied[key] = item
    end
    return setmetatable(copied, getmetatable(value) or nil)
end
local function merge(into, from)
    for key, value in pairs(from) do
        if type(value) == "table" and type(into[key]) == "table" then
            merge(into[key], value)
        else
            into[key] = value
        end
    end
    return into
end
tables.merge = merge
function tables.keys(t)
    local keys = {}
    for key in pairs(t) do
        keys[#keys + 1] = key
    end
    return keys
end
function tables.reverse(t)
    local out = {}
    for at = #t, 1, -1 do
        out[#out + 1] = t[at]
    end
    return out
end

-- Texts.
local strings = {}
for name, value in pairs(shared.strings) do
    strings[name] = value
end
function strings.find(haystack, needle, from) return find(haystack, needle, from, true) end
function strings.has_prefix(s, prefix) return sub(s, 1, #prefix) == prefix end
function strings.has_suffix(s, suffix) return suffix == "" or sub(s, -#suffix) == suffix end
function strings.rfind_char(s, char, at)
    for index = at or #s, 1, -1 do
        if sub(s, index, index) == char then
            return index
        end
    end
end

-- The request.
local request = {
    get_method = req.get_method, get_http_version = native.http_version, get_uri_args = function() return req.get_uri_args() end,
    get_post_args = function() return (req.get_post_args()) or {} end,
    headers = function() return req.get_headers() end,
    get_ip = function() return native.var("realip_remote_addr") or native.var("remote_addr") end,
    get_remote_client_ip = function() return native.var("remote_addr") end,
    get_remote_client_port = function() return tonumber(native.var("remote_port")) end,
    get_scheme = function() return native.var("scheme") end,
    get_host = function() return native.var("host") end,
    get_port = function() return tonumber(native.var("server_port")) end,
    get_path = function() return native.var("uri") end,
}
function request.header(_, name) return native.request_header(name) end
-- With or without the context in front.
local function header_arguments(context, name, value)
    if type(context) == "table" then
        return name, value
    end
    return context, name
end
function request.set_header(...)
    local name, value = header_arguments(...)
    native.set_request_header(name, value, false)
end
function request.add_header(...)
    local name, value = header_arguments(...)
    native.set_request_header(name, value, true)
end
function request.set_uri_args(_, args) req.set_uri_args(args) end
function request.get_body(most)
    local body, problem = native.body()
    if body and type(most) == "number" and #body > most then
        return nil, "request size " .. #body .. " is greater than the maximum size " .. most .. " allowed"
    end
    if body == "" then
        return nil
    end
    return body, problem
end
function request.get_json_request_body_table()
    local body, problem = request.get_body()
    if not body then
        return nil, { message = "could not get body: " .. (problem or "request body is empty") }
    end
    local value, wrong = json.decode(body)
    if not value then
        return nil, { message = "could not get parse JSON request body: " .. wrong }
    end
    return value
end

-- The answer.
local response = {}
local function set_headers(append, ...)
    local first = ...
    if type(first) == "table" then
        for name, value in pairs(first) do
            native.set_response_header(name, value, append)
        end
        return
    end
    for at = 1, select("#", ...), 2 do
        local name, value = select(at, ...)
        native.set_response_header(name, value, append)
    end
end
function response.set_header(...) set_headers(false, ...) end
function response.add_header(...) set_headers(true, ...) end
function response.set_raw_header(...) set_headers(false, ...) end
function response.get_response_status() return native.status() end
-- The variable lists the statuses of all tries; the last one counts.
function response.get_upstream_status()
    return tonumber(sub(native.var("upstream_status") or "", -3))
end
function response.clear_header_as_body_modified()
    for _, name in ipairs { "content-length", "content-encoding", "last-modified", "etag" } do
        native.set_response_header(name, nil, false)
    end
end
function response.hold_body_chunk() return native.hold_body() end
function response.exit(code, ...)
    if type(code) ~= "number" then
        native.answer(nil, code, ...)
    else
        native.answer(code, ...)
    end
    native.exit(code and type(code) == "number" and code or 200)
end

-- Other things.
local utils = { gethostname = function() return native.var("hostname") end, uri_safe_encode = native.escape_uri }
function utils.resolve_var(template, variables)
    if type(template) ~= "string" then
        return template
    end
    local count = 0
    local function value(name)
        local found = variables and variables[name]
        if found == nil then
            return ""
        end
        count = count + 1
        return tostring(found)
    end
    local out = gsub(template, "%${([%w_]+)}", value)
    out = gsub(out, "%$([%w_]+)", value)
    return out, nil, count
end
function utils.parse_addr(address)
    local host, port = string.match(address, "^%[(.+)%]:(%d+)$")
    if not host then
        host, port = string.match(address, "^([^:]+):(%d+)$")
    end
    return host or address, tonumber(port)
end
function utils.split_uri(uri) return (modules["ngx.re"].split(uri, "/")) end

local core = {
    log = library("core.log", log), json = library("core.json", json), table = library("core.table", tables),
    string = library("core.string", strings), request = library("core.request", request),
    response = library("core.response", response), utils = library("core.utils", utils),
}
core.math = shared.base.math
for name, module in pairs(core) do
    modules["apisix.core." .. name] = module
end
modules["apisix.core"] = library("core", core)

local hex = {
    to_hex = function(text)
        return (gsub(text, ".", function(char) return string.format("%02x", string.byte(char)) end))
    end,
}
modules["resty.string"] = library("resty.string", hex)

-- The context of one request that functions get: what Weir knows, and what functions put there.
local context_mt = { __index = function(_, name) return native.context_field(name) end }
function shared.new_context()
    return setmetatable({ var = setmetatable({}, {
        __index = function(_, name) return native.var(tostring(name)) end,
        __newindex = function(t, name, value)
            if not native.set_var_if_known(tostring(name), value) then
                rawset(t, name, value)
            end
        end,
    }) }, context_mt)
end
