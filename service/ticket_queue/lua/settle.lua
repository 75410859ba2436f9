-- End a claim: strike it off the ledger and take out of the agent's hand what the store did not give.
-- KEYS: held claims
-- ARGV: member unhold...
-- RETURNS: 1 when the claim was still open, else 0.
local held, claims = KEYS[1], KEYS[2]
local member = ARGV[1]

for i = 2, #ARGV do
    redis.call('SREM', held, ARGV[i])
end
return redis.call('ZREM', claims, member)
