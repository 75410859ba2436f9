-- Look ids up in a queue: exact where the queue is in order.
-- Ids that lie close together are found in one stretch of entries after the other; one that does not follow closely is
-- searched for. Tickets created lately are such a run at the tail.
-- USES: order
-- KEYS: queue
-- ARGV: id...
-- RETURNS: those of the ids that are in the queue; they must come ascending.
local queue = KEYS[1]
local STRETCH = 128

local length = redis.call('LLEN', queue)
local stretch, at, from = {}, 1, 0 -- entries read, the place among them, the index of the first

local function read(index)
    stretch, at, from = redis.call('LRANGE', queue, index, index + STRETCH - 1), 1, index
end

local function go_to(id)
    while at <= #stretch and less(stretch[at], id) do
        at = at + 1
    end
    local after = from + #stretch
    if at <= #stretch or after >= length then
        return
    end
    read(after)
    if less(stretch[#stretch], id) then
        read(place_of(queue, id, after + #stretch, length))
    end
    while at <= #stretch and less(stretch[at], id) do
        at = at + 1
    end
end

local found = {}
for i = 1, #ARGV do
    go_to(ARGV[i])
    if stretch[at] == ARGV[i] then
        found[#found + 1] = ARGV[i]
    end
end
return found
