-- List what an agent's held set says apart from claims still in flight: what PostgreSQL must confirm, or it is wrong.
-- KEYS: held claims
-- ARGV: agent_id max_claims
-- RETURNS: the ids.
local held, claims = KEYS[1], KEYS[2]
local agent_id, max_claims = ARGV[1], tonumber(ARGV[2])

local in_flight = {}
for _, member in ipairs(redis.call('ZRANGE', claims, 0, max_claims - 1)) do
    local agent, packed = string.match(member, '^[^|]*|([^|]*)|(.*)$')
    if agent == agent_id then
        for id in string.gmatch(packed, '%d+') do
            in_flight[id] = true
        end
    end
end

local settled = {}
for _, id in ipairs(redis.call('SMEMBERS', held)) do
    if not in_flight[id] then
        settled[#settled + 1] = id
    end
end
return settled
