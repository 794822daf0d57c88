-- name: stream_create
-- purpose: give a channel that has no position its first epoch
-- needs: redis >= 7.0, writes
-- KEYS[1] stream (stream, same slot as meta)
-- KEYS[2] meta (string "<epoch>-<offset>" of the top)
-- ARGV[1] ttl of the meta key (s)
-- returns: the channel's position "<epoch>-<offset>", which may have been there before; or an error
-- atomicity: Redis runs nothing else meanwhile, and there is one write only
-- cost: O(1)

local top = redis.call('GET', KEYS[2])
if top then
    return top
end
local info = redis.pcall('XINFO', 'STREAM', KEYS[1])
if not info.err then
    for i = 1, #info, 2 do
        if info[i] == 'last-generated-id' and info[i + 1] ~= '0-0' then
            return info[i + 1]
        end
    end
elseif not string.find(info.err, 'no such key', 1, true) then
    return info
end

local time = redis.call('TIME')
local id = string.format('%.0f-0', tonumber(time[1]) * 1000000 + tonumber(time[2]))
redis.call('SET', KEYS[2], id, 'EX', ARGV[1])
return id
