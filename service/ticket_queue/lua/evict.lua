-- Take ids out of a queue, however deep they stand.
-- Where an id belongs it is found by binary search and marked by LSET, and one LREM removes all marks: one walk over the
-- list for the whole batch. What is not there, and everything if `everywhere` is 1, costs a walk of its own, so there
-- are at most `max_walks` of those; ids beyond that are left for the next call.
-- USES: order
-- KEYS: queue
-- ARGV: everywhere max_walks id...
-- RETURNS: the ids that were removed.
local queue = KEYS[1]
local everywhere, max_walks = ARGV[1] == '1', tonumber(ARGV[2])
local FIRST_ID = 3
local MARK = 'evicted'

-- All places are found before the first mark is set: marks would mislead the search.
local length = redis.call('LLEN', queue)
local removed, places, elsewhere = {}, {}, {}
for i = FIRST_ID, #ARGV do
    local id = ARGV[i]
    local place = everywhere and length or place_of(queue, id, 0, length)
    if place < length and redis.call('LINDEX', queue, place) == id then
        places[#places + 1] = place
        removed[#removed + 1] = id
    elseif #elsewhere < max_walks then
        elsewhere[#elsewhere + 1] = id
    end
end
for _, place in ipairs(places) do
    redis.call('LSET', queue, place, MARK)
end
if #places > 0 then
    redis.call('LREM', queue, 0, MARK)
end
for _, id in ipairs(elsewhere) do
    if redis.call('LREM', queue, 0, id) > 0 then
        removed[#removed + 1] = id
    end
end
return removed
