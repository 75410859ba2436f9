-- Look ids up in a queue, by binary search: exact where the queue is in order.
-- KEYS: queue
-- ARGV: id...
-- RETURNS: those of the ids that are in the queue.
local queue = KEYS[1]

local function less(a, b)
    if #a ~= #b then
        return #a < #b
    end
    return a < b
end

local length = redis.call('LLEN', queue)
local found = {}
for i = 1, #ARGV do
    local low, high = 0, length
    while low < high do
        local middle = math.floor((low + high) / 2)
        if less(redis.call('LINDEX', queue, middle), ARGV[i]) then
            low = middle + 1
        else
            high = middle
        end
    end
    if low < length and redis.call('LINDEX', queue, low) == ARGV[i] then
        found[#found + 1] = ARGV[i]
    end
end
return found
