/* Redis server: a real, private redis-server for a test. It listens on a unix socket and a free TCP
 * port in a directory of its own, dies with the test's process, whatever becomes of it, and leaves
 * nothing behind when it is freed. Failures of the fixture abort the test with a message. */
#ifndef HF_TESTS_REDIS_SERVER_H
#define HF_TESTS_REDIS_SERVER_H

#include <stdint.h>

#include <hiredis/hiredis.h>

struct hf_redis_server;

/* Starts one and waits until it answers. `options` are arguments of redis-server behind the
 * fixture's own (save "", appendonly no), NULL-terminated, or NULL. */
struct hf_redis_server *hf_redis_server_start(const char *const *options);

/* As _start, but the server is not started yet: nothing listens on its addresses. */
struct hf_redis_server *hf_redis_server_prepare(const char *const *options);
void hf_redis_server_launch(struct hf_redis_server *server);
/* As _launch, but returns at once: it may be loading, or not even be there. */
void hf_redis_server_launch_only(struct hf_redis_server *server);

/* Kills it, removes its directory, frees. NULL is allowed. */
void hf_redis_server_free(struct hf_redis_server *server);

void hf_redis_server_kill(struct hf_redis_server *server); /* SIGKILL, and waits for its end */
/* Starts it again in its directory with its addresses and waits until it answers. */
void hf_redis_server_restart(struct hf_redis_server *server);
/* Removes what it has saved; only while it is dead. */
void hf_redis_server_wipe(struct hf_redis_server *server);
void hf_redis_server_stop(struct hf_redis_server *server); /* SIGSTOP */
void hf_redis_server_cont(struct hf_redis_server *server);

/* "unix:///.../redis.sock" and "127.0.0.1:<port>"; the server's. */
const char *hf_redis_server_unix(const struct hf_redis_server *server);
const char *hf_redis_server_tcp(const struct hf_redis_server *server);
uint16_t hf_redis_server_port(const struct hf_redis_server *server);

/* Logs the fixture's own connection in, for a server with a password. */
void hf_redis_server_auth(struct hf_redis_server *server, const char *password);

/* Runs a command (hiredis' format) on the fixture's own connection. The caller frees the reply
 * (freeReplyObject). */
redisReply *hf_redis_server_command(struct hf_redis_server *server, const char *format, ...);

/* Sends a command on a connection of its own and does not wait: it may take for ever. _end waits
 * for its reply and closes the connection; the caller frees the reply. */
redisContext *hf_redis_server_begin(struct hf_redis_server *server, const char *format, ...);
redisReply *hf_redis_server_end(redisContext *connection);

/* Runs it and forgets the reply, which must be no error. */
void hf_redis_server_do(struct hf_redis_server *server, const char *format, ...);

#endif
