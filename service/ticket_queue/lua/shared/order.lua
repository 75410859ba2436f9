-- What "ascending" means, for every script that says "USES: order".

-- Compare ids as canonical decimals (shorter is less), which is exact where a Lua number would round.
local function less(a, b)
    if #a ~= #b then
        return #a < #b
    end
    return a < b
end

-- What finding a place costs in a list of a million entries, in entries that could be walked over instead.
local SEARCH = 4000

local NEAR = 4096

-- Find, between the indexes low and high of an ascending list, the first entry that is not less than id; else high.
-- Most ids belong near an end: looking there first is cheaper, and safe from what may be wrong in the middle.
local function place_of(list, id, low, high)
    local function is_before(index)
        return less(redis.call('LINDEX', list, index), id)
    end
    if high - low > 2 * NEAR then
        if not is_before(low + NEAR) then
            high = low + NEAR
        elseif is_before(high - NEAR) then
            low = high - NEAR + 1
        end
    end
    while low < high do
        local middle = math.floor((low + high) / 2)
        if is_before(middle) then
            low = middle + 1
        else
            high = middle
        end
    end
    return low
end
