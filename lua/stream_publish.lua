-- name: stream_publish
-- purpose: append a batch of publications to the streams of several channels and publish them
-- needs: redis >= 7.0 (XADD <epoch>-*), writes
-- KEYS[2n-1] stream of the n-th channel (stream, same slot as its meta)
-- KEYS[2n] meta of the n-th channel (string "<epoch>-<offset>" of the top)
-- ARGV[1] prefix of the pub/sub channel's name, which is otherwise the stream key's ('' in db 0)
-- ARGV[2] max_len (publications; up to 100: trimmed with each call, more: when the offset passes a
--   multiple of ten, from 1000 on by whole nodes of the stream)
-- ARGV[3] ttl of a stream (s)      ARGV[4] ttl of a meta key (s)
-- ARGV[5] the call's name, kept in the entry of each channel's last publication as field 'by'
-- ARGV[6...] then one group for each channel, in the order of KEYS:
--   [1] "<epoch>-*" with the epoch that the caller knows ('' when it knows none)
--   [2] publications (count), then 'k' when the stream's ttl was set of late and is kept, then 'f'
--       when the publications have fields beside 'data'; then for each publication:
--     without 'f': frame head (see engine/redis/frame.h), payload
--     with 'f': frame head, arguments that follow (count, even), entry fields: 'data', payload, and
--       when present 'info', 'tags', 'version', 'delta'
-- returns: an array with one element for each channel: the ID "<epoch>-<offset>" of its last
--   publication, those before it having the offsets before; or an error. "HFMIDWAY ..." is an error
--   after the first write: what was appended stays, perhaps undelivered. Any other: nothing happened.
-- atomicity: Redis runs nothing else meanwhile. A channel's group is all or nothing as far as Redis
--   refuses up front (wrong type, OOM, READONLY, permissions on the stream); one group's error does
--   not touch the others. If it stops midway (the server dies), a stream may hold entries that
--   nobody was told of: they are consecutive, so the next delivery shows a listener the gap, and
--   the stream's last ID carries the position even if the meta key is behind.
-- cost: O(publications), 3 to 5 calls for one and 1 more for each further one of the channel

local call, byte, ARGV = redis.pcall, string.byte, ARGV
local prefix, max_len, ttl, meta_ttl, by = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5]
local trims_always = #max_len <= 2 or max_len == '100'
local trim = #max_len <= 3 and '=' or '~'

local reply = {}
local publish
local group = 6
for i = 1, #KEYS, 2 do
    local stream, any, shape = KEYS[i], ARGV[group], ARGV[group + 1]
    local is_kept = shape == '1k'
    local id
    if any ~= '' and (is_kept or shape == '1') then
        if trims_always then
            id = call('XADD', stream, 'NOMKSTREAM', 'MAXLEN', trim, max_len, any,
                'data', ARGV[group + 3], 'by', by)
        else
            id = call('XADD', stream, 'NOMKSTREAM', any, 'data', ARGV[group + 3], 'by', by)
        end
    end
    local digit = type(id) == 'string' and byte(id, -1)
    if digit == 48 and byte(id, -2) == 45 then -- "-0": the stream's entries were of an older epoch
        redis.call('DEL', stream)
        digit = false
    end
    if digit then
        if digit == 48 and not trims_always then
            call('XTRIM', stream, 'MAXLEN', trim, max_len)
        end
        local expired = is_kept or call('EXPIRE', stream, ttl)
        local set = call('SETEX', KEYS[i + 1], meta_ttl, id)
        local told = call('PUBLISH', prefix .. stream, id .. ARGV[group + 2] .. ARGV[group + 3])
        if set.err or type(expired) == 'table' or type(told) == 'table' then
            local failed = set.err and set or type(told) == 'table' and told or expired
            id = { err = 'HFMIDWAY ' .. failed.err }
        end
        group = group + 4
    else
        -- Only here, as making functions costs as much as a command of Redis: any other group.
        if not publish then

-- include: include/locate.lua

-- include: include/frame.lua

-- include: include/append.lua

-- The group that begins at ARGV[group]; and where the next one begins.
function publish(stream, meta, group)
    local count, kept, with_fields = string.match(ARGV[group + 1], '^(%d+)(k?)(f?)$')
    count, with_fields = tonumber(count), with_fields ~= ''
    local id, message, is_new, following =
        append(stream, meta, ARGV[group], count, group + 2, with_fields, by)
    if type(id) == 'table' then
        return id, following
    end
    if trims_always or (byte(id, -1) - 48) % 10 < count then
        call('XTRIM', stream, 'MAXLEN', trim, max_len)
    end
    return midway((kept == '' or is_new) and call('EXPIRE', stream, ttl))
        or midway(call('SETEX', meta, meta_ttl, id))
        or midway(call('PUBLISH', prefix .. stream, message))
        or id, following
end

        end
        id, group = publish(stream, KEYS[i + 1], group)
    end
    reply[#reply + 1] = id
end
return reply
