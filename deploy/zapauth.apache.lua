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

-- The open connection to the gate, and when it was last used. It is kept only after a whole answer: another request must
-- never read the rest of this one's.
local kept, used_at

local function take()
    local connection = kept
    kept = nil
    if connection and socket.gettime() - used_at >= IDLE then
        connection:close()
        connection = nil
    end
    return connection
end

local function connect()
    local connection = assert(socket.tcp())
    connection:settimeout(TIMEOUT)
    if not connection:connect(HOST, PORT) then
        connection:close()
        return nil
    end
    connection:setoption("tcp-nodelay", true)
    return connection
end

-- Returns status and headers (names in lower case). If there is no whole answer: nil, and whether it came too late.
local function read(connection)
    local first, problem = connection:receive("*l")
    local status = tonumber((first or ""):match("^HTTP/1%.%d (%d%d%d)"))
    if not status then
        return nil, problem == "timeout"
    end
    local headers = {}
    while true do
        local text = connection:receive("*l")
        if not text then
            return nil, true
        elseif text == "" then
            break
        end
        local name, value = text:match("^([^:]+):%s*(.-)%s*$")
        if name then
            headers[name:lower()] = value
        end
    end
    local length = tonumber(headers["content-length"])
    if not length or (length > 0 and not connection:receive(length)) then
        return nil, true
    end
    return status, headers
end

local function exchange(connection, request)
    connection:settimeout(TIMEOUT, "t") -- for the whole exchange
    if not connection:send(request) then
        connection:close()
        return nil, false
    end
    local status, found = read(connection)
    if status and (found["connection"] or ""):lower() ~= "close" then
        kept, used_at = connection, socket.gettime()
    else
        connection:close()
    end
    return status, found
end

local function ask(request)
    local connection = take()
    if connection then
        local status, found = exchange(connection, request)
        if status or found then
            return status, found
        end
        -- The gate had closed the idle connection, so a new one is tried.
    end
    connection = connect()
    if not connection then
        return nil
    end
    return exchange(connection, request)
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
