-- Move a key of a wrong type out of the way, where somebody may look at it for a while.
-- KEYS: key aside
-- ARGV: wanted_type ttl_s
-- RETURNS: 1 when the key was moved, else 0.
local key, aside = KEYS[1], KEYS[2]
local wanted_type, ttl_s = ARGV[1], ARGV[2]

local found = redis.call('TYPE', key).ok
if found == 'none' or found == wanted_type then
    return 0
end
redis.call('RENAME', key, aside)
redis.call('EXPIRE', aside, ttl_s)
return 1
