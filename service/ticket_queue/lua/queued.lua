-- Look ids up in a queue: exact where the queue is in order.
-- The first id is found by binary search, and so is each that does not follow closely; ids that lie close together are
-- found in the stretch of entries read from there on. Tickets created lately are such a run at the tail.
-- KEYS: queue
-- ARGV: id...
-- RETURNS: those of the ids that are in the queue; they must come ascending.
local queue = KEYS[1]
local STRETCH = 128

local function less(a, b)
    if #a ~= #b then
        return #a < #b
    end
    return a < b
end

local function place_of(id, low, length)
    local high = length
    while low < high do
        local middle = math.floor((low + high) / 2)
        if less(redis.call('LINDEX', queue, middle), id) then
            low = middle + 1
        else
            high = middle
        end
    end
    return low
end

local length = redis.call('LLEN', queue)
local found = {}
local stretch, at, from = {}, 1, 0 -- entries read, the place among them, the index of the first
for i = 1, #ARGV do
    local id = ARGV[i]
    while at <= #stretch and less(stretch[at], id) do
        at = at + 1
    end
    if at > #stretch and from + #stretch < length then
        from = place_of(id, from + #stretch, length)
        stretch, at = redis.call('LRANGE', queue, from, from + STRETCH - 1), 1
    end
    if stretch[at] == id then
        found[#found + 1] = id
    end
end
return found
