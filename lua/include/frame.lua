-- A publication's frame. `head` is the index of its frame head in ARGV.
local function frame(id, head)
    local fields = tonumber(ARGV[head + 1])
    if fields == 2 then
        return id .. ARGV[head] .. ARGV[head + 3]
    end
    local parts = { id, ARGV[head] }
    for i = head + 2, head + 1 + fields, 2 do
        local name = ARGV[i]
        if name == 'data' or name == 'info' or name == 'tags' or name == 'version_epoch' then
            parts[#parts + 1] = ARGV[i + 1]
        end
    end
    return table.concat(parts)
end

local function midway(result)
    if type(result) == 'table' and result.err then
        return { err = 'HFMIDWAY ' .. result.err }
    end
end
