-- The action `http-request lua.zapauth SOCKET QUESTION`: ask ZapAuth's gate about a request. Store its answer in variables.
-- HAProxy itself refuses and passes on (haproxy.cfg). Without the variable txn.zapauth_status it refuses, so any error here
-- closes the gate. The body of a request is not read.

local NAMES = {
    user = "x-user-id",
    session = "x-session-id",
    app = "x-app-id",
    role = "x-role-id",
    remote_user = "remote-user",
    challenge = "www-authenticate",
}

local function ask(txn, socket, question)
    local headers = {
        ["x-forwarded-method"] = { txn.sf:method() },
        ["x-forwarded-uri"] = { txn.sf:pathq() },
    }
    local given = txn.http:req_get_headers()["authorization"]
    if given then
        local all = {}
        for _, value in pairs(given) do
            all[#all + 1] = value
        end
        -- The gate refuses two. It must see what the service could see.
        headers["authorization"] = { table.concat(all, ", ") }
    end
    local answer = core.httpclient():get({
        url = "http://zapauth" .. question,
        dst = socket,
        headers = headers,
        timeout = 2000, -- milliseconds; haproxy.cfg gives up earlier
    })
    for variable, name in pairs(NAMES) do
        local values = answer.headers and answer.headers[name]
        txn:set_var("txn.zapauth_" .. variable, values and values[0] or "")
    end
    txn:set_var("txn.zapauth_body", answer.body or "")
    txn:set_var("txn.zapauth_status", answer.status or 0)
end

core.register_action("zapauth", { "http-req" }, ask, 2)
