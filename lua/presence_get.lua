-- name: presence_get
-- purpose: who is in a channel
-- needs: redis >= 7.0, no-writes
-- KEYS[1] presence (hash: client = info)
-- KEYS[2] expire (sorted set: "<client> <user>", score = ms of Redis' clock when it is gone)
-- ARGV[1] none (-)
-- returns: { clients and infos in turn, "<client> <user>" of those among them whose time is over }
-- atomicity: Redis runs nothing else meanwhile
-- cost: O(clients)

local time = redis.call('TIME')
local now = string.format('%.0f', tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000))
return { redis.call('HGETALL', KEYS[1]), redis.call('ZRANGEBYSCORE', KEYS[2], '-inf', now) }
