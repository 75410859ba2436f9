-- Copy the queues as they stand at one instant, so that they can be read in pages while the live ones move on.
-- KEYS: queue_and_snapshot...
-- ARGV: ttl_s
-- RETURNS: the length of each queue, in the order given.
local ttl_s = ARGV[1]

local lengths = {}
for k = 1, #KEYS, 2 do
    local queue, snapshot = KEYS[k], KEYS[k + 1]
    local length = redis.call('LLEN', queue)
    if length > 0 then
        redis.call('COPY', queue, snapshot, 'REPLACE')
        redis.call('EXPIRE', snapshot, ttl_s)
    end
    lengths[#lengths + 1] = length
end
return lengths
