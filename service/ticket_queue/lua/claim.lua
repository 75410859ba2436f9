-- Pop the oldest ids an agent may take, under the cap, and note the claim in the ledger; all or nothing.
-- A claim id seen within the last reply_ttl_s gets its first answer again and pops nothing; with 0, no answer is kept.
-- Counts inversions: ids popped before an older one that was in the same queue at that moment. There should be none.
-- USES: order
-- USES: ids
-- KEYS: generation held claims reply quarantine inversions queue...
-- ARGV: claim_id agent_id wanted capacity reply_ttl_s letter_and_limit...
-- RETURNS: {trusted, short, packed}: 1 or 0, how many of those wanted the held set left no room for, and the tickets as
-- "m12,m15" ("" for none).
local generation, held, claims, reply, quarantine, inversions = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6]
local claim_id, agent_id = ARGV[1], ARGV[2]
local wanted, capacity, reply_ttl_s = tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5])
local FIRST_QUEUE, FIRST_LIMIT = 7, 6
local QUARANTINE_LIMIT = 1000
local PASSES = 4 -- a queue is popped again for entries that turned out to be poison, this often at most

local seen = reply_ttl_s > 0 and redis.call('GET', reply)
if seen then
    return {1, 0, seen}
end
if redis.call('EXISTS', generation) == 0 then
    return {0, 0, ''}
end
-- These also fail on a key of the wrong type, while nothing has been popped yet.
local room = math.max(capacity - redis.call('SCARD', held), 0)
redis.call('ZCARD', claims)
for k = FIRST_QUEUE, #KEYS do
    redis.call('LLEN', KEYS[k])
end
local short = math.max(wanted - room, 0)
if room == 0 then
    return {1, short, ''}
end

local left = math.min(wanted, room)
local ids, packed, inverted = {}, {}, 0
for k = FIRST_QUEUE, #KEYS do
    -- "m3": write the ids of this queue as m12, m15, and pop three of them at the most.
    local letter, limit = string.match(ARGV[FIRST_LIMIT + k - FIRST_QUEUE], '^(%a)(%d+)$')
    local here = math.min(left, tonumber(limit))
    local newest
    for _ = 1, PASSES do
        local popped = here > 0 and redis.call('LPOP', KEYS[k], here)
        if not popped then
            break
        end
        for _, entry in ipairs(popped) do
            if is_id(entry) then
                ids[#ids + 1] = entry
                packed[#packed + 1] = letter .. entry
                left, here = left - 1, here - 1
                if newest and less(entry, newest) then
                    inverted = inverted + 1
                else
                    newest = entry
                end
            else
                -- Not `call`: a quarantine of the wrong type must not cost the ids that have been popped.
                redis.pcall('RPUSH', quarantine, entry)
                redis.pcall('LTRIM', quarantine, -QUARANTINE_LIMIT, -1)
            end
        end
    end
    local head = newest and redis.call('LINDEX', KEYS[k], 0)
    if head and is_id(head) and less(head, newest) then
        inverted = inverted + 1
    end
end
if inverted > 0 and type(redis.pcall('INCRBY', inversions, inverted)) == 'table' then
    redis.call('SET', inversions, inverted) -- it was no number: the count begins anew
end
if #ids == 0 then
    return {1, short, ''}
end

local answer = table.concat(packed, ',')
local now = redis.call('TIME')
redis.call('SADD', held, unpack(ids))
redis.call('ZADD', claims, now[1] * 1000 + math.floor(now[2] / 1000), claim_id .. '|' .. agent_id .. '|' .. answer)
if reply_ttl_s > 0 then
    redis.call('SET', reply, answer, 'EX', reply_ttl_s)
end
return {1, short, answer}
