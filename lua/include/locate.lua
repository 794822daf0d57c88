-- The last ID that the stream has given, also when it is empty by now; nil when there is none.
local function last_id(stream)
    local info = redis.pcall('XINFO', 'STREAM', stream)
    if info.err then
        if string.find(info.err, 'no such key', 1, true) then
            return nil
        end
        return nil, info
    end
    for i = 1, #info, 2 do
        if info[i] == 'last-generated-id' then
            return info[i + 1]
        end
    end
end

-- Where the channel stands: its epoch and offset (strings, nil for a channel without a position)
-- and whether the stream itself ends there (nil: there is no stream). The larger of the two positions is the true one: the
-- stream expires before its meta key, either may be evicted, and a stream of an older epoch than
-- the meta key's is a leftover.
local function locate(stream, meta)
    local last, err = last_id(stream)
    if err then
        return nil, nil, nil, err
    end
    local top = redis.pcall('GET', meta)
    if type(top) == 'table' then
        return nil, nil, nil, top
    end
    local stream_epoch, stream_offset = string.match(last or '', '^(%d+)%-(%d+)$')
    local epoch, offset = string.match(top or '', '^(%d+)%-(%d+)$')
    if stream_epoch and tonumber(stream_epoch) > 9007199254740991 then
        return nil, nil, nil, { err = 'HFFOREIGN the entries of this stream have IDs of another kind' }
    end
    if not last then
        return epoch, offset, nil
    elseif not stream_epoch or stream_epoch == '0' then
        return epoch, offset, false
    end
    if epoch then
        local a, b = tonumber(epoch), tonumber(stream_epoch)
        if a > b or (a == b and tonumber(offset) > tonumber(stream_offset)) then
            return epoch, offset, false
        end
    end
    return stream_epoch, stream_offset, true
end

-- An epoch that is later than `epoch`: this moment's microsecond by Redis' clock, so that every node
-- counts by the same clock, unless that has been set back.
local function later_epoch(epoch)
    local time = redis.call('TIME')
    local now = tonumber(time[1]) * 1000000 + tonumber(time[2])
    return string.format('%.0f', math.max(now, epoch + 1))
end
