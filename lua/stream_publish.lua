-- name: stream_publish
-- purpose: append a batch of publications to the streams of several channels and publish them
-- needs: redis >= 7.0 (XADD <epoch>-*), writes
-- KEYS[2n-1] stream of the n-th channel (stream, same slot as its meta)
-- KEYS[2n] meta of the n-th channel (string "<epoch>-<offset>" of the top)
-- ARGV[1] the call's name, kept in the entry of each channel's last publication as field 'by'
-- ARGV[2] "<mode><max_len> <ttl of a stream> <ttl of a meta key> <prefix>". Mode: 'k', the keys that
--   are there have been given these ttls (s) of late and keep them; 's', the same, and nothing is
--   special: max_len is above 100 and there is no prefix; else 'e'. max_len (publications): up to
--   100 trimmed with each call; more: by whole nodes of the stream, when the offset passes a
--   multiple of ten. Prefix of the pub/sub channel's name, which is otherwise the stream key's
--   ('' in db 0)
-- ARGV[3...] then one group for each channel, in the order of KEYS, which begins with one argument
--   of two parts: "<epoch>-*" with the epoch that the caller knows (left out when it knows none), and
--     nothing when it is one publication that has only 'data'; the payload follows
--     the count of several such (or of one when the first part is left out); for each follow a frame
--       head (see engine/redis/frame.h) and the payload
--     the count of others and 'f'; for each follow a frame head, arguments that follow (count, even),
--       entry fields: 'data', payload, and when present 'info', 'tags', 'version',
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
--   of the channel. Measured, parts of what one publication costs: an argument 2 %, the SET 10 %,
--   a pattern to match 3 %, an array around the reply 10 %, the EXPIRE 16 %

local call, byte, KEYS, ARGV = redis.pcall, string.byte, KEYS, ARGV
local by, options = ARGV[1], ARGV[2]
local is_kept, trims_always, max_len, ttl, meta_ttl, prefix = true, false, nil, nil, nil, nil
if byte(options) ~= 115 then -- 's'
    local mode
    mode, max_len, ttl, meta_ttl, prefix =
        string.match(options, '^(%l)(%d+) (%d+) (%d+) (.*)$')
    is_kept = mode == 'k'
    trims_always = #max_len <= 2 or max_len == '100'
end

local reply
local publish
local group = 3
for i = 1, #KEYS, 2 do
    local stream, any = KEYS[i], ARGV[group]
    local id, digit
    if byte(any, -1) == 42 then -- '*': one publication that has only 'data'
        if trims_always then
            id = call('XADD', stream, 'NOMKSTREAM', 'MAXLEN', '=', max_len, any,
                'data', ARGV[group + 1], 'by', by)
        else
            id = call('XADD', stream, 'NOMKSTREAM', any, 'data', ARGV[group + 1], 'by', by)
        end
        digit = id and #id > 0 and byte(id, -1) -- not of an error, which is a table
    end
    if digit == 48 and byte(id, -2) == 45 then -- "-0": the stream's entries were of an older epoch
        redis.call('DEL', stream)
        digit = nil
    end
    if digit then
        if digit == 48 and not trims_always then
            call('XTRIM', stream, 'MAXLEN', '~', max_len or string.match(options, '%d+'))
        end
        local set = is_kept and call('SET', KEYS[i + 1], id, 'XX', 'KEEPTTL')
            or call('SETEX', KEYS[i + 1], meta_ttl or string.match(options, ' %d+ (%d+)'), id)
        local expires = is_kept or call('EXPIRE', stream, ttl)
        local told = call('PUBLISH', prefix and prefix .. stream or stream,
            id .. '\n' .. ARGV[group + 1])
        if set.err or not tonumber(told) or not (is_kept or tonumber(expires)) then
            local failed = set.err and set or tonumber(told) and expires or told
            id = { err = 'HFMIDWAY ' .. failed.err }
        end
        group = group + 2
    else
        -- Only here, as making functions costs as much as a command of Redis: any other group.
        if not publish then

-- include: include/locate.lua

-- include: include/frame.lua

-- include: include/append.lua

-- The group that begins at ARGV[group]; and where the next one begins.
function publish(stream, meta, group)
    local any, count, with_fields = string.match(ARGV[group], '^(.-)(%d*)(f?)$')
    local has_heads = count ~= ''
    count = tonumber(count) or 1
    local id, message, is_new, following =
        append(stream, meta, any, count, group + 1, has_heads, with_fields == 'f', by)
    if type(id) == 'table' then
        return id, following
    end
    local max_len, ttl, meta_ttl = string.match(options, '(%d+) (%d+) (%d+)')
    if trims_always or (byte(id, -1) - 48) % 10 < count then
        call('XTRIM', stream, 'MAXLEN', trims_always and '=' or '~', max_len)
    end
    return midway(is_kept and call('SET', meta, id, 'XX', 'KEEPTTL')
            or call('SETEX', meta, meta_ttl, id))
        or midway((is_new or not is_kept) and call('EXPIRE', stream, ttl))
        or midway(call('PUBLISH', (prefix or '') .. stream, message))
        or id, following
end

        end
        id, group = publish(stream, KEYS[i + 1], group)
    end
    if #KEYS == 2 then
        return id
    end
    reply = reply or {}
    reply[#reply + 1] = id
end
return reply
