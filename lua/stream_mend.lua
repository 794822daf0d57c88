-- name: stream_mend
-- purpose: heal a stream whose end Redis has lost, or give it a new epoch, if nobody was faster
-- needs: redis >= 7.0, writes
-- KEYS[1] stream (stream, same slot as meta)
-- KEYS[2] meta (string "<epoch>-<offset>" of the top)
-- KEYS[3] version (string "<version>" or "<version> <version epoch>" of the newest versioned one)
-- ARGV[1] prefix of the pub/sub channel's name, which is otherwise the stream key's ('' in db 0)
-- ARGV[2] epoch that the stream is expected in (decimal)
-- ARGV[3] offset that it is expected at (decimal; not looked at for a new epoch)
-- ARGV[4] max_len (publications)   ARGV[5] trim ('=' or '~')
-- ARGV[6] ttl of the stream (s)    ARGV[7] ttl of the meta and version keys (s)
-- ARGV[8] publications (count) to append with the offsets behind ARGV[3]; '0': a new epoch
-- ARGV[9...] for each publication: frame head (see engine/redis/frame.h), arguments that follow
--   (count, even), entry fields as in stream_publish; 'by' becomes 'mend'
-- returns: the channel's new position "<epoch>-<offset>", or an error: "HFELSEWHERE ..." when the
--   stream is not where it is expected
-- atomicity: Redis runs nothing else meanwhile; what is read is read before the first write. If it
--   stops midway, a part of the publications is back, consecutive, and may be undelivered.
-- cost: O(publications)

-- include: include/locate.lua

-- include: include/frame.lua

-- What the version key holds after this publication; nil when it has no version.
local function version_of(head)
    local version, version_epoch
    for i = head + 2, head + 1 + tonumber(ARGV[head + 1]), 2 do
        if ARGV[i] == 'version' then
            version = ARGV[i + 1]
        elseif ARGV[i] == 'version_epoch' then
            version_epoch = ARGV[i + 1]
        end
    end
    return version and version_epoch and version .. ' ' .. version_epoch or version
end

local stream, meta = KEYS[1], KEYS[2]
local count = tonumber(ARGV[8])
local epoch, offset, fits, err = locate(stream, meta)
if err then
    return err
end
if epoch ~= ARGV[2] or (count > 0 and offset ~= ARGV[3]) then
    return { err = 'HFELSEWHERE the stream has moved on' }
end

if count == 0 then
    local id = later_epoch(tonumber(epoch)) .. '-0'
    redis.call('DEL', stream)
    redis.call('SET', meta, id, 'EX', ARGV[7])
    return id
end

if fits == false then
    redis.call('DEL', stream)
end
local id = string.format('%s-%.0f', epoch, tonumber(offset) + 1)
local frames = {}
local held
local head = 9
for i = 1, count do
    local fields = tonumber(ARGV[head + 1])
    id = redis.pcall('XADD', stream, i == 1 and id or epoch .. '-*',
        'by', 'mend', unpack(ARGV, head + 2, head + 1 + fields))
    if type(id) ~= 'string' then
        return i == 1 and id or midway(id)
    end
    frames[i] = frame(id, head)
    held = version_of(head) or held
    head = head + 2 + fields
end
redis.call('XTRIM', stream, 'MAXLEN', ARGV[5], ARGV[4])
redis.call('EXPIRE', stream, ARGV[6])
redis.call('SET', meta, id, 'EX', ARGV[7])
if held then
    redis.call('SET', KEYS[3], held, 'EX', ARGV[7])
end
redis.call('PUBLISH', ARGV[1] .. stream, table.concat(frames))
return id
