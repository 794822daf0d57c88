/* Users: how many connections each user has on this node, for client.user_connection_limit and for
 * the figures of the node. Any thread; one lock, taken at connect and disconnect only. */
#ifndef HF_SERVER_USERS_H
#define HF_SERVER_USERS_H

#include <stdint.h>

#include "slice.h"

struct hf_users;

/* limit: connections of one user; 0: any number. NULL: no memory. */
struct hf_users *hf_users_new(uint32_t limit) __attribute__((warn_unused_result));
/* Every user must have been removed. NULL is fine. */
void hf_users_free(struct hf_users *users);

enum hf_users_result { HF_USERS_OK, HF_USERS_FULL, HF_USERS_NO_MEMORY };

/* Counts one more connection of the user (not empty, copied) unless that would be one too many. */
enum hf_users_result hf_users_add(struct hf_users *users, struct hf_slice user)
    __attribute__((warn_unused_result));
/* Takes back one successful hf_users_add. */
void hf_users_remove(struct hf_users *users, struct hf_slice user);

/* How many different users are counted, and how many connections they have together. */
void hf_users_count(struct hf_users *users, uint64_t *user_count, uint64_t *connections);

#endif
