/* The keyed hash. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "hash.h"

/* Key and messages are the bytes 0, 1, 2, ... as in the paper's test. The hashes are from a second
 * implementation, which was checked against the paper's value for SipHash-2-4. */
static void known_messages_have_their_known_hashes(void **state)
{
    static const struct hf_hash_key key = {
        {UINT64_C(0x0706050403020100), UINT64_C(0x0f0e0d0c0b0a0908)}};
    static const struct {
        size_t len;
        uint64_t hash;
    } known[] = {
        {0, UINT64_C(0xabac0158050fc4dc)},  {1, UINT64_C(0xc9f49bf37d57ca93)},
        {7, UINT64_C(0xd3927d989bb11140)},  {8, UINT64_C(0x369095118d299a8e)},
        {9, UINT64_C(0x25a48eb36c063de4)},  {15, UINT64_C(0xd320d86d2a519956)},
        {16, UINT64_C(0xcc4fdd1a7d908b66)}, {63, UINT64_C(0x9d199062b7bbb3a8)},
    };
    unsigned char message[64];
    (void)state;
    for (unsigned i = 0; i < sizeof message; i++) {
        message[i] = (unsigned char)i;
    }
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        assert_true(hf_hash(&key, known[i].len > 0 ? message : NULL, known[i].len) ==
                    known[i].hash);
    }
}

static void every_key_is_another_one(void **state)
{
    struct hf_hash_key a, b;
    (void)state;
    assert_true(hf_hash_key_new(&a));
    assert_true(hf_hash_key_new(&b));
    assert_memory_not_equal(&a, &b, sizeof a);
}

/* What an attacker could do who knew the key: choose names of one bucket. Under another key the
 * same names are spread as if they were any. */
static void names_that_meet_under_one_key_part_under_another(void **state)
{
    static const struct hf_hash_key known = {{1, 2}}, secret = {{3, 4}};
    enum { NAMES = 256, BUCKETS = 256 };
    unsigned in_bucket[BUCKETS] = {0};
    unsigned found = 0, most = 0;
    (void)state;
    for (unsigned i = 0; found < NAMES; i++) {
        char name[16];
        size_t len = (size_t)snprintf(name, sizeof name, "room:%u", i);
        if (hf_hash(&known, name, len) % BUCKETS == 0) {
            unsigned count = ++in_bucket[hf_hash(&secret, name, len) % BUCKETS];
            most = count > most ? count : most;
            found++;
        }
    }
    assert_in_range(most, 2, 12); /* of 256 balls in 256 bins, 6 are usual */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(known_messages_have_their_known_hashes),
        cmocka_unit_test(every_key_is_another_one),
        cmocka_unit_test(names_that_meet_under_one_key_part_under_another),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
