-- Strike a claim off the ledger, and forget its answer: a call repeated after this must not get ids that went back.
-- KEYS: claims reply
-- ARGV: member
-- RETURNS: 1 when the claim was still open, else 0 (nothing is done).
local claims, reply = KEYS[1], KEYS[2]
local member = ARGV[1]

if redis.call('ZREM', claims, member) == 0 then
    return 0
end
redis.call('DEL', reply)
return 1
