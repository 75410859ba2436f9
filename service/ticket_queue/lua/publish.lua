-- Put staged lists in the place of the queues and mark them trusted; all or nothing.
-- KEYS: generation staged_and_queue...
-- ARGV: token length...
-- RETURNS: 1; 0 when a staged list is not as long as was put into it (nothing is done).
local generation = KEYS[1]
local token = ARGV[1]
local FIRST_PAIR, FIRST_LENGTH = 2, 2

for k = FIRST_PAIR, #KEYS, 2 do
    local length = tonumber(ARGV[FIRST_LENGTH + (k - FIRST_PAIR) / 2])
    if redis.call('LLEN', KEYS[k]) ~= length then
        return 0
    end
end
for k = FIRST_PAIR, #KEYS, 2 do
    local staged, queue = KEYS[k], KEYS[k + 1]
    redis.call('UNLINK', queue)
    if redis.call('EXISTS', staged) == 1 then
        redis.call('RENAME', staged, queue)
        redis.call('PERSIST', queue)
    end
end
redis.call('SET', generation, token)
return 1
