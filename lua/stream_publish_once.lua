-- name: stream_publish_once
-- purpose: append publications to a channel and publish them, unless that has been done already
-- needs: redis >= 7.0 (XADD <epoch>-*), writes
-- KEYS[1] stream (stream, same slot as the others)
-- KEYS[2] meta (string "<epoch>-<offset>" of the top)
-- KEYS[3] version (string "<version>" or "<version> <version epoch>" of the newest versioned one)
-- KEYS[4] idem (string: the position that the idempotency key was given; left out without a key)
-- ARGV[1] prefix of the pub/sub channel's name, which is otherwise the stream key's ('' in db 0)
-- ARGV[2] max_len (publications, '0': no history)   ARGV[3] trim ('=' or '~')
-- ARGV[4] ttl of the stream (s)    ARGV[5] ttl of the meta and version keys (s)
-- ARGV[6] the call's name, kept in the entry of the last publication as field 'by'
-- ARGV[7] "<epoch>-*" with the epoch that the caller knows ('' when it knows none)
-- ARGV[8] '' for a first attempt. Else an attempt under this name may have been carried out: the
--   position "<epoch>-<offset>" before it as far as the caller knew ("0-0": it knew none)
-- ARGV[9] version (decimal, '0': none)   ARGV[10] version epoch ('': any)
-- ARGV[11] ttl of the idem key (s, without one not looked at)
-- ARGV[12] publications (count; 1 without history); then for each of them: frame head (see
--   engine/redis/frame.h), arguments that follow (count, even), entry fields: 'data', payload, and
--   when present 'info', 'tags', 'version',
--       'version_epoch', 'delta'
-- returns: { outcome, position }. outcome: 'published', now or by the attempt before; 'repeated',
--   the idempotency key was there, with the position that it holds; 'outdated', with the top. The
--   position is that of the last publication, "0-0" without history. Or an error: "HFDOUBT ..." when
--   it cannot be told whether the attempt before was carried out, and others as stream_publish's
-- atomicity: as stream_publish's group; the idem and version keys are written last
-- cost: O(publications), and O(entries since ARGV[8]) for another attempt

local stream, meta, version_key, idem = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local has_history = ARGV[2] ~= '0'
local SEARCHED_MAX, PAGE = 10000, 100

-- include: include/locate.lua

-- include: include/frame.lua

-- include: include/append.lua

local function field(entry, name)
    for i = 1, #entry[2], 2 do
        if entry[2][i] == name then
            return entry[2][i + 1]
        end
    end
end

-- The ID of the entry that the attempt before has made, or nil when it is certain that there is
-- none, or an error. It is certain when every entry behind the position that was known then is
-- still there and none has the name; an entry that a node wrote back after a loss has lost its own.
-- What Redis has lost altogether does not count as made.
local function find_attempt(since)
    local doubt = { err = 'HFDOUBT the entry may be gone by now' }
    local epoch, offset, fits, err = locate(stream, meta)
    if err then
        return err
    end
    local since_epoch, low = string.match(since, '^(%d+)%-(%d+)$')
    low = since_epoch == epoch and tonumber(low) or 0
    if not epoch or tonumber(since_epoch) > tonumber(epoch) or tonumber(offset) <= low then
        return nil
    end
    local expected = tonumber(offset)
    if not fits or expected - low > SEARCHED_MAX then
        return doubt
    end
    while expected > low do
        local from = string.format('%s-%.0f', epoch, expected)
        local down = string.format('%s-%.0f', epoch, low + 1)
        local page = redis.call('XREVRANGE', stream, from, down, 'COUNT', PAGE)
        if #page == 0 then
            return doubt
        end
        for _, entry in ipairs(page) do
            local by = field(entry, 'by')
            if by == ARGV[6] then
                return entry[1]
            end
            if by == 'mend' or entry[1] ~= string.format('%s-%.0f', epoch, expected) then
                return doubt
            end
            expected = expected - 1
        end
    end
end

-- The top when the version is not newer than the last one. Without a position there is no last one.
local function outdated_by()
    if not has_history or ARGV[9] == '0' then
        return nil
    end
    local held = redis.call('GET', version_key)
    if not held then
        return nil
    end
    local version, version_epoch = string.match(held, '^(%d+) ?(.*)$')
    local is_newer = #ARGV[9] > #version or (#ARGV[9] == #version and ARGV[9] > version)
    if is_newer or (ARGV[10] ~= '' and ARGV[10] ~= version_epoch) then
        return nil
    end
    local epoch, offset, _, err = locate(stream, meta)
    return err or epoch and epoch .. '-' .. offset
end

local attempt = ARGV[8] ~= '' and has_history and find_attempt(ARGV[8])
if type(attempt) == 'string' then
    return { 'published', attempt }
end
local known = idem and redis.call('GET', idem)
if known then
    return { ARGV[8] ~= '' and not has_history and 'published' or 'repeated', known }
end
if attempt then
    return attempt
end
local top = outdated_by()
if top then
    return type(top) == 'table' and top or { 'outdated', top }
end

local id, message = '0-0'
local result
if has_history then
    id, message = append(stream, meta, ARGV[7], tonumber(ARGV[12]), 13, true, true, ARGV[6])
    if type(id) == 'table' then
        return id
    end
    redis.call('XTRIM', stream, 'MAXLEN', ARGV[3], ARGV[2])
    result = midway(redis.pcall('EXPIRE', stream, ARGV[4]))
        or midway(redis.pcall('SETEX', meta, ARGV[5], id))
    if not result and ARGV[9] ~= '0' then
        local held = ARGV[10] == '' and ARGV[9] or ARGV[9] .. ' ' .. ARGV[10]
        result = midway(redis.pcall('SETEX', version_key, ARGV[5], held))
    end
else
    message = frame(id, 13)
end
result = result or midway(redis.pcall('PUBLISH', ARGV[1] .. stream, message))
if not result and idem then
    result = midway(redis.pcall('SETEX', idem, ARGV[11], id))
end
return result or { 'published', id }
