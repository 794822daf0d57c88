/* Address: where a Redis server is and who we are there, from the text of the configuration.
 *
 *   host:port    host    [ipv6]:port                            (port 6379 when it is missing)
 *   redis://[[user]:password@]host[:port][/db]   tcp:// the same
 *   unix:///path    unix://[[user]:password@]/path
 *
 * User, password and path may be percent-encoded. Everything else is refused, with a reason that
 * never holds the password. Pure; any thread. */
#ifndef HF_REDIS_ADDRESS_H
#define HF_REDIS_ADDRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HF_REDIS_PORT   6379
#define HF_REDIS_DB_MAX 65535

struct hf_redis_address {
    char *host; /* name or number, IPv6 without brackets; NULL: unix socket. Owned */
    uint16_t port;
    char *path;     /* unix socket; NULL: TCP. Owned */
    char *user;     /* NULL: not given. Owned */
    char *password; /* NULL: not given. Owned */
    bool has_db;
    uint32_t db;
};

/* Fills `address`; on failure it is left empty (all zero). HF_EINVAL, with `reason` saying why in
 * at most `reason_size` bytes, or HF_ENOMEM. `text` is borrowed until return. */
int hf_redis_address_parse(const char *text, struct hf_redis_address *address, char *reason,
                           size_t reason_size);

/* Frees what the address owns and empties it. The password's memory is overwritten first. */
void hf_redis_address_fini(struct hf_redis_address *address);

/* "host:port" or the path, for people: no user, no password. */
void hf_redis_address_describe(const struct hf_redis_address *address, char *text, size_t size);

#endif
