-- The ID for the next entry where the caller's epoch did not fit, and whether the stream that is
-- there must go for it. An epoch that the caller knows and Redis does not is one that Redis lost: the
-- stream goes on in a newer one, so that every subscriber learns of the loss.
local function next_id(stream, meta, known)
    local epoch, offset, fits, err = locate(stream, meta)
    if err then
        return nil, nil, err
    end
    if not epoch or known > tonumber(epoch) then
        return later_epoch(known) .. '-1', fits ~= nil
    end
    if fits then
        return epoch .. '-*', false
    end
    return string.format('%s-%.0f', epoch, tonumber(offset) + 1), fits ~= nil
end

-- An entry of the fields ARGV[first..last], or of the payload alone when they are one.
local function add(stream, exists, id, first, last, by)
    if exists and first == last then
        if by then
            return redis.pcall('XADD', stream, 'NOMKSTREAM', id, 'data', ARGV[first], 'by', by)
        end
        return redis.pcall('XADD', stream, 'NOMKSTREAM', id, 'data', ARGV[first])
    end
    local words = exists and { 'XADD', stream, 'NOMKSTREAM', id } or { 'XADD', stream, id }
    if first == last then
        words[#words + 1] = 'data'
    end
    for i = first, last do
        words[#words + 1] = ARGV[i]
    end
    if by then
        words[#words + 1] = 'by'
        words[#words + 1] = by
    end
    return redis.pcall(unpack(words))
end

-- The first entry of a group: most often the epoch is the known one and the stream is there.
local function add_first(stream, meta, any, first, last, by)
    if any ~= '' then
        local id = add(stream, true, any, first, last, by)
        if type(id) == 'string' then
            if string.sub(id, -2) ~= '-0' then
                return id, false
            end
            redis.call('DEL', stream) -- its entries were of an older epoch
        end
    end
    local id, is_stale, err = next_id(stream, meta, tonumber(string.match(any, '^%d+') or 0))
    if err then
        return err
    end
    if is_stale then -- only then: after a write, a script's next one is not refused for memory
        redis.call('DEL', stream)
    end
    return add(stream, false, id, first, last, by), true
end

-- Appends `count` publications, which begin at ARGV[at]; the last one's entry tells by whom. Gives
-- the last ID or an error, the message with their frames, whether the stream may be a new one, and
-- what is the index behind them.
local function append(stream, meta, any, count, at, has_heads, has_fields, by)
    local parts, id, is_new, err = {}, nil, nil, nil
    for i = 1, count do
        local head = at
        local first = has_fields and at + 2 or has_heads and at + 1 or at
        local last = has_fields and at + 1 + tonumber(ARGV[at + 1]) or first
        at = last + 1
        if i == 1 then
            id, is_new = add_first(stream, meta, any, first, last, count == 1 and by)
            if type(id) ~= 'string' then
                err = id or { err = 'ERR the stream has vanished' }
            else
                any = string.match(id, '^%d+%-') .. '*'
            end
        elseif not err then
            id = add(stream, true, any, first, last, i == count and by)
            if type(id) ~= 'string' then
                err = midway(id) or { err = 'HFMIDWAY the stream has vanished' }
            end
        end
        if not err and has_fields then
            parts[i] = frame(id, head)
        elseif not err then
            parts[3 * i - 2], parts[3 * i - 1], parts[3 * i] =
                id, has_heads and ARGV[head] or '\n', ARGV[first]
        end
    end
    if err then
        return err, nil, nil, at
    end
    return id, table.concat(parts), is_new, at
end
