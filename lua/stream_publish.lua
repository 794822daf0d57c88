-- name: stream_publish
-- purpose: append a batch of publications to the streams of several channels and publish them
-- needs: redis >= 7.0 (XADD <epoch>-*), writes
-- KEYS[2n-1] stream of the n-th channel (stream, same slot as its meta)
-- KEYS[2n] meta of the n-th channel (string "<epoch>-<offset>" of the top)
-- ARGV[1] prefix of the pub/sub channel's name, which is otherwise the stream key's ('' in db 0)
-- ARGV[2...] then one group for each channel, in the order of KEYS:
--   [1] arguments in this group (count)     [2] max_len (publications)   [3] trim ('=' or '~')
--   [4] ttl of the stream (s)               [5] ttl of the meta key (s)
--   [6] epoch that the caller knows (decimal, '0' when it knows none)
--   [7] publications (count); then for each of them:
--     [1] frame head (see engine/redis/frame.h) [2] arguments that follow (count, even)
--     [3...] entry fields: 'data', payload, and when present 'info', 'tags', 'version', 'delta'
-- returns: an array with one element for each channel: the ID "<epoch>-<offset>" of its last
--   publication, those before it having the offsets before; or an error. "HFMIDWAY ..." is an error
--   after the first write: what was appended stays, perhaps undelivered. Any other: nothing happened.
-- atomicity: Redis runs nothing else meanwhile. A channel's group is all or nothing as far as Redis
--   refuses up front (wrong type, OOM, READONLY, permissions on the stream); one group's error does
--   not touch the others. If it stops midway (the server dies), a stream may hold entries that
--   nobody was told of: they are consecutive, so the next delivery shows a listener the gap, and
--   the stream's last ID carries the position even if the meta key is behind.
-- cost: O(publications), about 4 calls for one and 1 more for each further one of the channel

local STREAM_ONLY, NEW, CONTINUED = 1, 2, 3

-- include: include/locate.lua

-- The ID for the next entry where the caller's epoch did not fit, and whether the stream that is
-- there must go for it. An epoch that the caller knows and Redis does not is one that Redis lost: the
-- stream goes on in a newer one, so that every subscriber learns of the loss.
local function next_id(stream, meta, known_epoch)
    local epoch, offset, fits, err = locate(stream, meta)
    if err then
        return nil, nil, err
    end
    local known = tonumber(known_epoch)
    if not epoch or known > tonumber(epoch) then
        return later_epoch(known) .. '-1', fits ~= nil
    end
    if fits then
        return epoch .. '-*', false
    end
    return string.format('%s-%.0f', epoch, tonumber(offset) + 1), fits ~= nil
end

-- Appends the publication whose entry fields are ARGV[first..last]. Trimming with the last one of
-- a group does the work of trimming with each.
local function append(stream, how, id, trim, max_len, first, last)
    if how == STREAM_ONLY then
        return redis.pcall('XADD', stream, 'NOMKSTREAM', 'MAXLEN', trim, max_len, id,
            unpack(ARGV, first, last))
    elseif how == NEW then
        return redis.pcall('XADD', stream, 'MAXLEN', trim, max_len, id, unpack(ARGV, first, last))
    end
    return redis.pcall('XADD', stream, 'NOMKSTREAM', id, unpack(ARGV, first, last))
end

-- The first publication of a group: most often the epoch is the known one and the stream is there.
local function append_first(stream, meta, epoch, trim, max_len, first, last)
    if epoch ~= '0' then
        local id = append(stream, STREAM_ONLY, epoch .. '-*', trim, max_len, first, last)
        if type(id) == 'string' then
            if string.sub(id, -2) ~= '-0' then
                return id
            end
            redis.call('DEL', stream) -- its entries were of an older epoch
        end
    end
    local id, is_stale, err = next_id(stream, meta, epoch)
    if err then
        return err
    end
    if is_stale then -- only then: after a write, a script's next one is not refused for memory
        redis.call('DEL', stream)
    end
    return append(stream, NEW, id, trim, max_len, first, last)
end

-- include: include/frame.lua

-- One channel's group, which begins at ARGV[group].
local function publish(stream, meta, group)
    local max_len, trim, epoch = ARGV[group + 1], ARGV[group + 2], ARGV[group + 5]
    local count = tonumber(ARGV[group + 6])
    local head = group + 7
    local fields = tonumber(ARGV[head + 1])

    local id = append_first(stream, meta, epoch, trim, max_len, head + 2, head + 1 + fields)
    if type(id) == 'table' then
        return id
    end
    local message = frame(id, head)
    if count > 1 then
        local frames = { message }
        local any = string.match(id, '^%d+%-') .. '*'
        for i = 2, count do
            head = head + 2 + fields
            fields = tonumber(ARGV[head + 1])
            id = append(stream, i == count and STREAM_ONLY or CONTINUED, any, trim, max_len,
                head + 2, head + 1 + fields)
            if type(id) ~= 'string' then
                return midway(id) or { err = 'HFMIDWAY the stream has vanished' }
            end
            frames[i] = frame(id, head)
        end
        message = table.concat(frames)
    end
    return midway(redis.pcall('EXPIRE', stream, ARGV[group + 3]))
        or midway(redis.pcall('SET', meta, id, 'EX', ARGV[group + 4]))
        or midway(redis.pcall('PUBLISH', ARGV[1] .. stream, message))
        or id
end

local reply = {}
local group = 2
for i = 1, #KEYS, 2 do
    reply[#reply + 1] = publish(KEYS[i], KEYS[i + 1], group)
    group = group + tonumber(ARGV[group])
end
return reply
