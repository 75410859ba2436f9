-- What "ascending" means, for every script that says "USES: order".

-- Compare ids as canonical decimals (shorter is less), which is exact where a Lua number would round.
local function less(a, b)
    if #a ~= #b then
        return #a < #b
    end
    return a < b
end

-- Find, between the indexes low and high of an ascending list, the first entry that is not less than id; else high.
local function place_of(list, id, low, high)
    while low < high do
        local middle = math.floor((low + high) / 2)
        if less(redis.call('LINDEX', list, middle), id) then
            low = middle + 1
        else
            high = middle
        end
    end
    return low
end
