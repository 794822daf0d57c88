/* Mailbox: messages from other threads to one thread, in batches, without locks.
 *
 * A sender collects what it has to say in an outbox and posts it at the end of its loop turn: one
 * atomic exchange and, when the box was empty, one wake-up. The receiver polls the descriptor and
 * takes everything at once, in the order of posting.
 *
 * hf_mailbox_post: any thread. hf_mailbox_take: the receiver. Messages are embedded in what they
 * carry (HF_CONTAINER_OF) and belong to the receiver once posted. */
#ifndef HF_ENGINE_MAILBOX_H
#define HF_ENGINE_MAILBOX_H

#include <stdatomic.h>
#include <stddef.h>

#define HF_CONTAINER_OF(pointer, type, member)                                                     \
    ((type *)(void *)((char *)(pointer)-offsetof(type, member)))

struct hf_mail {
    struct hf_mail *next;
};

struct hf_mailbox {
    _Atomic(struct hf_mail *) newest; /* linked from newest to oldest; NULL: empty */
    int fd;                           /* eventfd, readable when something was posted */
};

/* One sender's collected messages, newest first. All zero: empty. */
struct hf_outbox {
    struct hf_mail *newest;
    struct hf_mail *oldest;
};

/* 0 or -1 with errno. */
int hf_mailbox_init(struct hf_mailbox *mailbox);
/* Nobody may post any more; what was posted and not taken is lost. */
void hf_mailbox_fini(struct hf_mailbox *mailbox);

void hf_outbox_add(struct hf_outbox *outbox, struct hf_mail *mail);
/* Posts what is in the outbox and empties it. */
void hf_mailbox_post(struct hf_mailbox *mailbox, struct hf_outbox *outbox);
/* Only wakes the receiver. */
void hf_mailbox_wake(struct hf_mailbox *mailbox);

/* Everything that was posted, oldest first, linked by `next`; NULL when empty. */
struct hf_mail *hf_mailbox_take(struct hf_mailbox *mailbox);

#endif
