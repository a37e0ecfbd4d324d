-- The `ngx` of functions: the part of OpenResty's API that neither waits nor leaves the request.
local native, shared = ...
local error, getmetatable, ipairs, pairs, select = error, getmetatable, ipairs, pairs, select
local setmetatable, tostring, type = setmetatable, tostring, type
local library, concat, floor = shared.library, table.concat, math.floor
local date, lower, gsub, sub = os.date, string.lower, string.gsub, string.sub

-- One text of several values, lists of values included, as ngx.say takes them.
local function joined(out, value)
    if type(value) == "table" then
        for _, item in ipairs(value) do
            joined(out, item)
        end
    elseif value == native.null then
        out[#out + 1] = "null"
    else
        out[#out + 1] = tostring(value)
    end
end

local function text_of(...)
    local out = {}
    for at = 1, select("#", ...) do
        joined(out, (select(at, ...)))
    end
    return concat(out)
end
shared.text_of = text_of

local ngx = {
    OK = 0, ERROR = -1, AGAIN = -2, DONE = -4, DECLINED = -5, null = native.null,
    STDERR = 0, EMERG = 1, ALERT = 2, CRIT = 3, ERR = 4, WARN = 5, NOTICE = 6, INFO = 7, DEBUG = 8,
    headers_sent = false,
}
for name, status in pairs {
    CONTINUE = 100, SWITCHING_PROTOCOLS = 101, OK = 200, CREATED = 201, ACCEPTED = 202, NO_CONTENT = 204,
    PARTIAL_CONTENT = 206, SPECIAL_RESPONSE = 300, MOVED_PERMANENTLY = 301, MOVED_TEMPORARILY = 302,
    SEE_OTHER = 303, NOT_MODIFIED = 304, TEMPORARY_REDIRECT = 307, PERMANENT_REDIRECT = 308, BAD_REQUEST = 400,
    UNAUTHORIZED = 401, PAYMENT_REQUIRED = 402, FORBIDDEN = 403, NOT_FOUND = 404, NOT_ALLOWED = 405,
    NOT_ACCEPTABLE = 406, REQUEST_TIMEOUT = 408, CONFLICT = 409, GONE = 410, UPGRADE_REQUIRED = 426,
    TOO_MANY_REQUESTS = 429, CLOSE = 444, ILLEGAL = 451, INTERNAL_SERVER_ERROR = 500,
    METHOD_NOT_IMPLEMENTED = 501, BAD_GATEWAY = 502, SERVICE_UNAVAILABLE = 503, GATEWAY_TIMEOUT = 504,
    VERSION_NOT_SUPPORTED = 505, INSUFFICIENT_STORAGE = 507,
} do
    ngx["HTTP_" .. name] = status
end
local methods = {}
for at, name in ipairs {
    "GET", "HEAD", "POST", "PUT", "DELETE", "MKCOL", "COPY", "MOVE", "OPTIONS", "PROPFIND", "PROPPATCH", "LOCK",
    "UNLOCK", "PATCH", "TRACE",
} do
    local number = 2 ^ at
    ngx["HTTP_" .. name], methods[number] = number, name
end

-- Answers.
function ngx.print(...) native.say(text_of(...)) return 1 end
function ngx.say(...) native.say(text_of(...) .. "\n") return 1 end
function ngx.flush() return 1 end
function ngx.eof() native.exit(native.status() or 200) end
function ngx.send_headers() return 1 end
function ngx.exit(code) native.exit(code) end
function ngx.redirect(uri, status)
    native.set_response_header("location", uri, false)
    native.exit(status or 302)
end

-- Logs and time.
function ngx.log(level, ...) native.log(level, text_of(...)) end
function ngx.now() return native.now_ms() / 1000 end
function ngx.time() return floor(native.now_ms() / 1000) end
function ngx.update_time() end
function ngx.today() return date("!%Y-%m-%d", ngx.time()) end
function ngx.utctime() return date("!%Y-%m-%d %H:%M:%S", ngx.time()) end
ngx.localtime = ngx.utctime
function ngx.http_time(seconds) return date("!%a, %d %b %Y %H:%M:%S GMT", seconds) end
function ngx.cookie_time(seconds) return date("!%a, %d-%b-%y %H:%M:%S GMT", seconds) end
ngx.parse_http_time = native.parse_http_time
function ngx.get_phase() return native.phase() end

-- Codes and digests.
for _, name in ipairs {
    "encode_base64", "decode_base64", "escape_uri", "unescape_uri", "encode_args", "decode_args", "md5", "md5_bin",
    "sha1_bin", "hmac_sha1", "crc32_short", "crc32_long", "quote_sql_str",
} do
    ngx[name] = native[name]
end

-- The request.
local req = {
    get_method = native.method, set_body_data = native.set_body, http_version = native.http_version,
    start_time = native.start_time, clear_header = function(name) native.set_request_header(name, nil, false) end,
    read_body = function() native.body() end, discard_body = function() native.set_body("") end,
    is_internal = function() return false end, get_body_file = function() return nil end,
}
function req.set_method(number)
    native.set_method(methods[number] or error("bad argument to 'set_method': " .. tostring(number), 2))
end
function req.set_header(name, value) native.set_request_header(name, value, false) end
local function any_case(_, name)
    if type(name) == "string" then
        return lower((gsub(name, "_", "-")))
    end
end
local headers_mt = { __index = function(t, name)
    local other = any_case(t, name)
    if other and other ~= name then
        return rawget(t, other)
    end
end }
function req.get_headers(most) return setmetatable(native.request_headers(most or 100), headers_mt) end
function req.get_uri_args(most) return native.decode_args(native.query(), most or 100) end
req.get_query_args = req.get_uri_args
function req.set_uri_args(args)
    native.set_query(type(args) == "table" and native.encode_args(args) or tostring(args))
end
function req.set_uri(uri, jump)
    if jump then
        error("ngx.req.set_uri cannot search for another route here", 2)
    end
    native.set_uri(uri)
end
function req.get_body_data() return (native.body()) end
function req.get_post_args(most)
    local body, problem = native.body()
    if not body then
        return nil, problem or "no body"
    end
    return native.decode_args(body, most or 100)
end
ngx.req = library("ngx.req", req)

ngx.resp = library("ngx.resp", {
    get_headers = function(most) return setmetatable(native.response_headers(most or 100), headers_mt) end,
    add_header = function(name, value) native.set_response_header(name, value, true) end,
})

-- Regular expressions, in linear time.
local re = {}
local function position(context)
    return context and context.pos or 1
end
function re.match(subject, regex, options, context, result)
    local found, from, to = native.re_match(subject, regex, options, position(context))
    if not found then
        return nil, from
    end
    if context then
        context.pos = to + 1
    end
    if result then
        for key, value in pairs(found) do
            result[key] = value
        end
        return result
    end
    return found
end
function re.find(subject, regex, options, context, nth)
    local found, from, to = native.re_match(subject, regex, options, position(context), nth)
    if not found then
        return nil, nil, from
    end
    if context then
        context.pos = to + 1
    end
    return from, to
end
local function next_at(from, to)
    return to >= from and to + 1 or from + 1
end
function re.gmatch(subject, regex, options)
    local at = 1
    local known, problem = native.re_match("", regex, options, 1)
    if not known and problem then
        return nil, problem
    end
    return function()
        if at > #subject + 1 then
            return nil
        end
        local found, from, to = native.re_match(subject, regex, options, at)
        if not found then
            at = #subject + 2
            return nil
        end
        at = next_at(from, to)
        return found
    end
end
local function substitute(subject, regex, replacement, options, most)
    local out, at, count = {}, 1, 0
    while count < most and at <= #subject + 1 do
        local found, from, to = native.re_match(subject, regex, options, at)
        if not found then
            if from then
                return nil, nil, from
            end
            break
        end
        count = count + 1
        out[#out + 1] = sub(subject, at, from - 1)
        if type(replacement) == "function" then
            out[#out + 1] = tostring(replacement(found))
        else
            out[#out + 1] = native.re_expand(tostring(replacement), found)
        end
        if to < from then
            out[#out + 1] = sub(subject, from, from)
        end
        at = next_at(from, to)
    end
    out[#out + 1] = sub(subject, at)
    return concat(out), count
end
function re.sub(subject, regex, replacement, options) return substitute(subject, regex, replacement, options, 1) end
function re.gsub(subject, regex, replacement, options)
    return substitute(subject, regex, replacement, options, #subject + 1)
end
ngx.re = library("ngx.re", re)

local split_re = {}
function split_re.split(subject, regex, options, _, most)
    local out, at, from_at = {}, 1, 1
    while from_at <= #subject and (not most or most <= 0 or #out < most - 1) do
        local found, from, to = native.re_match(subject, regex, options, from_at)
        if not found then
            if from then
                return nil, from
            end
            break
        end
        if to < from then
            out[#out + 1] = sub(subject, at, from)
            at, from_at = from + 1, from + 1
        else
            out[#out + 1] = sub(subject, at, from - 1)
            at, from_at = to + 1, to + 1
        end
    end
    out[#out + 1] = sub(subject, at)
    return out
end
shared.modules["ngx.re"] = library("ngx.re", split_re)

-- What is read and written like fields.
local variables = setmetatable({}, {
    __index = function(_, name) return native.var(tostring(name)) end,
    __newindex = function(_, name, value) native.set_var(tostring(name), value) end,
    __metatable = false,
})
local response_headers = setmetatable({}, {
    __index = function(_, name) return native.response_header(name) end,
    __newindex = function(_, name, value) native.set_response_header(name, value, false) end,
    __metatable = false,
})
local arguments = setmetatable({}, {
    __index = function(_, at) return native.arg(at) end,
    __newindex = function(_, at, value)
        if at == 1 and type(value) == "table" then
            value = text_of(value)
        end
        native.set_arg(at, value)
    end,
    __metatable = false,
})
ngx.var, ngx.header, ngx.arg = variables, response_headers, arguments
ngx.worker = library("ngx.worker", { id = native.worker_id, pid = native.worker_id, exiting = function() return false end })
ngx.config = library("ngx.config", { subsystem = "http", debug = false })

shared.ngx = ngx
shared.base.ngx = library("ngx", ngx, {
    read = function(key)
        if key == "status" then
            return true, native.status() or 0
        elseif key == "ctx" then
            return true, native.tables()
        elseif key == "is_subrequest" then
            return true, false
        end
        return false
    end,
    write = function(key, value)
        if key == "status" then
            native.set_status(value)
        elseif key == "ctx" then
            native.set_ngx_ctx(value)
        else
            return false
        end
        return true
    end,
})
