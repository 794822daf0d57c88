#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <holdfast/error.h>

#include "redis/address.h"

struct good {
    const char *text, *host;
    uint16_t port;
    const char *path, *user, *password;
    int db; /* -1: not given */
    const char *description;
};

static const struct good goods[] = {
    {"localhost", "localhost", 6379, NULL, NULL, NULL, -1, "localhost:6379"},
    {"10.0.0.1:7000", "10.0.0.1", 7000, NULL, NULL, NULL, -1, "10.0.0.1:7000"},
    {"[::1]:7000", "::1", 7000, NULL, NULL, NULL, -1, "[::1]:7000"},
    {"[fe80::1]", "fe80::1", 6379, NULL, NULL, NULL, -1, "[fe80::1]:6379"},
    {"redis://redis", "redis", 6379, NULL, NULL, NULL, -1, "redis:6379"},
    {"redis://redis/", "redis", 6379, NULL, NULL, NULL, -1, "redis:6379"},
    {"REDIS://redis:1/0", "redis", 1, NULL, NULL, NULL, 0, "redis:1"},
    {"redis://:pw@redis:65535/15", "redis", 65535, NULL, NULL, "pw", 15, "redis:65535"},
    {"redis://ann:p%40ss%2Fw@h/2", "h", 6379, NULL, "ann", "p@ss/w", 2, "h:6379"},
    {"redis://ann:p:w@h", "h", 6379, NULL, "ann", "p:w", -1, "h:6379"},
    {"redis://a%3ab:p@q@h", "h", 6379, NULL, "a:b", "p@q", -1, "h:6379"},
    {"redis://ann@h", "h", 6379, NULL, "ann", NULL, -1, "h:6379"},
    {"redis://:pw@[::1]:1/3", "::1", 1, NULL, NULL, "pw", 3, "[::1]:1"},
    {"tcp://h:1", "h", 1, NULL, NULL, NULL, -1, "h:1"},
    {"unix:///run/redis.sock", NULL, 0, "/run/redis.sock", NULL, NULL, -1, "/run/redis.sock"},
    {"unix:///run/a%20b", NULL, 0, "/run/a b", NULL, NULL, -1, "/run/a b"},
    {"unix:///run/a@b", NULL, 0, "/run/a@b", NULL, NULL, -1, "/run/a@b"},
    {"unix://ann:pw@/run/r", NULL, 0, "/run/r", "ann", "pw", -1, "/run/r"},
    {"unix://:pw@/run/r", NULL, 0, "/run/r", NULL, "pw", -1, "/run/r"},
};

static void assert_text(const char *actual, const char *expected)
{
    if (expected == NULL)
        assert_null(actual);
    else
        assert_string_equal(actual, expected);
}

static void good_address_gives_its_parts(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof goods / sizeof goods[0]; i++) {
        struct hf_redis_address address;
        char reason[160], description[160];
        assert_int_equal(hf_redis_address_parse(goods[i].text, &address, reason, sizeof reason),
                         HF_OK);
        assert_text(address.host, goods[i].host);
        assert_text(address.path, goods[i].path);
        assert_text(address.user, goods[i].user);
        assert_text(address.password, goods[i].password);
        if (goods[i].host != NULL)
            assert_int_equal(address.port, goods[i].port);
        assert_int_equal(address.has_db, goods[i].db >= 0);
        assert_int_equal(address.db, goods[i].db >= 0 ? goods[i].db : 0);
        hf_redis_address_describe(&address, description, sizeof description);
        assert_string_equal(description, goods[i].description);
        hf_redis_address_fini(&address);
        assert_null(address.host);
    }
}

static const char *const bads[] = {
    "",
    ":6379",
    "h:",
    "h:0",
    "h:65536",
    "h:1a",
    "h:1:2",
    "h/0",
    "s3cret@h",
    "[::1",
    "[::1]x",
    "[zz]:1",
    "[]:1",
    "redis://",
    "redis://h/db",
    "redis://h/-1",
    "redis://h/65536",
    "redis://h/1/2",
    "redis://s3cret%4@h",
    "redis://s3cret%zz@h",
    "redis://s3cret%00@h",
    "redis://h?db=1",
    "redis://h h",
    "rediss://:s3cret@h",
    "http://h",
    "unix://",
    "unix://run/redis.sock",
    "unix://:s3cret@run",
    "redis+sentinel://h",
    "redis://:s3cret@",
};

static void bad_address_is_refused_with_a_reason_without_secrets(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof bads / sizeof bads[0]; i++) {
        struct hf_redis_address address;
        char reason[160];
        assert_int_equal(hf_redis_address_parse(bads[i], &address, reason, sizeof reason),
                         HF_EINVAL);
        assert_true(strlen(reason) > 10);
        assert_null(strstr(reason, "s3cret"));
        assert_null(address.host);
        assert_null(address.password);
    }
}

static void path_longer_than_a_socket_address_is_refused(void **state)
{
    (void)state;
    struct hf_redis_address address;
    char reason[160], text[160] = "unix:///";
    memset(text + 8, 'x', 106);
    assert_int_equal(hf_redis_address_parse(text, &address, reason, sizeof reason), HF_OK);
    hf_redis_address_fini(&address);
    text[8 + 106] = 'x';
    assert_int_equal(hf_redis_address_parse(text, &address, reason, sizeof reason), HF_EINVAL);
}

static void tls_is_refused_by_name(void **state)
{
    (void)state;
    struct hf_redis_address address;
    char reason[160];
    assert_int_equal(hf_redis_address_parse("rediss://h", &address, reason, sizeof reason),
                     HF_EINVAL);
    assert_non_null(strstr(reason, "rediss"));
    assert_non_null(strstr(reason, "not offered"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good_address_gives_its_parts),
        cmocka_unit_test(bad_address_is_refused_with_a_reason_without_secrets),
        cmocka_unit_test(path_longer_than_a_socket_address_is_refused),
        cmocka_unit_test(tls_is_refused_by_name),
    };
    return cmocka_run_group_tests_name("address", tests, NULL, NULL);
}
