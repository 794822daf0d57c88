/* What the memory store remembers so that a publication is not published twice: its bounds. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "store/memory_once.h"

static struct hf_memory_once *once;

static int set_up(void **state)
{
    (void)state;
    once = hf_memory_once_new(2, 1);
    return once != NULL ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    hf_memory_once_free(once);
    return 0;
}

/* Publishes with a key and a version ("" and 0: none) unless it is known. */
static int publish(const char *channel, const char *key, uint64_t version, uint64_t now_ms,
                   enum hf_publish_outcome *outcome)
{
    struct hf_store_publish request = {
        .channel = {channel, strlen(channel)},
        .options = {.history_size = 10, .history_ttl_s = 10, .meta_ttl_s = 10},
        .fields.version = version,
        .idempotency_key = {key, strlen(key)},
        .idempotency_ttl_s = 10,
        .outcome = HF_PUBLISHED,
    };
    const struct hf_position top = {1, 5};
    struct hf_memory_once_claim claim;
    int result = hf_memory_once_begin(once, &request, top, now_ms, &claim);
    if (result == HF_OK && request.outcome == HF_PUBLISHED) {
        hf_memory_once_end(once, &request, &claim, true, (struct hf_position){1, 6}, now_ms);
    }
    *outcome = request.outcome;
    return result;
}

static void above_the_most_keys_a_new_one_is_refused_until_one_expires(void **state)
{
    enum hf_publish_outcome outcome;
    (void)state;
    assert_int_equal(publish("ch", "a", 0, 1000, &outcome), HF_OK);
    assert_int_equal(publish("ch", "b", 0, 5000, &outcome), HF_OK);
    assert_int_equal(publish("ch", "c", 0, 5000, &outcome), HF_ELIMIT);
    assert_int_equal(publish("ch", "a", 0, 5000, &outcome), HF_OK); /* it is known */
    assert_int_equal(outcome, HF_PUBLISH_REPEATED);
    assert_int_equal(publish("ch", "", 1, 5000, &outcome), HF_OK); /* versions are counted apart */
    hf_memory_once_sweep(once, 12000);
    assert_int_equal(publish("ch", "c", 0, 12000, &outcome), HF_OK);
    assert_int_equal(outcome, HF_PUBLISHED);
}

static void above_the_most_versions_another_channel_is_refused(void **state)
{
    enum hf_publish_outcome outcome;
    (void)state;
    assert_int_equal(publish("one", "", 1, 1000, &outcome), HF_OK);
    assert_int_equal(publish("other", "", 1, 1000, &outcome), HF_ELIMIT);
    assert_int_equal(publish("one", "", 2, 1000, &outcome), HF_OK);
    assert_int_equal(outcome, HF_PUBLISHED);
    assert_int_equal(publish("other", "key", 0, 1000, &outcome), HF_OK);
}

/* A key that was claimed for a publication which then could not be published is free again. */
static void a_refused_version_gives_its_key_back(void **state)
{
    enum hf_publish_outcome outcome;
    (void)state;
    assert_int_equal(publish("one", "", 1, 1000, &outcome), HF_OK);
    assert_int_equal(publish("other", "key", 1, 1000, &outcome), HF_ELIMIT);
    assert_int_equal(publish("other", "key", 0, 1000, &outcome), HF_OK);
    assert_int_equal(outcome, HF_PUBLISHED);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(above_the_most_keys_a_new_one_is_refused_until_one_expires),
        TEST(above_the_most_versions_another_channel_is_refused),
        TEST(a_refused_version_gives_its_key_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
