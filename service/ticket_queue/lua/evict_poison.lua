-- Move entries that are no ids (text, floats, negatives, leading zeros, beyond 64 bits) from a queue to the quarantine,
-- looking at one stretch of the queue.
-- USES: ids
-- KEYS: queue quarantine
-- ARGV: from count max_walks quarantine_limit
-- RETURNS: {looked_at, removed}: entries in the stretch, and how many were moved.
local queue, quarantine = KEYS[1], KEYS[2]
local from, count, max_walks, quarantine_limit = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3]), ARGV[4]

local stretch = redis.call('LRANGE', queue, from, from + count - 1)
local poison = {}
for _, entry in ipairs(stretch) do
    if not is_id(entry) and #poison < max_walks then
        poison[#poison + 1] = entry
    end
end
for _, entry in ipairs(poison) do
    redis.call('LREM', queue, 1, entry)
    redis.call('RPUSH', quarantine, entry)
end
if #poison > 0 then
    redis.call('LTRIM', quarantine, -quarantine_limit, -1)
end
return {#stretch, #poison}
