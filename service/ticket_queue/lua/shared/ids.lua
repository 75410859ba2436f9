-- What an id is, for every script that says "USES: ids": a positive canonical decimal of at most 63 bits.
local MAX_ID = '9223372036854775807'

local function is_id(entry)
    return string.find(entry, '^[1-9]%d*$') ~= nil
        and (#entry < #MAX_ID or (#entry == #MAX_ID and entry <= MAX_ID))
end
