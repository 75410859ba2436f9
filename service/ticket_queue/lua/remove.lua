-- Take ids out of a queue where they stand near either end. Ids deep inside are left: LREM over a long list would
-- stall everybody, and a phantom costs one wasted pop.
-- USES: order
-- KEYS: queue
-- ARGV: max_scan id...
-- RETURNS: how many were removed.
local queue = KEYS[1]
local max_scan = tonumber(ARGV[1])

local removed = 0
for i = 2, #ARGV do
    local id = ARGV[i]
    local length = redis.call('LLEN', queue)
    local place = place_of(queue, id, 0, length)
    if place < length and redis.call('LINDEX', queue, place) == id then
        if place <= max_scan then
            removed = removed + redis.call('LREM', queue, 1, id)
        elseif length - place <= max_scan then
            removed = removed + redis.call('LREM', queue, -1, id)
        end
    end
end
return removed
