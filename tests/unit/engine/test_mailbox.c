#include "mailbox.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

struct letter {
    unsigned sender, number;
    struct hf_mail mail;
};

static struct letter *letter_of(struct hf_mail *mail)
{
    return HF_CONTAINER_OF(mail, struct letter, mail);
}

static bool is_readable(const struct hf_mailbox *mailbox, int timeout_ms)
{
    struct pollfd readable = {.fd = mailbox->fd, .events = POLLIN};
    int count;
    do {
        count = poll(&readable, 1, timeout_ms);
    } while (count < 0 && errno == EINTR);
    return count == 1;
}

static void post(struct hf_mailbox *mailbox, struct letter *letters, unsigned first, unsigned count)
{
    struct hf_outbox outbox = {0};
    for (unsigned i = first; i < first + count; i++) {
        letters[i].number = i;
        hf_outbox_add(&outbox, &letters[i].mail);
    }
    hf_mailbox_post(mailbox, &outbox);
    assert_null(outbox.newest);
    assert_null(outbox.oldest);
}

/* Takes everything: it must be letters first, first + 1, ... up to `end`. */
static void assert_takes(struct hf_mailbox *mailbox, unsigned first, unsigned end)
{
    struct hf_mail *mail = hf_mailbox_take(mailbox);
    for (; mail != NULL; mail = mail->next) {
        assert_int_equal(letter_of(mail)->number, first++);
    }
    assert_int_equal(first, end);
}

static void letters_are_taken_in_the_order_of_posting(void **state)
{
    (void)state;
    struct hf_mailbox mailbox;
    struct letter letters[10];
    assert_int_equal(hf_mailbox_init(&mailbox), 0);
    post(&mailbox, letters, 0, 1);
    post(&mailbox, letters, 1, 5);
    post(&mailbox, letters, 6, 4);
    assert_takes(&mailbox, 0, 10);
    assert_null(hf_mailbox_take(&mailbox));
    post(&mailbox, letters, 0, 3); /* letters may be posted again once taken */
    assert_takes(&mailbox, 0, 3);
    hf_mailbox_fini(&mailbox);
}

static void a_mailbox_is_readable_from_the_first_post_until_it_is_taken(void **state)
{
    (void)state;
    struct hf_mailbox mailbox;
    struct letter letters[4];
    assert_int_equal(hf_mailbox_init(&mailbox), 0);
    assert_false(is_readable(&mailbox, 0));
    post(&mailbox, letters, 0, 1);
    post(&mailbox, letters, 1, 1);
    assert_true(is_readable(&mailbox, 0));
    assert_takes(&mailbox, 0, 2);
    assert_false(is_readable(&mailbox, 0));
    post(&mailbox, letters, 2, 2);
    assert_true(is_readable(&mailbox, 0));
    assert_takes(&mailbox, 2, 4);
    hf_mailbox_fini(&mailbox);
}

static void posting_nothing_wakes_nobody(void **state)
{
    (void)state;
    struct hf_mailbox mailbox;
    assert_int_equal(hf_mailbox_init(&mailbox), 0);
    post(&mailbox, NULL, 0, 0);
    assert_false(is_readable(&mailbox, 0));
    assert_null(hf_mailbox_take(&mailbox));
    hf_mailbox_fini(&mailbox);
}

static void a_wake_is_seen_without_a_letter(void **state)
{
    (void)state;
    struct hf_mailbox mailbox;
    assert_int_equal(hf_mailbox_init(&mailbox), 0);
    hf_mailbox_wake(&mailbox);
    hf_mailbox_wake(&mailbox);
    assert_true(is_readable(&mailbox, 0));
    assert_null(hf_mailbox_take(&mailbox));
    assert_false(is_readable(&mailbox, 0));
    hf_mailbox_fini(&mailbox);
}

enum { SENDERS = 3, LETTERS = 3000, BATCH_MAX = 7 };

struct sender {
    struct hf_mailbox *mailbox;
    unsigned index;
};

/* Posts its letters in batches of changing size; the receiver frees them. */
static void *run_sender(void *context)
{
    struct sender *sender = context;
    struct hf_outbox outbox = {0};
    unsigned in_batch = 0, batch = 1;
    for (unsigned i = 0; i < LETTERS; i++) {
        struct letter *letter = malloc(sizeof *letter);
        if (letter == NULL) {
            abort();
        }
        letter->sender = sender->index;
        letter->number = i;
        hf_outbox_add(&outbox, &letter->mail);
        if (++in_batch == batch) {
            hf_mailbox_post(sender->mailbox, &outbox);
            in_batch = 0;
            batch = batch % BATCH_MAX + 1;
        }
    }
    hf_mailbox_post(sender->mailbox, &outbox);
    return NULL;
}

/* The receiver only looks when it was woken: a lost wake-up would end the test at the timeout. */
static void letters_of_several_senders_all_arrive_each_sender_s_in_order(void **state)
{
    (void)state;
    struct hf_mailbox mailbox;
    assert_int_equal(hf_mailbox_init(&mailbox), 0);
    pthread_t threads[SENDERS];
    struct sender senders[SENDERS];
    for (unsigned i = 0; i < SENDERS; i++) {
        senders[i] = (struct sender){&mailbox, i};
        assert_int_equal(pthread_create(&threads[i], NULL, run_sender, &senders[i]), 0);
    }
    unsigned next[SENDERS] = {0};
    unsigned total = 0;
    bool is_woken = true, is_in_order = true;
    while (total < SENDERS * LETTERS && is_woken) {
        is_woken = is_readable(&mailbox, 60000);
        struct hf_mail *mail = hf_mailbox_take(&mailbox);
        while (mail != NULL) {
            struct letter *letter = letter_of(mail);
            mail = mail->next;
            is_in_order &= letter->number == next[letter->sender]++;
            total++;
            free(letter);
        }
    }
    for (unsigned i = 0; i < SENDERS; i++) {
        pthread_join(threads[i], NULL);
    }
    hf_mailbox_fini(&mailbox);
    assert_true(is_woken);
    assert_true(is_in_order);
    assert_int_equal(total, SENDERS * LETTERS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(letters_are_taken_in_the_order_of_posting),
        cmocka_unit_test(a_mailbox_is_readable_from_the_first_post_until_it_is_taken),
        cmocka_unit_test(posting_nothing_wakes_nobody),
        cmocka_unit_test(a_wake_is_seen_without_a_letter),
        cmocka_unit_test(letters_of_several_senders_all_arrive_each_sender_s_in_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
