-- Read an agent's held set apart from the agent's claims still in flight: what no claim accounts for, PostgreSQL must
-- confirm, or it is wrong; and a claim that has been in flight for long was left by a request that never heard.
-- KEYS: held claims
-- ARGV: agent_id max_claims
-- RETURNS: {ids, members, ages_ms}: the ids that no claim accounts for, and the claims, oldest first, with their ages. A
-- claim from the future, left by a server whose clock went wrong, is as old as it is far away.
local held, claims = KEYS[1], KEYS[2]
local agent_id, max_claims = ARGV[1], tonumber(ARGV[2])

local time = redis.call('TIME')
local now_ms = time[1] * 1000 + math.floor(time[2] / 1000)
local ledger = redis.call('ZRANGE', claims, 0, max_claims - 1, 'WITHSCORES')
local in_flight, members, ages_ms = {}, {}, {}
for i = 1, #ledger, 2 do
    local agent, packed = string.match(ledger[i], '^[^|]*|([^|]*)|(.*)$')
    if agent == agent_id then
        members[#members + 1] = ledger[i]
        ages_ms[#ages_ms + 1] = math.abs(now_ms - tonumber(ledger[i + 1]))
        for id in string.gmatch(packed, '%d+') do
            in_flight[id] = true
        end
    end
end

local ids = {}
for _, id in ipairs(redis.call('SMEMBERS', held)) do
    if not in_flight[id] then
        ids[#ids + 1] = id
    end
end
return {ids, members, ages_ms}
