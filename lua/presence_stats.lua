-- name: presence_stats
-- purpose: how many clients and different users are in a channel, without looking at each
-- needs: redis >= 7.0, no-writes
-- KEYS[1] expire (sorted set: "<client> <user>", score = ms of Redis' clock when it is gone)
-- KEYS[2] users (hash: user = number of clients)
-- ARGV[1] none (-)
-- returns: { clients, users } (integers)
-- atomicity: Redis runs nothing else meanwhile
-- cost: O(log(clients)), and O(1) for each client whose time is over and that nobody took out yet

local time = redis.call('TIME')
local now = string.format('%.0f', tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000))
local users = redis.call('HLEN', KEYS[2])
local gone = {}
for _, member in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now)) do
    local user = string.sub(member, string.find(member, ' ', 1, true) + 1)
    gone[user] = (gone[user] or 0) + 1
end
for user, count in pairs(gone) do
    if tonumber(redis.call('HGET', KEYS[2], user) or 0) <= count then
        users = users - 1
    end
end
return { redis.call('ZCOUNT', KEYS[1], '(' .. now, '+inf'), users }
