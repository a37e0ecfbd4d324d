-- What functions see in place of Lua's own globals. `native` is what Rust offers, `shared` is what the
-- files of this folder tell each other. Everything that functions share is read-only to them.
local native, shared = ...
local error, getmetatable, ipairs, pairs, pcall = error, getmetatable, ipairs, pairs, pcall
local rawget, rawset, select, setmetatable = rawget, rawset, select, setmetatable
local tostring, type = tostring, type
local unpack, xpcall = unpack, xpcall

local readonly = setmetatable({}, { __mode = "k" })

-- A table that cannot be changed; `special` reads and writes the fields that are more than values.
local function library(name, members, special)
    local proxy = {}
    readonly[proxy] = true
    local function missing(_, key, deeper)
        error(name .. "." .. tostring(key) .. " is not available here", deeper and 3 or 2)
    end
    setmetatable(members, { __index = missing })
    return setmetatable(proxy, {
        __index = special and special.read and function(_, key)
            local known, value = special.read(key)
            if not known then
                value = rawget(members, key)
                if value == nil then
                    missing(nil, key, true)
                end
            end
            return value
        end or members,
        __newindex = function(_, key, value)
            if not (special and special.write and special.write(key, value)) then
                error(name .. "." .. tostring(key) .. " cannot be set", 2)
            end
        end,
        __metatable = false,
    })
end
shared.library = library

local base = {}
for _, name in ipairs {
    "assert", "error", "ipairs", "next", "pairs", "rawequal", "rawget", "select", "setmetatable",
    "tonumber", "tostring", "type", "unpack", "getmetatable", "_VERSION",
} do
    base[name] = _G[name]
end

function base.rawset(target, key, value)
    if readonly[target] then
        error("this table cannot be changed", 2)
    end
    return rawset(target, key, value)
end

-- Errors of Rust are texts to functions, which put them behind other texts.
local function problem_of(problem)
    if type(problem) == "userdata" then
        return native.told(problem)
    end
    return problem
end

-- The end of a request, or of what a function may use, is no error that a function may catch.
local function caught(ok, ...)
    if ok then
        return ok, ...
    end
    if native.ended() then
        error("ended", 0)
    end
    return ok, problem_of((...))
end

function base.pcall(f, ...)
    return caught(pcall(f, ...))
end

function base.xpcall(f, handler, ...)
    local count, arguments = select("#", ...), { ... }
    return caught(xpcall(function()
        return f(unpack(arguments, 1, count))
    end, function(problem)
        if native.ended() then
            return problem
        end
        return handler(problem_of(problem))
    end))
end

function base.print(...)
    local parts = {}
    for at = 1, select("#", ...) do
        parts[at] = tostring((select(at, ...)))
    end
    native.log(6, table.concat(parts, "\t"))
end

-- Patterns are matched in Rust, where the steps are counted.
local string_sub, native_match, native_plain = string.sub, native.match, native.find_plain

-- Where to begin: behind the last byte at the latest, as in Lua 5.1.
local function start(s, init)
    init = init or 1
    if init < 0 then
        init = #s + init + 1
    end
    return math.min(math.max(init, 1), #s + 1)
end

local function text(value, name)
    if type(value) == "number" then
        return tostring(value)
    end
    if type(value) ~= "string" then
        error("bad argument to '" .. name .. "' (string expected, got " .. type(value) .. ")", 3)
    end
    return value
end

local function strip(_, _, ...)
    return ...
end

function string.find(s, pattern, init, plain)
    s, pattern = text(s, "find"), text(pattern, "find")
    init = start(s, init)
    if plain or native.is_plain(pattern) then
        return native_plain(s, pattern, init)
    end
    return native_match(s, pattern, init, false)
end

local function whole_or_captures(s, from, to, ...)
    if from == nil then
        return nil
    end
    if select("#", ...) == 0 then
        return string_sub(s, from, to)
    end
    return ...
end

function string.match(s, pattern, init)
    s, pattern = text(s, "match"), text(pattern, "match")
    init = start(s, init)
    return whole_or_captures(s, native_match(s, pattern, init, false))
end

function string.gmatch(s, pattern)
    s, pattern = text(s, "gmatch"), text(pattern, "gmatch")
    local at = 1
    local function step(from, to, ...)
        if from == nil then
            at = #s + 2
            return nil
        end
        at = to >= from and to + 1 or from + 1
        return whole_or_captures(s, from, to, ...)
    end
    return function()
        if at > #s + 1 then
            return nil
        end
        return step(native_match(s, pattern, at, true))
    end
end

function string.gsub(s, pattern, replacement, most)
    s, pattern = text(s, "gsub"), text(pattern, "gsub")
    local kind = type(replacement)
    if kind == "number" then
        replacement, kind = tostring(replacement), "string"
    elseif kind ~= "string" and kind ~= "table" and kind ~= "function" then
        error("bad argument #3 to 'gsub' (string/function/table expected)", 2)
    end
    local anchored = string_sub(pattern, 1, 1) == "^"
    local out, at, count = {}, 1, 0
    most = most or #s + 1
    local function replaced(from, to, ...)
        local whole = string_sub(s, from, to)
        local first = whole
        if select("#", ...) > 0 then
            first = (...)
        end
        local value
        if kind == "string" then
            return native.expand(replacement, whole, ...)
        elseif kind == "table" then
            if first == false then
                error("unfinished capture", 3)
            end
            value = replacement[first]
        elseif select("#", ...) > 0 then
            value = replacement(...)
        else
            value = replacement(whole)
        end
        if not value then
            return whole
        end
        if type(value) ~= "string" and type(value) ~= "number" then
            error("invalid replacement value (a " .. type(value) .. ")", 3)
        end
        return tostring(value)
    end
    local function step(from, to, ...)
        if from == nil then
            return false
        end
        count = count + 1
        out[#out + 1] = string_sub(s, at, from - 1)
        out[#out + 1] = replaced(from, to, ...)
        if to >= from then
            at = to + 1
        else
            out[#out + 1] = string_sub(s, from, from)
            at = from + 1
        end
        return true
    end
    while count < most and at <= #s + 1 do
        if not step(native_match(s, pattern, at, false, kind ~= "function")) or anchored then
            break
        end
    end
    out[#out + 1] = string_sub(s, at)
    return table.concat(out), count
end

string.rep = native.rep
string.dump, string.gfind = nil, nil
shared.start, shared.strip = start, strip

local function copy(from, names)
    local members = {}
    for _, name in ipairs(names) do
        members[name] = from[name]
    end
    return members
end

local strings = copy(string, {
    "byte", "char", "find", "format", "gmatch", "gsub", "len", "lower", "match", "rep", "reverse", "sub", "upper",
})
getmetatable("").__index = copy(strings, { "byte", "char", "find", "format", "gmatch", "gsub", "len", "lower",
    "match", "rep", "reverse", "sub", "upper" })
getmetatable("").__metatable = false
shared.strings = strings
base.string = library("string", strings)

-- One instruction may go over a whole list: it is paid for.
local tables = copy(table, { "maxn" })
function tables.concat(t, ...)
    native.spend(#t / 4)
    return table.concat(t, ...)
end
function tables.insert(t, ...)
    if select("#", ...) > 1 then
        native.spend(#t / 4)
    end
    return table.insert(t, ...)
end
function tables.remove(t, ...)
    if select("#", ...) > 0 then
        native.spend(#t / 4)
    end
    return table.remove(t, ...)
end
function tables.sort(t, before)
    native.spend(#t * 16)
    return table.sort(t, before)
end
function tables.new() return {} end
function tables.clear(t) for key in pairs(t) do t[key] = nil end end
function tables.nkeys(t)
    local count = 0
    for _ in pairs(t) do
        count = count + 1
    end
    return count
end
function tables.unpack(...) return unpack(...) end
function tables.pack(...) return { n = select("#", ...), ... } end
shared.tables = tables
base.table = library("table", copy(tables, {
    "concat", "insert", "maxn", "remove", "sort", "new", "clear", "nkeys", "unpack", "pack",
}))

local numbers = {}
for name, value in pairs(math) do
    numbers[name] = value
end
base.math = library("math", numbers)
base.os = library("os", copy(os, { "clock", "date", "difftime", "time" }))
base.bit = library("bit", copy(native.bit, {
    "tobit", "tohex", "bnot", "band", "bor", "bxor", "lshift", "rshift", "arshift", "rol", "ror", "bswap",
}))

for _, name in ipairs { "io", "debug", "package", "coroutine", "jit", "ffi" } do
    base[name] = library(name, {})
end
for _, name in ipairs {
    "collectgarbage", "dofile", "getfenv", "load", "loadfile", "loadstring", "module", "newproxy", "setfenv",
} do
    base[name] = function()
        error(name .. " is not available here", 2)
    end
end

local modules = {}
shared.modules = modules
modules.bit, modules.string, modules.table, modules.math, modules.os = base.bit, base.string, base.table, base.math, base.os
modules["table.new"] = tables.new
modules["table.clear"] = tables.clear
modules["table.nkeys"] = tables.nkeys

function base.require(name)
    local module = modules[name]
    if module == nil then
        local known = {}
        for other in pairs(modules) do
            known[#known + 1] = other
        end
        table.sort(known)
        error("module '" .. tostring(name) .. "' is not available here; these are: " .. table.concat(known, ", "), 2)
    end
    return module
end

shared.base = base

-- The globals of one configuration: its own, on top of what all have.
function shared.new_env()
    local env = {}
    env._G = env
    return setmetatable(env, { __index = base, __metatable = false })
end
