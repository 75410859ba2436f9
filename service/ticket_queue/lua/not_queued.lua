-- Say which ids are not in a queue: exact where the queue is in order.
-- Ids that lie close together are found in one stretch of entries after the other; one that does not follow closely is
-- searched for. Tickets created lately are such a run at the tail. The call ends early when `budget` is used up.
-- USES: order
-- KEYS: queue
-- ARGV: budget id...
-- RETURNS: {looked_at, absent_id...}; the ids must come ascending.
local queue = KEYS[1]
local budget = tonumber(ARGV[1])
local FIRST_ID = 2
local STRETCH = 128
local READ = 1000 -- what reading a stretch costs, in entries walked over

local length = redis.call('LLEN', queue)
local stretch, at, from = {}, 1, 0 -- entries read, the place among them, the index of the first

local function read(index)
    stretch, at, from = redis.call('LRANGE', queue, index, index + STRETCH - 1), 1, index
    budget = budget - READ
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
        budget = budget - SEARCH
        read(place_of(queue, id, after + #stretch, length))
    end
    while at <= #stretch and less(stretch[at], id) do
        at = at + 1
    end
end

local absent, looked_at = {}, 0
for i = FIRST_ID, #ARGV do
    if budget <= 0 then
        break
    end
    go_to(ARGV[i])
    if stretch[at] ~= ARGV[i] then
        absent[#absent + 1] = ARGV[i]
    end
    looked_at = looked_at + 1
end
return {looked_at, unpack(absent)}
