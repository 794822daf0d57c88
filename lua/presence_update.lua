-- name: presence_update
-- purpose: add, refresh and remove clients of any channels in the order given, and tell of joins
--   and leaves; of each channel it also takes out some of those whose time is over
-- needs: redis >= 7.0, writes
-- KEYS[4i-3] presence (hash: client = info)
-- KEYS[4i-2] expire (sorted set: "<client> <user>", score = ms of Redis' clock when it is gone)
-- KEYS[4i-1] users (hash: user = number of clients)
-- KEYS[4i] leaving (hash: user = "<client> <l|-> " for each that waits, l: its leave is to be told)
-- ARGV[1] prefix of the pub/sub channels' names (what stands before the channel's name)
-- ARGV[2] length of KEYS[1] before the channel's name (bytes)
-- ARGV[3] how long an add or a refresh holds (ms)
-- ARGV[4] slack: a waiting client is gone so long after its grace (ms)
-- ARGV[5..] items, each of five: number of the channel (1 for KEYS[1] to KEYS[4], ...), action,
--   "<client> <user>", info, grace (ms, of h, H and I). Actions: "+" add, "r" refresh, "j" tell the
--   join, "-" remove, "l" remove and tell the leave, "h" hold (remove when the grace is over), "H"
--   hold and then tell the leave, "I" the same but never tell at once, "e" end of the grace, "n"
--   nothing
-- returns: one character for each item: "1" when an add found its user waiting and took the waiting
--   client out, or a hold has begun; "x" when the channel's keys met an error; else "0". With an "x"
--   an array of that text and the first error, and when there is nothing else that error alone
-- atomicity: Redis runs nothing else meanwhile, so a leave is told with the removal. If it stops
--   midway (the server dies), the items before are applied; all but the telling may be repeated. One
--   channel's error (a key of another type) does not touch the others.
-- cost: O(items * log(clients)), about 4 calls for each item and 4 more for each channel

local SWEPT_MAX = 128
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
local ttl, slack = tonumber(ARGV[3]), tonumber(ARGV[4])

local function number(value)
    return string.format('%.0f', value)
end

-- A channel's name and keys, and how long its keys must live.
local function open_channel(i)
    local base = 4 * i - 3
    return {
        name = string.sub(KEYS[base], tonumber(ARGV[2]) + 1),
        presence = KEYS[base], expire = KEYS[base + 1],
        users = KEYS[base + 2], leaving = KEYS[base + 3],
        lives = 0,
    }
end

local function split(member)
    local space = string.find(member, ' ', 1, true)
    return string.sub(member, 1, space - 1), string.sub(member, space + 1)
end

local function tell(channel, what, info)
    redis.call('PUBLISH', ARGV[1] .. channel.name, what .. '\n' .. info)
end

-- Those of a user that wait: { { client, mark }, ... }.
local function waiting_of(channel, user)
    local list = {}
    if user ~= '' then
        local text = redis.call('HGET', channel.leaving, user) or ''
        for client, mark in string.gmatch(text, '(%S+) ([l%-]) ') do
            list[#list + 1] = { client, mark }
        end
    end
    return list
end

local function set_waiting(channel, user, list)
    if #list == 0 then
        redis.call('HDEL', channel.leaving, user)
        return
    end
    local texts = {}
    for i, entry in ipairs(list) do
        texts[i] = entry[1] .. ' ' .. entry[2] .. ' '
    end
    redis.call('HSET', channel.leaving, user, table.concat(texts))
end

-- Ends the wait of the client; its mark, or nil when it does not wait.
local function stop_waiting(channel, client, user)
    local list = waiting_of(channel, user)
    for i, entry in ipairs(list) do
        if entry[1] == client then
            table.remove(list, i)
            set_waiting(channel, user, list)
            return entry[2]
        end
    end
end

local function take_out(channel, member, client, user)
    redis.call('HDEL', channel.presence, client)
    if redis.call('ZREM', channel.expire, member) == 1
        and redis.call('HINCRBY', channel.users, user, -1) <= 0 then
        redis.call('HDEL', channel.users, user)
    end
end

-- Takes out one whose wait has just been ended.
local function leave(channel, member, client, user, mark)
    if mark == 'l' then
        tell(channel, 'leave', redis.call('HGET', channel.presence, client) or '')
    end
    take_out(channel, member, client, user)
end

local function sweep(channel)
    local gone = redis.call('ZRANGEBYSCORE', channel.expire, '-inf', number(now), 'LIMIT', 0, SWEPT_MAX)
    for _, member in ipairs(gone) do
        local client, user = split(member)
        leave(channel, member, client, user, stop_waiting(channel, client, user))
    end
end

-- The user is back: ends the wait of this client or else of one other.
local function come_back(channel, client, user)
    local list = waiting_of(channel, user)
    if #list == 0 then
        return false
    end
    local found = 1
    for i, entry in ipairs(list) do
        if entry[1] == client then
            found = i
        end
    end
    local other = table.remove(list, found)[1]
    set_waiting(channel, user, list)
    if other ~= client then
        take_out(channel, other .. ' ' .. user, other, user)
    end
    return true
end

local function put(channel, member, client, user, info, is_add)
    if redis.call('ZADD', channel.expire, number(now + ttl), member) == 1 then
        redis.call('HINCRBY', channel.users, user, 1)
    end
    redis.call(is_add and 'HSET' or 'HSETNX', channel.presence, client, info)
    channel.lives = math.max(channel.lives, ttl)
end

local function hold(channel, member, client, user, grace, mark)
    local list = waiting_of(channel, user)
    list[#list + 1] = { client, mark }
    set_waiting(channel, user, list)
    redis.call('ZADD', channel.expire, number(now + grace + slack), member)
    channel.lives = math.max(channel.lives, grace + slack + ttl) -- until some node has swept
end

local actions = {}

actions['+'] = function(channel, member, client, user, info)
    local is_back = come_back(channel, client, user)
    put(channel, member, client, user, info, true)
    return is_back
end

actions['r'] = function(channel, member, client, user, info)
    put(channel, member, client, user, info, false)
end

actions['j'] = function(channel, member, client, user, info)
    tell(channel, 'join', info)
end

actions['-'] = function(channel, member, client, user)
    stop_waiting(channel, client, user)
    take_out(channel, member, client, user)
end

actions['l'] = function(channel, member, client, user, info)
    actions['-'](channel, member, client, user)
    tell(channel, 'leave', info)
end

actions['n'] = function() end

local function begin_hold(mark, otherwise)
    return function(channel, member, client, user, info, grace)
        if user == '' or not redis.call('ZSCORE', channel.expire, member) then
            actions[otherwise](channel, member, client, user, info)
            return false
        end
        stop_waiting(channel, client, user)
        hold(channel, member, client, user, grace, mark)
        return true
    end
end

actions['h'] = begin_hold('-', '-')
actions['H'] = begin_hold('l', 'l')
actions['I'] = begin_hold('l', '-')

actions['e'] = function(channel, member, client, user)
    local mark = stop_waiting(channel, client, user)
    if mark then
        leave(channel, member, client, user, mark)
    end
end

-- Keys never live shorter than another node has asked for.
local function renew(channel)
    if channel.lives == 0 then
        return
    end
    for _, key in ipairs({ channel.presence, channel.expire, channel.users, channel.leaving }) do
        if redis.call('PEXPIRE', key, number(channel.lives), 'GT') == 0
            and redis.call('PTTL', key) == -1 then
            redis.call('PEXPIRE', key, number(channel.lives))
        end
    end
end

local first_error

-- What `work` returns, unless the channel has met an error, or meets one.
local function try(channel, work, ...)
    if channel.has_failed then
        return nil
    end
    local is_done, answer = pcall(work, channel, ...)
    if is_done then
        return answer
    end
    channel.has_failed = true
    first_error = first_error or (type(answer) == 'table' and answer.err or answer)
end

local channels = {}
for i = 1, #KEYS / 4 do
    channels[i] = open_channel(i)
    try(channels[i], sweep)
end
local answers, applied = {}, 0
for i = 5, #ARGV, 5 do
    local channel = channels[tonumber(ARGV[i])]
    local client, user = split(ARGV[i + 2])
    local answer = try(channel, actions[ARGV[i + 1]], ARGV[i + 2], client, user, ARGV[i + 3],
        tonumber(ARGV[i + 4]))
    answers[#answers + 1] = channel.has_failed and 'x' or answer and '1' or '0'
    applied = applied + (channel.has_failed and 0 or 1)
end
for _, channel in ipairs(channels) do
    try(channel, renew)
end
if not first_error then
    return table.concat(answers)
end
return applied == 0 and { err = first_error } or { table.concat(answers), { err = first_error } }
