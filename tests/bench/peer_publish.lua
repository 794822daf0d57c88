-- The peer's publish into a stream with history, written anew from the list of its steps (the
-- commands that it carries out, their order, its keys and arguments), for bench_publish.
-- KEYS: stream, meta (hash), result of an idempotency key
-- ARGV: payload, size, ttl, pub/sub channel, meta ttl, epoch for a new stream, publish command,
--   ttl of the result ('': none), delta, version, version epoch

if ARGV[8] ~= '' then
    local known = redis.call('HMGET', KEYS[3], 'e', 's')
    if known[1] then
        return { known[2], known[1], '1', '0' }
    end
end

local epoch = redis.call('HGET', KEYS[2], 'e')
if not epoch then
    epoch = ARGV[6]
    redis.call('HSET', KEYS[2], 'e', epoch)
end
if ARGV[10] ~= '0' then
    local last = redis.call('HMGET', KEYS[2], 'v', 've')
    if last[1] and tonumber(last[1]) >= tonumber(ARGV[10])
        and (ARGV[11] == '' or ARGV[11] == last[2]) then
        return { redis.call('HGET', KEYS[2], 's'), epoch, '0', '1' }
    end
    redis.call('HSET', KEYS[2], 'v', ARGV[10], 've', ARGV[11])
end

local offset = redis.call('HINCRBY', KEYS[2], 's', 1)
if ARGV[5] ~= '0' then
    redis.call('EXPIRE', KEYS[2], ARGV[5])
end
if offset == 1 then
    redis.call('DEL', KEYS[1])
end
redis.call('XADD', KEYS[1], 'MAXLEN', ARGV[2], offset, 'd', ARGV[1])
redis.call('EXPIRE', KEYS[1], ARGV[3])
if ARGV[4] ~= '' then
    redis.call(ARGV[7], ARGV[4], '__p1:' .. offset .. ':' .. epoch .. '__' .. ARGV[1])
end
if ARGV[8] ~= '' then
    redis.call('HSET', KEYS[3], 'e', epoch, 's', offset)
    redis.call('EXPIRE', KEYS[3], ARGV[8])
end
return { offset, epoch, '0', '0' }
