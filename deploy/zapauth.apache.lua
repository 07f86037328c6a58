-- The hook of apache.conf: ask ZapAuth's gate about a request. mod_lua keeps a few copies of this script, and gives each
-- to one request at a time. So each copy keeps its own connection to the gate.
-- Anything else than a 200 refuses; an error is answered with 500. The body of a request is not read.

local socket = require "socket"

local HOST, PORT = "127.0.0.1", 8000 -- ZapAuth
local QUESTION = "/verify?level=user" -- add &app=… if your service is for one app only
local TIMEOUT = 1 -- seconds
local IDLE = 4 -- seconds, less than ZapAuth's REQUEST_TIMEOUT
local NAMES = { "X-User-Id", "X-Session-Id", "X-App-Id", "X-Role-Id", "Remote-User" }

local OURS = {}
for _, name in ipairs(NAMES) do
    OURS[name:lower()] = true
end

local line, used_at -- the open connection to the gate, and when it was last used

local function drop()
    if line then
        line:close()
    end
    line = nil
end

local function connect()
    local new = assert(socket.tcp())
    new:settimeout(TIMEOUT)
    if not new:connect(HOST, PORT) then
        new:close()
        return nil
    end
    new:setoption("tcp-nodelay", true)
    return new
end

-- Returns status and headers (names in lower case). If there is no complete answer: nil, and whether it came too late.
local function exchange(request)
    line:settimeout(TIMEOUT, "t") -- for the whole exchange
    if not line:send(request) then
        return nil
    end
    local first, problem = line:receive("*l")
    local status = tonumber((first or ""):match("^HTTP/1%.%d (%d%d%d)"))
    if not status then
        return nil, problem == "timeout"
    end
    local headers = {}
    while true do
        local text = line:receive("*l")
        if not text then
            return nil
        elseif text == "" then
            break
        end
        local name, value = text:match("^([^:]+):%s*(.-)%s*$")
        if name then
            headers[name:lower()] = value
        end
    end
    local length = tonumber(headers["content-length"])
    if not length or (length > 0 and not line:receive(length)) then
        return nil
    end
    if (headers["connection"] or ""):lower() == "close" then
        drop()
    end
    used_at = socket.gettime()
    return status, headers
end

local function ask(request)
    if line and socket.gettime() - used_at < IDLE then
        local status, headers = exchange(request)
        if status then
            return status, headers
        elseif headers then
            drop()
            return nil
        end
    end
    drop() -- the gate may have closed an idle connection, so a new one is tried
    line = connect()
    if line then
        local status, headers = exchange(request)
        if status then
            return status, headers
        end
    end
    drop()
    return nil
end

local function question_of(r)
    local lines = {
        "GET " .. QUESTION .. " HTTP/1.1",
        "Host: " .. HOST,
        "X-Forwarded-Method: " .. r.method,
        "X-Forwarded-Uri: " .. r.unparsed_uri,
    }
    if r.headers_in["Authorization"] then
        lines[#lines + 1] = "Authorization: " .. r.headers_in["Authorization"]
    end
    return table.concat(lines, "\r\n") .. "\r\n\r\n"
end

-- Removes the client's own headers, in each spelling: many frameworks read X_User_Id as X-User-Id.
-- Returns whether the client asks the proxy to remove one of the gate's.
local function clean(r)
    for name in pairs(r:headers_in_table()) do
        if OURS[name:lower():gsub("[^%w]", "-")] then
            r.headers_in[name] = nil
        end
    end
    for name in (r.headers_in["Connection"] or ""):lower():gmatch("[^%s,]+") do
        if OURS[name] then
            return true
        end
    end
    return false
end

function ask_the_gate(r)
    if clean(r) then
        return 400
    end
    local status, headers = ask(question_of(r))
    if status == 200 then
        for _, name in ipairs(NAMES) do
            r.headers_in[name] = headers[name:lower()] or ""
        end
        return apache2.OK
    end
    r.err_headers_out["Cache-Control"] = "no-store"
    if status == 401 or status == 403 then
        r.err_headers_out["WWW-Authenticate"] = headers["www-authenticate"]
        return status
    end
    r.err_headers_out["Retry-After"] = "5"
    return 503
end
