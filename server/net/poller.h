/* A poller: waits until something happens on one of many descriptors (epoll).
 *
 * One thread. Sources are part of their owner's memory and cost nothing else here. During a wait
 * any source may be set anew, and none may be freed. */
#ifndef HF_SERVER_POLLER_H
#define HF_SERVER_POLLER_H

#include <stdint.h>

struct hf_poller;

enum hf_poll_mode {
    HF_POLL_NONE,
    HF_POLL_LEVEL, /* told in every wait while it can be read */
    /* Told once when something comes: what was not read then is not told of again. The end is told
     * with HF_POLL_END: reading then has to go on until the end itself is read. */
    HF_POLL_EDGE,
    HF_POLL_EDGE_WRITE, /* also once when there is room to write again */
};

enum hf_poll_what {
    HF_POLL_READ = 1,
    HF_POLL_WRITE = 2,
    HF_POLL_END = 4, /* the peer has shut down its side, or the connection is broken */
};

/* Zeroed: not watched. */
struct hf_poll_source {
    /* `what`: of HF_POLL_READ, WRITE, END, never none of them. */
    void (*on_ready)(struct hf_poll_source *source, unsigned what);
    int fd;
    enum hf_poll_mode mode; /* to be read only */
};

/* NULL: no memory or no descriptor (errno). */
struct hf_poller *hf_poller_open(void);
void hf_poller_close(struct hf_poller *poller); /* NULL is allowed */

/* What the source is to be told of from now on, and at once if it is so already. Closing the
 * descriptor ends it as HF_POLL_NONE does. 0, or -1 with errno: nothing has changed. */
int hf_poller_set(struct hf_poller *poller, struct hf_poll_source *source, enum hf_poll_mode mode);

#define HF_POLL_FOREVER INT64_MAX

/* Waits at most `timeout_us` microseconds (never much less, but for signals) and tells the sources.
 */
void hf_poller_wait(struct hf_poller *poller, int64_t timeout_us);

#endif
