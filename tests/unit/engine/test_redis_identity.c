#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "redis/identity.h"

static struct hf_reply text(const char *value)
{
    return (struct hf_reply){.type = HF_REPLY_TEXT, .len = strlen(value), .text = value};
}

/* A reply to HELLO with these two values. */
struct hello {
    struct hf_reply values[4], *items[4], reply;
};

static const struct hf_reply *hello_make(struct hello *hello, const char *version, const char *role)
{
    const char *texts[] = {"version", version, "role", role};
    for (size_t i = 0; i < 4; i++) {
        hello->values[i] = text(texts[i]);
        hello->items[i] = &hello->values[i];
    }
    hello->reply = (struct hf_reply){.type = HF_REPLY_ARRAY, .len = 4, .items = hello->items};
    return &hello->reply;
}

static void hello_of_a_primary_tells_its_version_and_that_it_is_none(void **state)
{
    (void)state;
    struct hello hello;
    const struct hf_reply *reply = hello_make(&hello, "7.0.15", "master");
    assert_int_equal(hf_redis_hello_version(reply), 7);
    assert_false(hf_redis_hello_is_replica(reply));
    assert_true(hf_redis_hello_is_replica(hello_make(&hello, "7.0.15", "replica")));
}

static void hello_without_values_is_no_version_and_no_primary(void **state)
{
    (void)state;
    struct hello hello;
    hello_make(&hello, "7.0.15", "master");
    hello.reply.len = 1; /* a name without its value */
    assert_int_equal(hf_redis_hello_version(&hello.reply), 0);
    assert_true(hf_redis_hello_is_replica(&hello.reply));
    hello.reply.len = 4;
    hello.values[1].type = HF_REPLY_NUMBER;
    assert_int_equal(hf_redis_hello_version(&hello.reply), 0);
}

#define RUN_ID "\r\nrun_id:d7e6f4c2a8b0d7e6f4c2a8b0d7e6f4c2a8b01234\r\n"
#define REPLID "\r\nmaster_replid:0123456789abcdef0123456789abcdef01234567\r\n"
#define OTHER  "\r\nmaster_replid:1123456789abcdef0123456789abcdef01234567\r\n"

static void info_of_the_same_process_and_history_is_one_life(void **state)
{
    (void)state;
    uint64_t life = hf_redis_info_life("# Server" RUN_ID "# Replication" REPLID);
    assert_int_not_equal(life, 0);
    assert_int_equal(hf_redis_info_life("#" RUN_ID "uptime_in_seconds:1" REPLID), life);
    assert_int_not_equal(hf_redis_info_life("#" RUN_ID "#" OTHER), life);
}

static void info_without_a_run_id_tells_no_life(void **state)
{
    (void)state;
    assert_int_equal(hf_redis_info_life(""), 0);
    assert_int_equal(hf_redis_info_life("#" REPLID), 0);
    assert_int_equal(hf_redis_info_life("#\r\nrun_id:\r\n" REPLID), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hello_of_a_primary_tells_its_version_and_that_it_is_none),
        cmocka_unit_test(hello_without_values_is_no_version_and_no_primary),
        cmocka_unit_test(info_of_the_same_process_and_history_is_one_life),
        cmocka_unit_test(info_without_a_run_id_tells_no_life),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
