-- name: stream_remove
-- purpose: remove a channel's entries, keep its position, and tell every node
-- needs: redis >= 7.0, writes
-- KEYS[1] stream (stream)
-- ARGV[1] prefix of the pub/sub channel's name, which is otherwise the stream key's ('' in db 0)
-- ARGV[2] marker that is published (see engine/redis/frame.h)
-- returns: the entries removed (integer), or an error
-- atomicity: Redis runs nothing else meanwhile, so the marker comes between what was removed and
--   what is published later. If it stops midway, the entries are gone and nobody was told.
-- cost: O(entries)

-- Trimming to nothing keeps the stream's last ID, and so the position, even without a meta key.
local removed = redis.call('XTRIM', KEYS[1], 'MAXLEN', 0)
redis.call('PUBLISH', ARGV[1] .. KEYS[1], ARGV[2])
return removed
