/* Directory: which sessions of this worker belong to which user. Worker's thread only.
 *
 * D1  A session is listed from its authentication until it leaves (closing or gone), under the name
 *     that it then has; "" is everyone without one.
 * D2  The sessions of one user are in the order of the newest first. */
#ifndef HF_SERVER_DIRECTORY_H
#define HF_SERVER_DIRECTORY_H

#include <stdbool.h>

#include "slice.h"
#include "table.h"

struct hf_hub;
struct hf_session;

struct hf_directory {
    struct hf_table users; /* by name */
};

/* hub: its hash key is borrowed for the directory's life. */
void hf_directory_init(struct hf_directory *directory, const struct hf_hub *hub);
/* Every session must have been removed. */
void hf_directory_fini(struct hf_directory *directory);

/* Lists a session that is not listed. False: no memory. */
bool hf_directory_add(struct hf_directory *directory, struct hf_session *session)
    __attribute__((warn_unused_result));
/* A session that is not listed is left alone. */
void hf_directory_remove(struct hf_directory *directory, struct hf_session *session);

/* The user's sessions. A session may be removed while it is looked at if the next one was asked for
 * before. NULL: there is none, or no further one. */
struct hf_session *hf_directory_first(const struct hf_directory *directory, struct hf_slice user);
struct hf_session *hf_directory_next(const struct hf_session *session);

#endif
