-- Insert ids into a queue at their places; ids that are there already stay as they are. The only way into a queue.
-- A place in the middle is made by LINSERT, which walks from the head, or by shifting the tail where that is shorter:
-- at a million entries near the tail LINSERT takes 25 ms, shifting 1 ms.
-- Whoever can wait bounds the work: an id whose place is further than `max_walk` entries from either end is left out as
-- too deep, and the call ends early when `budget` entries were walked over in all; 10,000 take about 0.3 ms.
-- USES: order
-- KEYS: generation queue
-- ARGV: max_walk budget id...
-- RETURNS: {inserted, looked_at, deep_id...}: inserted is -1 when the queue is not trusted (nothing is done).
local generation, queue = KEYS[1], KEYS[2]
local max_walk, budget = tonumber(ARGV[1]), tonumber(ARGV[2])
local FIRST_ID = 3
local CHUNK = 1000 -- values pushed by one command; Lua's unpack allows some 8,000
local SHIFT = 32 -- shifting one entry costs as much as walking over this many

if redis.call('EXISTS', generation) == 0 then
    return {-1, 0}
end

local function shift_in(id, moved)
    local tail = redis.call('RPOP', queue, moved) -- last entry first
    redis.call('RPUSH', queue, id)
    for last = #tail, 1, -CHUNK do
        local chunk = {}
        for i = last, math.max(last - CHUNK + 1, 1), -1 do
            chunk[#chunk + 1] = tail[i]
        end
        redis.call('RPUSH', queue, unpack(chunk))
    end
end

local inserted, looked_at, deep = 0, 0, {}

-- Imports bring thousands of ids at a time that belong behind the tail, in order: those go in by the chunk.
local function belong_behind_the_tail()
    local before = redis.call('LINDEX', queue, -1)
    for i = FIRST_ID, #ARGV do
        if before and not less(before, ARGV[i]) then
            return false
        end
        before = ARGV[i]
    end
    return #ARGV - FIRST_ID < budget
end

if belong_behind_the_tail() then
    for first = FIRST_ID, #ARGV, CHUNK do
        redis.call('RPUSH', queue, unpack(ARGV, first, math.min(first + CHUNK - 1, #ARGV)))
    end
    return {#ARGV - FIRST_ID + 1, #ARGV - FIRST_ID + 1}
end

-- Returns what it cost, in entries walked over.
local function insert(id)
    local length = redis.call('LLEN', queue)
    if length == 0 or less(redis.call('LINDEX', queue, -1), id) then
        redis.call('RPUSH', queue, id)
        inserted = inserted + 1
        return 1
    end
    if less(id, redis.call('LINDEX', queue, 0)) then
        redis.call('LPUSH', queue, id)
        inserted = inserted + 1
        return 1
    end
    local place = place_of(queue, id, 0, length)
    local next_entry = redis.call('LINDEX', queue, place)
    if next_entry == id then
        return SEARCH
    end
    local from_tail = (length - place) * SHIFT
    local walk = math.min(place, from_tail)
    if walk > max_walk then
        deep[#deep + 1] = id
        return SEARCH
    end
    if from_tail < place then
        shift_in(id, length - place)
    else
        redis.call('LINSERT', queue, 'BEFORE', next_entry, id)
    end
    inserted = inserted + 1
    return SEARCH + walk
end

for i = FIRST_ID, #ARGV do
    if budget <= 0 then
        break
    end
    budget = budget - insert(ARGV[i])
    looked_at = looked_at + 1
end
return {inserted, looked_at, unpack(deep)}
