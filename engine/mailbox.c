#include "mailbox.h"

#include <errno.h>
#include <stdint.h>
#include <sys/eventfd.h>
#include <unistd.h>

int hf_mailbox_init(struct hf_mailbox *mailbox)
{
    atomic_init(&mailbox->newest, NULL);
    mailbox->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    return mailbox->fd < 0 ? -1 : 0;
}

void hf_mailbox_fini(struct hf_mailbox *mailbox)
{
    close(mailbox->fd);
    mailbox->fd = -1;
}

void hf_outbox_add(struct hf_outbox *outbox, struct hf_mail *mail)
{
    mail->next = outbox->newest;
    outbox->newest = mail;
    if (outbox->oldest == NULL) {
        outbox->oldest = mail;
    }
}

void hf_mailbox_wake(struct hf_mailbox *mailbox)
{
    uint64_t one = 1;
    /* Fails only when the counter is full, and then the receiver is awake anyway. */
    while (write(mailbox->fd, &one, sizeof one) < 0 && errno == EINTR) {
    }
}

void hf_mailbox_post(struct hf_mailbox *mailbox, struct hf_outbox *outbox)
{
    if (outbox->newest == NULL) {
        return;
    }
    struct hf_mail *before = atomic_load_explicit(&mailbox->newest, memory_order_relaxed);
    do {
        outbox->oldest->next = before;
    } while (!atomic_compare_exchange_weak_explicit(&mailbox->newest, &before, outbox->newest,
                                                    memory_order_acq_rel, memory_order_relaxed));
    outbox->newest = outbox->oldest = NULL;
    if (before == NULL) {
        hf_mailbox_wake(mailbox);
    }
}

struct hf_mail *hf_mailbox_take(struct hf_mailbox *mailbox)
{
    uint64_t count;
    while (read(mailbox->fd, &count, sizeof count) < 0 && errno == EINTR) {
    }
    struct hf_mail *newest = atomic_exchange_explicit(&mailbox->newest, NULL, memory_order_acq_rel);
    struct hf_mail *oldest = NULL;
    while (newest != NULL) {
        struct hf_mail *next = newest->next;
        newest->next = oldest;
        oldest = newest;
        newest = next;
    }
    return oldest;
}
