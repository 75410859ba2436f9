-- Insert ids into a queue at their places; ids that are there already stay as they are. The only way into a queue.
-- A place in the middle is made by LINSERT, which scans from the head, or by shifting the tail where that is shorter:
-- at a million entries near the tail LINSERT takes 25 ms, shifting 1 ms.
-- USES: order
-- KEYS: generation queue
-- ARGV: id...
-- RETURNS: how many were inserted; -1 when the queue is not trusted (nothing is done).
local generation, queue = KEYS[1], KEYS[2]
local CHUNK = 1000 -- values pushed by one command; Lua's unpack allows some 8,000

if redis.call('EXISTS', generation) == 0 then
    return -1
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

local function insert(id)
    local length = redis.call('LLEN', queue)
    if length == 0 or less(redis.call('LINDEX', queue, -1), id) then
        redis.call('RPUSH', queue, id)
        return 1
    end
    if less(id, redis.call('LINDEX', queue, 0)) then
        redis.call('LPUSH', queue, id)
        return 1
    end
    local place = place_of(queue, id, 0, length)
    local next_entry = redis.call('LINDEX', queue, place)
    if next_entry == id then
        return 0
    end
    if (length - place) * 32 < place then
        shift_in(id, length - place)
    else
        redis.call('LINSERT', queue, 'BEFORE', next_entry, id)
    end
    return 1
end

local inserted = 0
for i = 1, #ARGV do
    inserted = inserted + insert(ARGV[i])
end
return inserted
