-- name: stream_publish
-- purpose: append a batch of publications to the streams of several channels and publish them
-- needs: redis >= 7.0 (XADD <epoch>-*), writes
-- KEYS[2n-1] stream of the n-th channel (stream, same slot as its meta)
-- KEYS[2n] meta of the n-th channel (string "<epoch>-<offset>" of the top)
-- ARGV[1] the call's name, kept in the entry of each channel's last publication as field 'by'
-- ARGV[2] max_len (publications; up to 100: trimmed with each call, more: when the offset passes a
--   multiple of ten, from 1000 on by whole nodes of the stream)
-- ARGV[3] "<ttl of a stream> <ttl of a meta key>" (s), behind a 'k' when the keys that are there
--   have been given these of late, and keep them
-- ARGV[4] prefix of the pub/sub channel's name, which is otherwise the stream key's ('' in db 0)
-- ARGV[5...] then one group for each channel, in the order of KEYS: "<epoch>-*" with the epoch that
--   the caller knows ('' when it knows none), and
--     for one publication that has only 'data': frame head (see engine/redis/frame.h; it begins
--       with a space), payload
--     for several such: their count; then frame head and payload of each
--     for others: their count and 'f'; then for each: frame head, arguments that follow (count,
--       even), entry fields: 'data', payload, and when present 'info', 'tags', 'version',
--       'version_epoch', 'delta'
-- returns: for each channel the ID "<epoch>-<offset>" of its last publication, those before it
--   having the offsets before; or an error. "HFMIDWAY ..." is an error after the first write: what
--   was appended stays, perhaps undelivered. Any other: nothing happened. For one channel it is the
--   reply, for several they are in an array
-- atomicity: Redis runs nothing else meanwhile. A channel's group is all or nothing as far as Redis
--   refuses up front (wrong type, OOM, READONLY, permissions on the stream); one group's error does
--   not touch the others. If it stops midway (the server dies), a stream may hold entries that
--   nobody was told of: they are consecutive, so the next delivery shows a listener the gap, and
--   the stream's last ID carries the position even if the meta key is behind.
-- cost: O(publications), 3 calls for one (5 when the ttls are set) and 1 more for each further one
--   of the channel. Measured, parts of what one publication costs: an argument 2 %, the SET 11 %,
--   an array around the reply 10 %, the EXPIRE 16 %

local call, byte, KEYS, ARGV = redis.pcall, string.byte, KEYS, ARGV
local by, max_len, ttls, prefix = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
local trims_always = #max_len <= 2 or max_len == '100'
local trim = #max_len <= 3 and '=' or '~'
local is_kept = ttls >= 'k'
local ttl, meta_ttl
if not is_kept then
    ttl, meta_ttl = string.match(ttls, '(%d+) (%d+)')
end

local reply = {}
local publish
local group = 5
for i = 1, #KEYS, 2 do
    local stream, any, head = KEYS[i], ARGV[group], ARGV[group + 1]
    local id, digit
    if any ~= '' and byte(head) == 32 then
        if trims_always then
            id = call('XADD', stream, 'NOMKSTREAM', 'MAXLEN', trim, max_len, any,
                'data', ARGV[group + 2], 'by', by)
        else
            id = call('XADD', stream, 'NOMKSTREAM', any, 'data', ARGV[group + 2], 'by', by)
        end
        digit = type(id) == 'string' and byte(id, -1)
    end
    if digit == 48 and byte(id, -2) == 45 then -- "-0": the stream's entries were of an older epoch
        redis.call('DEL', stream)
        digit = nil
    end
    if digit then
        if digit == 48 and not trims_always then
            call('XTRIM', stream, 'MAXLEN', trim, max_len)
        end
        local set = is_kept and call('SET', KEYS[i + 1], id, 'XX', 'KEEPTTL')
            or call('SETEX', KEYS[i + 1], meta_ttl or string.match(ttls, ' (%d+)'), id)
        local expires = is_kept or call('EXPIRE', stream, ttl)
        local told = call('PUBLISH', prefix == '' and stream or prefix .. stream,
            id .. head .. ARGV[group + 2])
        if set.err or type(expires) == 'table' or type(told) == 'table' then
            local failed = set.err and set or type(told) == 'table' and told or expires
            id = { err = 'HFMIDWAY ' .. failed.err }
        end
        group = group + 3
    else
        -- Only here, as making functions costs as much as a command of Redis: any other group.
        if not publish then

-- include: include/locate.lua

-- include: include/frame.lua

-- include: include/append.lua

-- The group that begins at ARGV[group]; and where the next one begins.
function publish(stream, meta, group)
    local count, with_fields = string.match(ARGV[group + 1], '^(%d+)(f?)$')
    local first = count and group + 2 or group + 1
    count = tonumber(count or 1)
    local id, message, is_new, following =
        append(stream, meta, ARGV[group], count, first, with_fields == 'f', by)
    if type(id) == 'table' then
        return id, following
    end
    if trims_always or (byte(id, -1) - 48) % 10 < count then
        call('XTRIM', stream, 'MAXLEN', trim, max_len)
    end
    local ttl, meta_ttl = string.match(ttls, '(%d+) (%d+)')
    return midway(is_kept and call('SET', meta, id, 'XX', 'KEEPTTL')
            or call('SETEX', meta, meta_ttl, id))
        or midway((is_new or not is_kept) and call('EXPIRE', stream, ttl))
        or midway(call('PUBLISH', prefix .. stream, message))
        or id, following
end

        end
        id, group = publish(stream, KEYS[i + 1], group)
    end
    if #KEYS == 2 then
        return id
    end
    reply[#reply + 1] = id
end
return reply
