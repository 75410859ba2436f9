-- Take entries that are no ids out of an agent's held set, whatever bytes they are; at most `limit` are looked at.
-- USES: ids
-- KEYS: held
-- ARGV: limit
-- RETURNS: how many were removed.
local held = KEYS[1]
local limit = ARGV[1]

local removed = 0
for _, entry in ipairs(redis.call('SRANDMEMBER', held, limit)) do
    if not is_id(entry) then
        removed = removed + redis.call('SREM', held, entry)
    end
end
return removed
